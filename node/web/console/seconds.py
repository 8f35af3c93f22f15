"""What takes two persons: one prepares, another confirms."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import APPROVER
from node.errors import MunimentError
from node.network import bytes_as_text
from node.web.preferences import own_path
from node.web.signing import CallArguments, propose
from node.web.site import Site, Visit, page


class SecondError(MunimentError):
    """Somebody has confirmed or dropped it already, or its time is up."""

    code = "second"


def routes(site: Site) -> list[BaseRoute]:
    path = "/seconds/{number:int}/confirm"
    return [page(site, path, _confirm, methods=("POST",), duties=(APPROVER,))]


def prepare(
    visit: Visit, title: str, words: Sequence[tuple[str, str]], call: CallArguments, back: str,
    before: Sequence[CallArguments] = (), sealed: Sequence[str] = (),
    check: Callable[[Visit], None] | None = None,
) -> Response:  # fmt: skip
    """Propose to prepare a call; it takes effect once another person has confirmed it.

    `before` are calls that take effect at once, such as anchors of `sealed`; for `check` see
    `signing.Proposal`.
    """
    contract, method, args = call
    told = [*words, (visit.say("Then"), visit.say("another approver of this member confirms it"))]
    prepared = {"contract": contract, "method": method, "args": args}
    calls = [*before, ("operators", "prepare", prepared)]
    return propose(visit, title, told, calls, back, sealed, check=check)


def all_waiting(visit: Visit) -> list[Any]:
    """Calls that wait for a second person of this member."""
    return list(visit.query("operators", "requests", {"member": visit.site.member}))


def waiting(visit: Visit, contract: str, **args: Any) -> list[Any]:
    """Calls of a contract with these arguments that wait for a second person of this member."""
    return [
        row for row in all_waiting(visit)
        if row["contract"] == contract
        and all(row["args"].get(name) == value for name, value in args.items())
    ]  # fmt: skip


def find_waiting(visit: Visit, number: int) -> Any:
    """What waits under this number. Raises SecondError where it waits no more."""
    for row in all_waiting(visit):
        if row["id"] == number:
            return row
    raise SecondError(visit.say("This does not wait any more: somebody has confirmed or dropped "
                                "it, or its time is up."))  # fmt: skip


def _confirm(visit: Visit) -> Response:
    number = int(visit.param("number"))
    found = find_waiting(visit, number)
    who = found["by"] or visit.site.member
    words = [
        (visit.say("Prepared by"), who),
        (visit.say("Calls"), f"{found['contract']}.{found['method']}"),
        (visit.say("Arguments"), json.dumps(bytes_as_text(found["args"]), ensure_ascii=False)),
    ]

    def check(later: Visit) -> None:
        find_waiting(later, number)

    return propose(visit, visit.say("Confirm what %s has prepared") % who, words,
                   [("operators", "confirm", {"request": number})],
                   own_path(visit.form.get("back", "/")), check=check)  # fmt: skip
