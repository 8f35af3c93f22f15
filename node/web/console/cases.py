"""Cases: opened, assigned, looked into, decided, step by step."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from consensus.crypto import sha256
from contracts.api import APPROVER
from contracts.system.cases import DISPOSITIONS, KINDS, MAX_STEPS
from node import proving
from node.trace import case_file
from node.trace.index import Entry
from node.trace.similar import similar
from node.web.console.alerts import meaning_of
from node.web.console.fields import MAX_FILE_BYTES, ROOM
from node.web.console.rows import latest_rows, pages_of
from node.web.console.supervision import (
    LOOKING,
    ROOT,
    SETTLED,
    came_to,
    members_of,
    propose_worded,
    read_texts,
    reading,
    settled_by,
    supervisors_of,
    unchanged,
)
from node.web.forms import number_of
from node.web.signing import propose
from node.web.site import Site, Visit, page

SEVERITIES = ("1", "2", "3", "4")
STATES = ("reported", "open", "assigned", "disposed", "closed")
EVIDENCE = ("alert", "transaction", "delivery", "file")
"""What may be attached: the first three are named by the transaction that proves them."""
_WORDED = ("opened", "commented", "attached", "disposed")
"""Steps whose data ends with an envelope, or null."""
_CASES = ROOT + "/cases"
_CASE = _CASES + "/{number:int}"
_ATTACH = ROOT + "/attach/"
ROOMY = {_ATTACH: ROOM}
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SLUG = re.compile(r"[a-z0-9._-]{1,64}", re.ASCII)
_OWNED = re.compile(r"[a-z0-9._-]{1,64}/[a-z0-9._-]{1,64}", re.ASCII)


def routes(site: Site) -> list[BaseRoute]:
    acts = (
        ("assign", _assign, LOOKING),
        ("comment", _comment, LOOKING),
        ("dispose", _dispose, (APPROVER,)),
        ("close", _close, (APPROVER,)),
        ("reopen", _reopen, (APPROVER,)),
        ("find", _find_violation, (APPROVER,)),
    )
    return [
        page(site, _CASES, _list),
        page(site, _CASES + "/new", _form, duties=LOOKING),
        page(site, _CASES + "/new", _open, methods=("POST",), duties=LOOKING),
        page(site, _CASE, _show),
        page(site, _CASE + "/export", _export),
        page(site, _ATTACH + "{number:int}", _attach, methods=("POST",), duties=LOOKING, files=1),
        *(
            page(site, f"{_CASE}/{name}", act, methods=("POST",), duties=duties)
            for name, act, duties in acts
        ),
    ]


def _list(visit: Visit) -> Response:
    seen = visit.site.live.latest("cases")
    facets = {"state": visit.option("state"), "kind": visit.option("kind"),
              "member": visit.option("member")}  # fmt: skip
    found = latest_rows(visit, "cases")
    wanted = {"status": facets["state"], "kind": facets["kind"], "member": facets["member"]}
    rows = [row for row in found
            if all(value in ("", row[name]) for name, value in wanted.items())]  # fmt: skip
    members = sorted({row["member"] for row in found if row["member"]})
    return visit.page(
        "cases.html", **pages_of(rows, visit, **facets), facets=facets, seen=seen, states=STATES,
        kinds=KINDS, members=members, may_open=not visit.duties.isdisjoint(LOOKING),
    )  # fmt: skip


# Opening


def _form(visit: Visit) -> Response:
    alert = number_of(visit.option("alert"))
    found = visit.query("alerts", "get", {"alert": alert}) if alert else None
    given = {"kind": "anomaly" if found else "other", "severity": "2", "alerts": ""}
    if found is not None:
        subject = found["subject"] or ""
        given |= {"alerts": str(found["id"]), "member": found["member"],
                  "severity": str(found["severity"]),
                  "dataset": subject if "/" in subject else ""}  # fmt: skip
    return _form_of(visit, given)


def _form_of(visit: Visit, given: dict[str, str], problem: str = "") -> Response:
    return visit.page(
        "case_new.html", 400 if problem else 200, given=given, problem=problem, kinds=KINDS,
        severities=SEVERITIES, members=sorted(members_of(visit)),
    )  # fmt: skip


def _open(visit: Visit) -> Response:
    form = {name: visit.form.get(name, "")[:200].strip()
            for name in ("kind", "severity", "member", "dataset", "grant", "alerts")}  # fmt: skip
    alerts = [number_of(part) for part in form["alerts"].replace(",", " ").split()][:64]
    if (
        form["kind"] not in KINDS or form["severity"] not in SEVERITIES or None in alerts
        or (form["grant"] and number_of(form["grant"]) is None)
    ):  # fmt: skip
        return _form_of(visit, form, visit.say("Alerts and grants are named by their numbers."))
    if form["member"] and form["member"] not in members_of(visit):
        return _form_of(visit, form, visit.say("There is no member of this name."))
    if form["dataset"] and not _OWNED.fullmatch(form["dataset"]):
        return _form_of(visit, form, visit.say("A dataset is named OWNER/NAME."))
    args: dict[str, Any] = {
        "kind": form["kind"], "severity": int(form["severity"]), "member": form["member"] or None,
        "dataset": form["dataset"] or None, "grant": number_of(form["grant"]), "alerts": alerts,
    }  # fmt: skip
    kind = form["kind"]
    words = [
        (visit.say("Kind"), visit.say(kind)),
        (visit.say("Severity"), form["severity"]),
        (visit.say("Member"), form["member"] or "–"),
        (visit.say("Dataset"), form["dataset"] or "–"),
        (visit.say("Alerts"), form["alerts"] or "–"),
    ]
    return propose_worded(visit, visit.say("Open a case"), words, ("cases", "open", args),
                          [args["member"]], _CASES)  # fmt: skip


# One case


def _find(visit: Visit) -> Any:
    """The case that the path names. Raises MissingError."""
    args = {"case": int(visit.param("number"))}
    return visit.find("cases", "get", args, visit.say("There is no such case."))


def _steps(visit: Visit, number: int) -> list[Any]:
    rows: list[Any] = []
    args: dict[str, Any] = {"case": number}
    while len(rows) < MAX_STEPS and (part := visit.query("cases", "steps", args)):
        rows += part
        args = {"case": number, "after": len(rows)}
    return rows


def _proofs(entries: Sequence[Entry]) -> Mapping[tuple[int, str], Iterator[str]]:
    """Transactions of a case's steps, by height and name, in their order."""
    found: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
    for entry in entries:
        if entry.contract == "cases" and not entry.code:
            found[entry.height, entry.name].append(entry.txid)
    return defaultdict(lambda: iter(()), {key: iter(txids) for key, txids in found.items()})


