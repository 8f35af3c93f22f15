"""One dataset: what was found in it, previews, versions compared, lineage, feedback, its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import ACTING, STEWARD
from contracts.system import feedback
from contracts.system.catalogue import MAX_DESTROYED
from node.errors import MunimentError
from node.trace.lineage import Lineage
from node.trace.picture import to_svg
from node.web.catalogue import Catalogue
from node.web.console.seconds import prepare, waiting
from node.web.console.sources import latest_job
from node.web.forms import number_of
from node.web.signing import CallArguments, propose, seal
from node.web.site import MissingError, Site, Visit, page

MAX_WORDS = 10_000
MAX_VERSIONS = 50
_PARTS = ("title", "rows", "level", "class", "standard", "licence", "frequency", "commitment")
"""What is compared of two registrations."""


def routes(site: Site, catalogue: Catalogue) -> list[BaseRoute]:
    lineage, steward = Lineage(site.link.query), (STEWARD,)
    dataset = "/data/{owner}/{name}"

    def post(part: str, handler: Any, duties: Any) -> BaseRoute:
        return page(site, f"{dataset}/{part}", handler, methods=("POST",), duties=duties)

    return [
        page(site, dataset, lambda visit: _show(visit, catalogue)),
        page(site, dataset + "/lineage", lambda visit: _lineage(visit, lineage)),
        page(site, dataset + "/preview", _preview, duties=("approver", "steward")),
        page(site, dataset + "/compare", _compare),
        post("compare", _start_comparing, ACTING),
        post("rate", _rate, ACTING),
        post("grade", _grade, steward),
        post("destroy", _destroy, steward),
        post("carry-out", _carry_out, steward),
        post("retire", _retire, steward),
    ]


def _name(visit: Visit) -> str:
    return f"{visit.param('owner')}/{visit.param('name')}"[:200]


def _path(visit: Visit) -> str:
    return f"/data/{_name(visit)}"


def _is_own(visit: Visit) -> bool:
    return visit.param("owner") == visit.site.member


def _find(visit: Visit, version: int | None = None) -> Any:
    """A version of the dataset that the path names, the latest without. Raises MissingError."""
    wanted: dict[str, Any] = {"dataset": _name(visit)}
    if version is not None:
        wanted["version"] = version
    missing = visit.say("There is no such dataset, or no such version of it.")
    return visit.find("catalogue", "get", wanted, missing)


def _show(visit: Visit, catalogue: Catalogue) -> Response:
    name, row = _name(visit), _find(visit)
    identity, number, _ = row["standard"]
    standard = visit.query("standards", "get", {"id": identity, "version": number})
    fields = standard["standard"]["fields"] if standard else []
    held, problem = _held(visit, row)
    return visit.page(
        "dataset.html", row=row, fields=fields, held=held, problem=problem,
        found=_found(held, fields), versions=_versions(visit, name),
        opinions=visit.query("feedback", "list", {"dataset": name}),
        stars=visit.query("feedback", "sum", {"dataset": name}), topics=feedback.TOPICS,
        custody=visit.query("custody", "agreements", {"dataset": name}),
        seconds=waiting(visit, "catalogue", dataset=name) if _is_own(visit) else [],
        children=catalogue.made_of(name),
        may_ask=not _is_own(visit) and not visit.duties.isdisjoint(ACTING),
        is_own=_is_own(visit), is_steward=_is_own(visit) and STEWARD in visit.duties,
    )  # fmt: skip


def _versions(visit: Visit, name: str) -> list[Any]:
    """The latest ones, each with what is destroyed of it."""
    latest = _find(visit)["latest"]
    args = {"dataset": name, "after": max(0, latest - MAX_VERSIONS)}
    found = visit.query("catalogue", "versions", args)
    gone = visit.site.link.query_all([
        ("catalogue", "destroyed", {"dataset": name, "version": row["version"]}) for row in found
    ])  # fmt: skip
    return [{**row, "gone": each} for row, each in zip(found, gone, strict=True)]


def _held(visit: Visit, row: Mapping[str, Any]) -> tuple[Any, str]:
    """What the own desk keeps of an own dataset, or why it cannot be said."""
    if not _is_own(visit):
        return None, ""
    try:
        return visit.desk("dataset.held", dataset=row["dataset"], version=row["version"]), ""
    except MunimentError as error:
        return None, visit.told(error)


def _found(held: Any, fields: Any) -> dict[str, list[Any]]:
    """What was found in each field, with "" for the whole."""
    found: dict[str, list[Any]] = {"": [], **{each["name"]: [] for each in fields}}
    for each in held["report"]["findings"] if held and held["report"] else ():
        found.setdefault(each["field"], []).append(each)
    return found


# Looking


def _preview(visit: Visit) -> Response:
    if not _is_own(visit):
        return visit.problem(visit.say("Only records of this member's own data are here."))
    row = _find(visit, number_of(visit.option("version")))
    seen = visit.desk("dataset.preview", dataset=row["dataset"], version=row["version"],
                      who=visit.operator)  # fmt: skip
    return visit.page("preview.html", row=row, seen=seen)


def _lineage(visit: Visit, lineage: Lineage) -> Response:
    row = _find(visit, number_of(visit.option("version")))
    graph = lineage.of(row["dataset"], row["version"])
    picture = to_svg(graph, lambda name, number: f"/data/{name}/lineage?version={number}",
                     visit.say("Lineage of {}"))  # fmt: skip
    return visit.page("lineage.html", row=row, graph=graph, picture=Markup(picture))


def _compare(visit: Visit) -> Response:
    """What the chain says of two versions, and, of own data, which records differ."""
    new = number_of(visit.option("new"))
    after = _find(visit, new)
    old = number_of(visit.option("old")) or after["version"] - 1
    before = _find(visit, old) if old else None
    if before is None:
        raise MissingError(visit.say("There are no two such versions to be compared."))
    job = None
    if _is_own(visit):
        job = latest_job(visit, "compare", f"{_name(visit)} {old} {after['version']}")
    return visit.page(
        "compare.html", before=before, after=after, job=job,
        parts=[(part, *(_told(visit, part, each[part]) for each in (before, after)))
               for part in _PARTS],
        may_compare=_is_own(visit) and not visit.duties.isdisjoint(ACTING),
    )  # fmt: skip


def _told(visit: Visit, part: str, value: Any) -> str:
    if part in ("class", "frequency"):
        return visit.say(value)
    return f"{value[0]} v{value[1]}" if isinstance(value, list) else str(value or "–")


def _start_comparing(visit: Visit) -> Response:
    old, new = (number_of(visit.form.get(name, "")) for name in ("old", "new"))
    if not old or not new:
        return visit.problem(visit.say("This form is not complete."))
    visit.desk("dataset.compare", dataset=_name(visit), old=old, new=new)
    return visit.see(f"{_path(visit)}/compare?old={old}&new={new}")


# What members think


def _rate(visit: Visit) -> Response:
    """Rate another member's dataset; words are sealed to its owner."""
    row, stars = _find(visit), visit.form.get("stars", "")
    if stars not in {"1", "2", "3", "4", "5"}:
        return visit.problem(visit.say("Give one to five stars."))
    words = visit.form.get("text", "").strip()
    if len(words) > MAX_WORDS:
        return visit.problem(visit.say("The text is too long."))
    topics = [topic for topic in feedback.TOPICS if f"topic-{topic}" in visit.form]
    told = [(visit.say("Dataset"), row["dataset"]), (visit.say("Version"), str(row["version"])),
            (visit.say("Stars"), stars), (visit.say("About"), ", ".join(map(visit.say, topics))),
            (visit.say("Text, sealed to the owner"), words)]  # fmt: skip
    sealed, calls, envelope = [], list[CallArguments](), None
    if words:
        name, anchor = seal(visit, "give", words, [row["owner"]])
        sealed, calls, envelope = [name], [anchor], bytes.fromhex(name)
    args = {"dataset": row["dataset"], "version": row["version"], "stars": int(stars),
            "topics": topics, "envelope": envelope}  # fmt: skip
    return propose(visit, visit.say("Rate %s") % row["dataset"],
                   [each for each in told if each[1]], [*calls, ("feedback", "give", args)],
                   _path(visit), sealed)  # fmt: skip


