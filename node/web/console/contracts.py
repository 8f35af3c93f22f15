"""Contracts with their documentation, said by their own code, and sources put to the vote."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.starlark.thread import MAX_SOURCE_BYTES
from contracts.system import VERSIONS
from contracts.system.contracts import PAGE
from node import contract_docs
from node.web.console.changes import source_diff
from node.web.console.fields import FormError, name_of_form, or_again
from node.web.console.governance import DECIDE, put_forward
from node.web.sentences import of_type
from node.web.site import MissingError, Site, Visit, page

_CONTRACTS = "/governance/contracts"


def routes(site: Site) -> list[BaseRoute]:
    contract = _CONTRACTS + "/{name}"
    return [
        page(site, _CONTRACTS, _list),
        page(site, _CONTRACTS, or_again(_deploy, _lists), methods=("POST",), duties=DECIDE),
        page(site, contract, _show),
        page(site, contract + "/upgrade", _upgrade, methods=("POST",), duties=DECIDE),
        page(site, contract + "/retire", _retire, methods=("POST",), duties=DECIDE),
    ]


def _version(visit: Visit) -> int:
    """The protocol version in force, or the latest that this release knows."""
    found: int = visit.call("validators.get")["parameters"]["version"]
    return found if found in VERSIONS else max(VERSIONS)


def _list(visit: Visit) -> Response:
    return _lists(visit, {})


def _lists(visit: Visit, given: Any, problem: str = "") -> Response:
    after = visit.option("after")
    heads = visit.query("contracts", "list", {"after": after} if after else {})
    own = [
        (name, visit.say(contract_docs.heading(found)))
        for name, found in sorted(VERSIONS[_version(visit)].items())
    ]
    return visit.page("contracts.html", 400 if problem else 200, heads=heads, own=own,
                      more=len(heads) == PAGE, given=given, problem=problem,
                      may=not visit.duties.isdisjoint(DECIDE))  # fmt: skip


def _show(visit: Visit) -> Response:
    name, version = visit.param("name"), _version(visit)
    own = contract_docs.own(name, version)
    head, described = (None, contract_docs.describe(own)) if own else _deployed(visit)
    may = head and head["status"] == "active" and not visit.duties.isdisjoint(DECIDE)
    return visit.page("contract.html", contract=described, head=head, may=may,
                      paragraphs=contract_docs.paragraphs, type_of=of_type)  # fmt: skip


def _deployed(visit: Visit) -> tuple[Any, Any]:
    """A deployed contract's head with its source, and what it declares. Raises MissingError."""
    args = {"name": visit.param("name")}
    head, described = visit.site.link.query_all(
        [("contracts", "get", args), ("contracts", "describe", args)]
    )
    if head is None:
        raise MissingError(visit.say("There is no such contract."))
    return head, described


def _source(visit: Visit) -> str:
    """Raises FormError."""
    source = visit.form.get("source", "").replace("\r\n", "\n")
    if not 0 < len(source.encode()) <= MAX_SOURCE_BYTES:
        most = visit.language.number(MAX_SOURCE_BYTES)
        raise FormError(visit.say("A source has 1 to %s bytes.") % most)
    return source


def _deploy(visit: Visit) -> Response:
    """Raises MunimentError."""
    name, source = name_of_form(visit, "name"), _source(visit)
    title = visit.form.get("title", "")[:128].strip()
    args = {"name": name, "source": source} | ({"title": title} if title else {})
    words = [(visit.say("Contract"), name), (visit.say("Title"), title or "–")]
    return put_forward(visit, "deploy", args, words, _CONTRACTS)


def _upgrade(visit: Visit) -> Response:
    head, _ = _deployed(visit)
    source, name = _source(visit), head["name"]
    diff = source_diff(head["source"], source)
    if not diff:
        raise FormError(visit.say("Nothing is to be changed."))
    added = sum(line.startswith("+") for line in diff)
    gone = sum(line.startswith("-") for line in diff)
    words = [(visit.say("Contract"), f"{name} v{head['version']} → v{head['version'] + 1}"),
             (visit.say("Lines"), f"+{added} −{gone}")]  # fmt: skip
    return put_forward(visit, "upgrade", {"name": name, "source": source}, words,
                       f"{_CONTRACTS}/{name}")  # fmt: skip


def _retire(visit: Visit) -> Response:
    head, _ = _deployed(visit)
    return put_forward(visit, "retire", {"name": head["name"]},
                       [(visit.say("Contract"), head["name"])],
                       f"{_CONTRACTS}/{head['name']}")  # fmt: skip