def _show(visit: Visit) -> Response:
    seen = visit.site.live.latest("cases", "sanctions", "alerts")
    case = _find(visit)
    number, member, members = case["id"], visit.site.member, members_of(visit)
    supervisors = [name for name in supervisors_of(members) if name != case["member"]]
    with reading(visit) as index:
        proofs = _proofs(index.trace(f"case:{number}", limit=2 * MAX_STEPS))
    steps = [{"what": what, "by": by + (f"/{operator}" if operator else ""), "time": time,
              "height": height, "data": data, "txid": next(proofs[height, what], None),
              "envelope": data[-1] if what in _WORDED else None}
             for what, by, operator, time, height, data in _steps(visit, number)]  # fmt: skip
    about = visit.query("sanctions", "of", {"member": case["member"]}) if case["member"] else []
    return visit.page(
        "case.html", seen=seen, case=case, steps=steps,
        has_texts=any(each["envelope"] for each in steps),
        texts=read_texts(visit, [each["envelope"] for each in steps]),
        similar=similar(visit.query, case),
        meaning=lambda name: meaning_of(visit, name),
        alerts=[visit.query("alerts", "get", {"alert": each}) for each in case["alerts"]],
        violations=[row for row in about if row["case"] == number],
        supervisors=supervisors, decides=member in supervisors,
        takes_part=member in (*supervisors, case["opener"], case["member"]),
        dispositions=DISPOSITIONS, evidence=EVIDENCE, severities=SEVERITIES, most=MAX_FILE_BYTES,
        operators=[row["name"] for row in visit.query("operators", "list", {"member": member})
                   if row["status"] == "active"],
    )  # fmt: skip


def _act(
    visit: Visit, title: str, method: str, args: dict[str, Any], words: list[tuple[str, str]],
    *, has_text: bool = False,
) -> Response:  # fmt: skip
    case = _find(visit)
    number, kind = case["id"], case["kind"]
    about = [(visit.say("Case"), f"{number}: {visit.say(kind)}"),
             (visit.say("Member"), case["member"] or "–"), *words]  # fmt: skip
    call, back = ("cases", method, {"case": number, **args}), f"{_CASES}/{number}"
    check = unchanged("cases", {"case": number}, case["status"])
    if not has_text:
        return propose(visit, title % number, about, [call], back, check=check)
    to = [case["opener"], case["member"], (case["assignee"] or [None])[0]]
    return propose_worded(visit, title % number, about, call, to, back, check=check)


