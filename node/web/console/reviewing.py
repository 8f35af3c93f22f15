"""Reviews: a masked sample beside what the owner may see, more masks, a reason that is sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from consensus.codec import DecodeError
from contracts.masks import SPECS, parse
from node.errors import MunimentError
from node.exchange.asking import AskingError, fields_of
from node.web.console.exchange import (
    find_request,
    is_reviewer,
    masks_of,
    now_ms,
    request_words,
    show_request,
)
from node.web.console.terms import MAX_WORDS
from node.web.forms import whole
from node.web.signing import CallArguments, propose, seal
from node.web.site import Site, Visit, page

_OUTCOMES = ("approve", "deny")


def routes(site: Site) -> list[BaseRoute]:
    path = "/exchange/requests/{number:int}/review"
    return [page(site, path, _review, methods=("POST",), duties=("approver",))]


def _review(visit: Visit) -> Response:
    """Try masks on a sample, or go on to sign.

    The revision that was on the page is the one that is reviewed: a later one is refused.
    """
    found, revision = find_request(visit), whole(visit.form.get("revision", ""))
    outcome = visit.form.get("outcome", "")
    if outcome not in (*_OUTCOMES, "try") or revision is None:
        return visit.problem(visit.say("This form is not complete."))
    _require_waiting(visit, found["id"])
    if revision != found["revision"]:
        raise AskingError(visit.say("The request was amended meanwhile; look at it again."))
    given = dict(visit.form)
    try:
        masks = _masks(visit, found)
        if outcome == "try":
            return show_request(visit, given=given, sample=_sample(visit, found, masks))
        args = {"request": found["id"], "revision": revision, "outcome": outcome}
        if outcome == "approve":
            return _approve(visit, found, args, masks)
        return _deny(visit, found, args)
    except MunimentError as error:
        return show_request(visit, 400, given=given, problem=visit.told(error))


def _approve(
    visit: Visit, found: Mapping[str, Any], args: dict[str, Any], masks: Sequence[Any]
) -> Response:
    names = [field["name"] for field in fields_of(visit.query, found["standard"])]
    words = request_words(visit, found)
    words += [(visit.say("Masked by"), ": ".join(row)) for row in masks_of(visit, masks, names)]
    call = ("access", "review", {**args, "masks": [*masks]} if masks else args)
    return _propose(visit, found, visit.say("Approve request %s"), words, [call], [])


def _deny(visit: Visit, found: Mapping[str, Any], args: dict[str, Any]) -> Response:
    """With a reason, if one is given, that the recipient's and the own department can open."""
    text, words = visit.form.get("text", "").strip(), request_words(visit, found)
    if len(text) > MAX_WORDS:
        raise AskingError(visit.say("The text is too long."))
    sealed, calls = [], list[CallArguments]()
    if text:
        envelope, anchor = seal(visit, "denial", text, [found["recipient"]])
        sealed, calls = [envelope], [anchor]
        args["reason"] = bytes.fromhex(envelope)
        words.append((visit.say("Reason, sealed to the recipient"), text))
    calls.append(("access", "review", args))
    return _propose(visit, found, visit.say("Deny request %s"), words, calls, sealed)


def _propose(
    visit: Visit, found: Mapping[str, Any], title: str, words: Sequence[tuple[str, str]],
    calls: Sequence[CallArguments], sealed: Sequence[str],
) -> Response:  # fmt: skip
    number = found["id"]
    return propose(visit, title % number, words, calls, f"/exchange/requests/{number}", sealed,
                   check=lambda later: _require_waiting(later, number))  # fmt: skip


def _require_waiting(visit: Visit, number: int) -> None:
    """Say who decided, where somebody was first. Raises AskingError."""
    found = visit.query("access", "request", {"request": number})
    if is_reviewer(visit, found):
        return
    last = max(found["reviews"].values(), key=lambda row: row[3], default=None)
    if last is None:
        raise AskingError(
            visit.say("Request %s does not wait for a review by this member.") % number
        )
    member, person, outcome, height, _ = last
    said = visit.say("Request %(number)s does not wait any more: %(who)s said %(what)s in block "
                     "%(height)s.")  # fmt: skip
    raise AskingError(said % {
        "number": number, "who": f"{member}/{person}" if person else member,
        "what": visit.say(outcome), "height": height,
    })  # fmt: skip


def _masks(visit: Visit, found: Mapping[str, Any]) -> list[list[Any]]:
    """[place of a field, mask] of what the form adds. Raises AskingError."""
    added: list[list[Any]] = []
    for index in found["args"]["fields"]:
        name = visit.form.get(f"mask-{index}", "")
        if not name:
            continue
        if name not in SPECS:
            raise AskingError(visit.say("There is no such mask."))
        mask: Any = [name, SPECS[name].version, _settings(visit, f"with-{index}")]
        try:
            parse(mask, name)
        except DecodeError as error:
            raise AskingError(str(error)) from error
        added.append([index, mask])
    return added


def _settings(visit: Visit, field: str) -> dict[str, Any]:
    """Read count=1, length=6. Raises AskingError."""
    found: dict[str, Any] = {}
    for part in filter(None, (each.strip() for each in visit.form.get(field, "")[:200].split(","))):
        word, equals, value = (text.strip() for text in part.partition("="))
        if not equals:
            raise AskingError(visit.say("Settings of a mask are written count=1, length=6."))
        is_number = value.removeprefix("-").isdecimal() and value.isascii() and len(value) < 16
        found[word] = int(value) if is_number else value
    return found


def _sample(visit: Visit, found: Mapping[str, Any], masks: Sequence[Any]) -> Any:
    return visit.desk(
        "request.sample", request=found["id"], time=now_ms(), masks=[*masks], who=visit.operator
    )
