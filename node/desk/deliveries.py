"""Deliveries under grants of this member: what came, fetches and files as jobs, look-ups."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from node.desk.found import fetcher
from node.desk.params import ParamError, number, text
from node.exchange import copies
from node.exchange.copies import Copy, FetchError
from node.exchange.export import WRITERS, Wanted, export
from node.exchange.fetch import BUSY
from node.exchange.lookup import MAX_KEY_BYTES
from node.exchange.receiving import look_up, receive

if TYPE_CHECKING:
    from node.desk import Desk, Method
    from node.desk.jobs import Progress

PATIENCE_S = 10.0
"""How long a job waits for whoever looks at the same copies."""
CALLS = 100
"""Calls that a session of look-ups reserves, as the command does."""


def _copies(desk: Desk, params: Mapping[str, Any]) -> Any:
    """What is here under a grant. `busy`: a run writes to it, so it is not looked into."""
    grant = number(params, "grant", 1)
    try:
        with fetcher(desk).locked(grant):
            found = copies.load(desk.home.copies, grant, desk.master)
            return {"busy": False, "copies": [_shown(copy) for copy in found]}
    except FetchError as error:
        if error.code != BUSY:
            raise
        return {"busy": True, "copies": []}


def _shown(copy: Copy) -> dict[str, Any]:
    """A copy in figures; `refused` says what was wrong with the last chunk, if one was refused."""
    order, last, refused = copy.order, copy.last, copy.refused()
    return {
        "delivery": order.delivery, "version": order.version, "mode": order.mode,
        "rows": last.rows, "position": last.position, "of": order.rows,
        "reserved": order.reserved, "digest": last.digest.hex(), "erased": len(order.struck),
        "is_complete": copy.is_complete, "closed": order.closed,
        "refused": "" if refused is None else refused[3],
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Run:
    """What a person wants fetched. `rows` and `server` may be left out, `syntax` too: no file."""

    grant: int
    rows: int | None
    server: str | None
    syntax: str
    who: str


def _fetch(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Start fetching under a grant, or going on with it; returns the job's id."""
    rows = number(params, "rows", 1) if params.get("rows") else None
    server = text(params, "server") if params.get("server") else None
    syntax = _syntax(params) if params.get("syntax") else ""
    run = _Run(number(params, "grant", 1), rows, server, syntax, text(params, "who"))
    _require_own(desk, run.grant)
    return desk.jobs.start("fetch", str(run.grant), lambda progress: _receive(desk, run, progress))


def _receive(desk: Desk, run: _Run, progress: Progress) -> dict[str, Any]:
    fetching = fetcher(desk)
    progress(0, 0, "opening")
    with fetching.locked(run.grant, PATIENCE_S):
        copy = fetching.begin(run.grant, run.rows, server=run.server)
        order = copy.order
        progress(copy.last.position, order.rows, "receiving")
        receipt = receive(
            desk.home, fetching, copy,
            lambda rows, position: progress(position, order.rows, "receiving"),
        )  # fmt: skip
        done = {**asdict(receipt), "version": order.version, "dataset": order.dataset}
        if not run.syntax:
            return done
        progress(order.rows, order.rows, "writing")
        return done | _write(desk, Wanted(run.grant, order.delivery, run.syntax, run.who))


def _export(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Start writing what came with a delivery to a file in the home; returns the job's id."""
    wanted = Wanted(
        number(params, "grant", 1), number(params, "delivery", 1), _syntax(params),
        text(params, "who"),
    )  # fmt: skip
    _require_own(desk, wanted.grant)

    def work(progress: Progress) -> dict[str, Any]:
        progress(0, 0, "writing")
        with fetcher(desk).locked(wanted.grant, PATIENCE_S):
            return _write(desk, wanted)

    return desk.jobs.start("export", str(wanted.grant), work)


def _write(desk: Desk, wanted: Wanted) -> dict[str, Any]:
    folder = desk.home.exported
    folder.mkdir(mode=0o700, exist_ok=True)
    assert wanted.delivery is not None, "a job writes one delivery"
    path = copies.exported_as(folder, wanted.grant, wanted.delivery, wanted.syntax)
    return export(desk.home, desk.chain, desk.master, wanted, path, _now_ms())


def _look_up(desk: Desk, params: Mapping[str, Any]) -> Any:
    """One look-up, with proof and both signatures; `close` ends the session instead of asking."""
    grant, key = number(params, "grant", 1), params.get("key", "")
    keys = [text(params, "key", MAX_KEY_BYTES)] if key else []
    found = _require_own(desk, grant)
    left = found["rows"] - found["used"] - found["reserved"]
    fetching = fetcher(desk)
    with fetching.locked(grant, PATIENCE_S):
        copy = fetching.begin(grant, min(CALLS, left) or 1, "lookup")
        answers = look_up(desk.home, fetching, copy, keys, close=not keys)
    rows = [row for _, some in answers for row in some]
    return {"names": copy.order.names, "rows": rows, "calls": copy.last.rows,
            "of": copy.order.reserved, "delivery": copy.order.delivery}  # fmt: skip


def _require_own(desk: Desk, grant: int) -> Any:
    found = desk.chain.query("access", "grant", {"grant": grant})
    if found is None or found["recipient"] != desk.member:
        raise ParamError(f"{desk.member} has no grant {grant}")
    return found


def _syntax(params: Mapping[str, Any]) -> str:
    syntax = text(params, "syntax")
    if syntax not in WRITERS:
        raise ParamError(f"syntax must be one of {', '.join(WRITERS)}")
    return syntax


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


METHODS: dict[str, Method] = {
    "delivery.copies": _copies,
    "delivery.fetch": _fetch,
    "delivery.export": _export,
    "delivery.look_up": _look_up,
}