def _incomplete(visit: Visit) -> Response:
    return visit.problem(visit.say("This form is not complete."))


def _assign(visit: Visit) -> Response:
    member, operator = (visit.form.get(name, "").strip() for name in ("member", "operator"))
    if not _SLUG.fullmatch(member) or (operator and not _SLUG.fullmatch(operator)):
        return _incomplete(visit)
    words = [(visit.say("To"), member + (f"/{operator}" if operator else ""))]
    return _act(visit, visit.say("Assign case %s"), "assign",
                {"member": member, "operator": operator or None}, words)  # fmt: skip


def _comment(visit: Visit) -> Response:
    if not visit.form.get("text", "").strip():
        return _incomplete(visit)
    return _act(visit, visit.say("Comment on case %s"), "comment", {}, [], has_text=True)


def _attach(visit: Visit) -> Response:
    """Name a piece of evidence: by what proves it, or a file that is chosen, by its SHA-256."""
    kind, what = visit.form.get("kind", ""), visit.form.get("what", "").strip().lower()
    given = visit.files.get("file")
    if given is not None and given.name:
        if what or len(given.data) > MAX_FILE_BYTES:
            most = visit.language.size(MAX_FILE_BYTES)
            return visit.problem(visit.say(
                "Choose a file of at most %s and leave the field empty, or fill the field."
            ) % most)  # fmt: skip
        kind, what, digest = "file", given.name[:200], sha256(given.data).hex()
    elif kind not in EVIDENCE:
        return _incomplete(visit)
    elif kind in SETTLED:
        with reading(visit) as index:
            found = settled_by(index, kind, number_of(what))
        if found is None:
            return visit.problem(visit.say("The chain tells of no such alert or ended delivery."))
        digest = found
    elif _DIGEST.fullmatch(what):
        digest = what
    else:
        return visit.problem(visit.say("A transaction or file is named by 64 hexadecimal digits."))
    label = visit.say("one transaction") if kind == "transaction" else visit.say(kind)
    words = [(visit.say("Evidence"), f"{label} {what}"), (visit.say("Proof"), digest)]
    args = {"kind": kind, "digest": bytes.fromhex(digest)}
    return _act(visit, visit.say("Attach evidence to case %s"), "attach", args, words,
                has_text=True)  # fmt: skip


def _export(visit: Visit) -> Response:
    """One file that proves every step of the case, and its violations."""
    number = _find(visit)["id"]
    with reading(visit) as index:
        life = index.trace(f"case:{number}", limit=case_file.MAX_PIECES)
    with visit.site.link.client() as client:
        data = proving.of_case(client, number, life)
    case_file.verify(data, visit.site.genesis)
    return visit.file(f"case-{number}.case", data)


def _dispose(visit: Visit) -> Response:
    disposition = visit.form.get("disposition", "")
    if disposition not in DISPOSITIONS:
        return _incomplete(visit)
    words = [(visit.say("It came to"), came_to(visit, disposition))]
    return _act(visit, visit.say("Dispose of case %s"), "dispose", {"disposition": disposition},
                words, has_text=True)  # fmt: skip


def _close(visit: Visit) -> Response:
    return _act(visit, visit.say("Close case %s"), "close", {}, [])


def _reopen(visit: Visit) -> Response:
    return _act(visit, visit.say("Take up case %s again"), "reopen", {}, [])


def _find_violation(visit: Visit) -> Response:
    """Say that the member of a confirmed case has broken a rule."""
    case, rule = _find(visit), visit.form.get("rule", "").strip()
    gravity = visit.form.get("gravity", "")
    if not _SLUG.fullmatch(rule) or gravity not in SEVERITIES or case["member"] is None:
        return visit.problem(visit.say("A rule is one word such as leak, in small letters."))
    args = {"member": case["member"], "rule": rule, "gravity": int(gravity), "case": case["id"]}
    words = [(visit.say("Member"), case["member"]), (visit.say("Rule"), rule),
             (visit.say("Gravity"), gravity), (visit.say("Case"), str(case["id"]))]  # fmt: skip
    return propose_worded(visit, visit.say("Find a violation"), words,
                          ("sanctions", "find", args), [case["member"]],
                          f"{_CASES}/{case['id']}")  # fmt: skip
