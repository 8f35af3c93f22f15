"""What else members vote on, a page for each kind: tables and packs as documents, small forms.

A document is JSON as the commands take it. It is checked by the checks of the ledger, and what it
would change is shown before it is signed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import Failure, check_arguments
from contracts.system.governance import KINDS
from node.data import rules
from node.errors import MunimentError
from node.network import to_json
from node.web.console.changes import changes_of
from node.web.console.documents import map_of_document, text_of_document, with_line
from node.web.console.fields import (
    ROOM,
    UNITS,
    FormError,
    day_end_of,
    digest_of_file,
    file_of,
    name_of_form,
    or_again,
    span_of,
)
from node.web.console.governance import DECIDE, FORMS, kind_of, put_forward, shown
from node.web.console.members import card_from
from node.web.forms import whole
from node.web.sentences import of_result
from node.web.site import MissingError, Site, Visit, page

_PROPOSE = "/governance/propose"
_PACKS = "/governance/packs"
ROOMY = {_PROPOSE + "/": ROOM}
_TABLES = {"access": ("access", "rules"), "ladder": ("sanctions", "ladder"),
           "deliveries": ("deliveries", "limits")}  # fmt: skip
"""Kinds whose document stands on the ledger, and the question that tells it."""
_SHARE = re.compile(r"([0-9]{1,3})(?:[.,]([0-9]{1,2}))?", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


def routes(site: Site) -> list[BaseRoute]:
    kind = _PROPOSE + "/{kind}"
    return [
        page(site, kind, lambda visit: _page(visit, {})),
        page(site, kind, or_again(_propose, _page), methods=("POST",), duties=DECIDE, files=1),
        page(site, _PACKS + "/{digest}", _pack),
    ]


def _kind(visit: Visit) -> str:
    """The kind that the path names. Raises MissingError."""
    kind = visit.param("kind")
    if kind not in FORMS:
        raise MissingError(visit.say("There is no such page."))
    return kind


def _page(visit: Visit, given: Mapping[str, str], problem: str = "") -> Response:
    kind = _kind(visit)
    now = {"document": _document(visit, kind)} if kind in (*_TABLES, "pack") else {}
    return visit.page(
        "propose.html", 400 if problem else 200, kind=kind, title=kind_of(visit, kind),
        given={**now, **given}, problem=problem, may=not visit.duties.isdisjoint(DECIDE),
        facts=_facts(visit, kind), units=UNITS,
        kinds=[(each, kind_of(visit, each)) for each in KINDS],
    )  # fmt: skip


def _document(visit: Visit, kind: str) -> str:
    """What holds now, as a form begins with it: a table of access has its next version already."""
    if kind == "pack":
        try:
            return rules.active(visit.site.home, visit.query).data.decode()
        except MunimentError:
            return ""  # `_facts` say that it is not here
    found = visit.query(*_TABLES[kind])
    if kind == "access":
        found = {**found, "version": found["version"] + 1}
    return json.dumps(found, indent=2, ensure_ascii=False)


def _facts(visit: Visit, kind: str) -> list[tuple[str, str]]:
    """What else holds now, in words."""
    say, name = visit.say, visit.option("statute").strip()
    if kind == "pack":
        version, digest = _counting(visit)
        is_here = digest == rules.shipped().digest.hex() or _kept(visit, digest) is not None
        return [(say("Version in force"), version), (say("SHA-256"), digest),
                (say("In this home"), say("kept") if is_here else say("not kept"))]  # fmt: skip
    if kind == "version":
        planned = visit.query("governance", "version")
        return [(say("Version in force"), str(visit.query("members", "parameters")["version"])),
                (say("Planned"), say("version %s from height %s") % tuple(planned) if planned
                 else "–")]  # fmt: skip
    if kind == "statute" and name:
        found = visit.query("governance", "statute", {"statute": name})
        return [(say("SHA-256"), found["digest"]),
                (say("In force until"), visit.language.moment(found["until"])),
                (say("Notice within days"), str(found["notice_days"]))] if found else [
                (name, say("There is no such statute."))]  # fmt: skip
    return []


def _propose(visit: Visit) -> Response:
    """Raises MunimentError: what is wrong with the form, or that it changes nothing."""
    kind = _kind(visit)
    if kind == "pack" and "keep" in visit.form:
        _keep_pack(visit)
        return visit.see(f"{_PROPOSE}/pack")
    args = _args(visit, kind)
    try:
        check_arguments(KINDS[kind].arguments, args, KINDS[kind].optional)
    except Failure as failure:
        raise FormError(_fault(visit, kind, failure)) from failure
    changes = changes_of(visit.query, kind, to_json(args))
    if kind != "version" and all(change.place == "version" for change in changes):
        raise FormError(visit.say("Nothing is to be changed."))
    words = [(each.place, f"{shown(each.before)} → {shown(each.after)}") for each in changes]
    about = args["card"]["name"] if kind == "rotate" else args.get("statute") or args.get("kind")
    if about:
        words.insert(0, (visit.say("About"), about))
    return put_forward(visit, kind, args, words, f"{_PROPOSE}/{kind}")


def _fault(visit: Visit, kind: str, failure: Failure) -> str:
    """What the ledger's check says is wrong, with the line of a document that says it."""
    sentence = of_result(visit.say, failure.code, failure.details)
    if kind not in _TABLES:
        return sentence
    return with_line(visit, sentence, str(failure.details), "rules" if kind == "access" else "")


