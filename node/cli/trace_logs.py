"""What `muniment trace ... --logs` does: asks those who hold data for their access logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.common import (
    Refused,
    ask,
    moment,
    operator_signer,
    own_name,
    passphrase_for,
    show,
    table,
)
from node.errors import MunimentError
from node.home import Home
from node.trace.record import Delivery, Span

if TYPE_CHECKING:
    from consensus.crypto import Signer
    from node.exchange.log_check import Reading
    from node.exchange.logs import Question

PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose home it is, and who asks in its name, with the vault's passphrase and key."""

    home: Home
    member: str
    person: str
    key: Signer
    passphrase: str


def asking_options(function: Any) -> Any:
    """Add --patience, --passphrase-file, --as and --as-passphrase-file."""
    from node.cli.common import passphrase_option
    from node.cli.person import person_options

    patience = click.option(
        "--patience", type=click.FloatRange(0.1, 600), default=PATIENCE_S, show_default=True,
        help="Seconds that each member has to answer.",
    )  # fmt: skip
    return patience(passphrase_option(person_options(function)))


logs_option = click.option(
    "--logs", is_flag=True, help="Ask those who hold the data for their access logs too."
)


def asker_of(home: Path, file: Path | None, operator: str | None, their: Path | None) -> Asker:
    """Unlock who asks: an operator, who needs the duty auditor or approver, or the member key."""
    from node.keys import read_passphrase

    place = Home(home)
    passphrase = passphrase_for(place, file)
    if operator is None:
        return member_asker(place, passphrase)
    key = operator_signer(place, read_passphrase(their), operator)
    return Asker(place, own_name(place), operator, key, passphrase)


def member_asker(place: Home, passphrase: str) -> Asker:
    """The member itself asks, by its own key. Raises Refused."""
    from consensus.crypto import Signer
    from node.keys import find_keys, load_key

    name = own_name(place)
    known = bytes.fromhex(ask(place.path, "members", "get", {"name": name})["member_key"])
    path = find_keys(place.keys, "member").get(known)
    if path is None:
        raise Refused(f"{place.keys} does not hold the member key; name an operator with --as")
    return Asker(place, name, "", Signer(load_key(path, "member", passphrase)), passphrase)


def ask_logs(
    asker: Asker,
    holders: Sequence[str],
    question: Question,
    deliveries: Sequence[Delivery],
    span: Span,
    patience_s: float,
) -> list[Reading]:
    """Ask each holder, the own home directly, and check what they show; see `node/exchange/logs`.

    A delivery that the server's log has no entry for is a fault of it.
    """
    from dataclasses import replace

    import trio

    from node.exchange import logs_service
    from node.exchange.log_check import Reading, anchors_of, start_of
    from node.exchange.streams import connect
    from node.network import load_genesis

    def query(contract: str, method: str, args: dict[str, Any]) -> Any:
        return ask(asker.home.path, contract, method, args)

    is_supervisor = "supervisor" in query("members", "get", {"name": asker.member})["roles"]
    readings = []
    for holder in holders:
        anchors = anchors_of(query, holder)
        start = start_of(anchors, span.since)
        is_full = is_supervisor or holder == asker.member
        asked = replace(question, after=start.count)
        readings.append(Reading(holder, asked, is_full, anchors, start))
    others = [reading for reading in readings if reading.holder != asker.member]
    sign = logs_service.signer(asker.key, load_genesis(asker.home.genesis).genesis.chain_id)

    async def run() -> None:
        async with connect(asker.home.data_socket) as socket:
            who = asker.person, asker.key.public_key
            await logs_service.ask(socket, others, sign, who, patience_s)

    if others:
        trio.run(run)
    for reading in readings:
        if reading.holder == asker.member:
            _read_own(asker, reading)
        owner = question.dataset.partition("/")[0]
        sees_all = reading.is_full or asker.member == owner or question.batch > 0
        reading.miss([
            each.number for each in deliveries
            if each.server == reading.holder and each.rows and each.time >= reading.start.time
            and question.version in (0, each.version)
            and (sees_all or each.recipient == asker.member)
        ])  # fmt: skip
        reading.entries = [
            (number, access) for number, access in reading.entries
            if span.holds(access.time, f"{reading.holder}/{access.operator}")
        ]  # fmt: skip
    return readings


def _read_own(asker: Asker, reading: Reading) -> None:
    from node.cli.collect import unlocked
    from node.cli.sealing import opener
    from node.exchange.log_check import WRONG
    from node.exchange.logs import Desk, Sight, check_person

    chain, master = unlocked(asker.home.path, asker.passphrase)
    desk = Desk(asker.home, chain, master, opener(asker.home, asker.passphrase))
    try:
        now_ms = time.time_ns() // 1_000_000
        check_person(chain.query, asker.member, asker.person, asker.key.public_key, now_ms)
        sight = Sight.EVERY_PLACE
        for message in desk.answer(reading.question, asker.member, asker.person, sight):
            reading.take(message)
    except MunimentError as error:
        reading.fail(WRONG, error.message)


# What is shown


def to_data(readings: Sequence[Reading]) -> dict[str, Any]:
    """Return readings for --json: `logs`, and whether all answered and were found right."""
    logs = [
        {
            "member": reading.holder,
            "state": reading.state,
            "faults": reading.faults,
            "entries": [{"number": n, **asdict(access)} for n, access in reading.entries],
            "left_out": reading.left_out,
            "elsewhere": reading.elsewhere,
            "withheld": reading.withheld,
            "count": reading.count,
            "anchored": reading.anchored and [reading.anchored.count, reading.anchored.height],
            "rows": [asdict(row) for row in reading.rows],
        }
        for reading in readings
    ]
    return {"logs": logs, "complete": all(each["state"] == "verified" for each in logs)}


def render_logs(readings: Sequence[Reading]) -> None:
    """Print who read what, then how each log was found."""
    read = sorted(
        ((access.time, reading, access) for reading in readings for _, access in reading.entries),
        key=lambda row: row[0],
    )
    if read:
        table(
            ("time (UTC)", "member", "by", "version", "rows", "delivery", "purpose"),
            [(moment(time)[:19], reading.holder, a.operator, a.version, f"{a.first}-{a.last}",
              a.delivery or "", a.purpose) for time, reading, a in read],
        )  # fmt: skip
    table(
        ("log of", "is", "shown", "of", "anchored", "why"),
        [(r.holder, r.state, len(r.entries), r.count,
          f"{r.anchored.count} in block {r.anchored.height}" if r.anchored else "",
          "; ".join(r.faults)) for r in readings],
    )  # fmt: skip


def show_whole(
    data: dict[str, Any], readings: Sequence[Reading], as_json: bool, render: Callable[[], None]
) -> None:
    """Show a trace with logs. Raises Refused, which names them, if some are missing or wrong."""
    logs = to_data(readings)

    def whole(_: object) -> None:
        render()
        render_logs(readings)

    show({**data, **logs}, as_json, whole)
    if not logs["complete"]:
        wrong = [f"{r.holder} ({r.state}: {r.faults[0]})" for r in readings if r.faults]
        raise Refused(f"the trace is incomplete by the logs of {', '.join(wrong)}")