# What a steward does


def _grade(visit: Visit) -> Response:
    """Confirm or override what was found, from the next version on."""
    level, reason = number_of(visit.form.get("level", "")), visit.form.get("reason", "").strip()
    if level is None or not reason:
        return visit.problem(visit.say("A decision needs a level and a reason."))
    visit.desk("dataset.decide", dataset=_name(visit), field=visit.form.get("field", "")[:200],
               level=level, reason=reason)  # fmt: skip
    return visit.see(_path(visit))


def _destroy(visit: Visit) -> Response:
    """Prepare the destruction of a version or of records, for another person to confirm."""
    version = number_of(visit.form.get("version", ""))
    texts = visit.form.get("rows", "")[:4_000].replace(",", " ").split()
    rows = [number_of(text) for text in texts]
    if version is None:
        return visit.problem(visit.say("This form is not complete."))
    row = _find(visit, version)
    if None in rows or len(rows) > MAX_DESTROYED:
        return visit.problem(
            visit.say("Records are named by their numbers, %s at most.") % MAX_DESTROYED
        )
    some = ", ".join(texts) or visit.say("the whole version")
    words = [(visit.say("Dataset"), row["dataset"]), (visit.say("Version"), str(version)),
             (visit.say("What is destroyed"), some)]  # fmt: skip
    args = {"dataset": row["dataset"], "version": version, "rows": rows}
    return prepare(visit, visit.say("Destroy data of %s for good") % row["dataset"], words,
                   ("catalogue", "destroy", args), _path(visit))  # fmt: skip


def _carry_out(visit: Visit) -> Response:
    visit.desk("dataset.carry_out", dataset=_name(visit))
    return visit.see(_path(visit))


def _retire(visit: Visit) -> Response:
    row = _find(visit)
    words = [(visit.say("Dataset"), row["dataset"]), (visit.say("Title"), row["title"]),
             (visit.say("From then on"), visit.say("it takes no further version"))]  # fmt: skip
    call = ("catalogue", "retire", {"dataset": row["dataset"]})
    return propose(visit, visit.say("Retire %s") % row["dataset"], words, [call], _path(visit))