def _args(visit: Visit, kind: str) -> dict[str, Any]:
    """What is proposed, not yet checked by the ledger's rules. Raises MunimentError."""
    form, say = visit.form, visit.say
    match kind:
        case "access":
            return {"rules": map_of_document(visit)}
        case "pack":
            pack = _keep_pack(visit)
            return {"name": rules.NAME, "version": pack.body["version"], "digest": pack.digest}
        case "rotate":
            card = card_from(visit, text_of_document(visit))
            if visit.query("members", "get", {"name": card.name}) is None:
                raise FormError(say("There is no such member."))
            return {"card": card.to_value()}
        case "version":
            numbers = {name: whole(form.get(name, "") or "0") for name in ("version", "height")}
            if None in numbers.values():
                raise FormError(say("Versions and heights are whole numbers."))
            return numbers
        case "rule":
            return {"kind": form.get("kind", ""), "threshold_bp": _share(visit),
                    "window_ms": span_of(visit, "window")}  # fmt: skip
        case "statute":
            name, days = name_of_form(visit, "statute"), whole(form.get("notice", ""))
            known = visit.query("governance", "statute", {"statute": name})
            is_kept = known is not None and not file_of(visit, "file")
            digest = bytes.fromhex(known["digest"]) if is_kept else digest_of_file(visit, "file")
            if days is None or not form.get("until", "").strip():
                raise FormError(say("This form is not complete."))
            return {"statute": name, "digest": digest, "until": day_end_of(visit, "until"),
                    "notice_days": days}  # fmt: skip
        case _:
            return map_of_document(visit)


def _share(visit: Visit) -> int:
    """A share of all voters in basis points. Raises FormError."""
    found = _SHARE.fullmatch(visit.form.get("share", "").strip())
    if found is None:
        raise FormError(visit.say("A share is a number of percent such as 66.67."))
    return int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))


# Packs


def _keep_pack(visit: Visit) -> rules.Rules:
    """Keep a pack in this home, so that it can count here once a vote for it takes effect."""
    data = text_of_document(visit, rules.MAX_PACK_BYTES).encode()
    return rules.install(visit.site.home, data, visit.say("What was given"))


def _counting(visit: Visit) -> tuple[str, str]:
    """Version and digest of the pack that counts."""
    voted = visit.query("governance", "pack", {"name": rules.NAME})
    own = rules.shipped()
    return (str(voted[0]), voted[1]) if voted else (str(own.body["version"]), own.digest.hex())


def _kept(visit: Visit, digest: str) -> bytes | None:
    """A pack that was kept in this home, by digest in hexadecimal."""
    try:
        return rules.place_of(visit.site.home, bytes.fromhex(digest)).read_bytes()
    except OSError:
        return None


def _pack(visit: Visit) -> Response:
    """Hand out a pack that is kept here, for other members to keep it too."""
    digest = visit.param("digest")
    data = _kept(visit, digest) if _DIGEST.fullmatch(digest) else None
    if data is None:
        raise MissingError(visit.say("This pack is not kept here."))
    return visit.file(f"{digest[:16]}.json", data, "application/json")
