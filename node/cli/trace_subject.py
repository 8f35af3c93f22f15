"""Commands that tell the life of one record, and whom a person's data were shown."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.common import Refused, ask, pairs, show, table
from node.cli.trace_logs import (
    Asker,
    ask_logs,
    asker_of,
    asking_options,
    logs_option,
    show_whole,
)
from node.cli.traced import lives, render_entries, span_options, to_data
from node.trace.record import Delivery, Span, deliveries_of, holders_of, of_record, of_subject

if TYPE_CHECKING:
    from node.data.custody import Custody
    from node.exchange.declaration import Declaration
    from node.exchange.log_check import Reading
    from node.trace.index import Entry

Meant = tuple[int, bytes, str | None]
"""A batch, a reference in it, and why it was withdrawn if it was."""
_SCOPE = ("dataset", "recipient", "purpose", "status")


@click.command()
@click.argument("dataset")
@click.option("--version", type=click.IntRange(1), help="By default the latest.")
@click.option("--row", type=click.IntRange(1), help="Data row, counted from 1.")
@click.option("--where", metavar="FIELD=VALUE", help="Look the row up in the own vault.")
@click.option("--commitment", metavar="HEX", help="Look up a record's hash in the own vault.")
@logs_option
@asking_options
@span_options
def record(
    dataset: str, version: int | None, row: int | None, where: str | None, commitment: str | None,
    logs: bool, patience: float, passphrase_file: Path | None, operator: str | None,
    operator_file: Path | None, since: int, until: int, actor: str, limit: int, home: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Show what happened to one record of a registered version of DATASET, and who had it.

    \b
    Example: muniment trace record tax/permits --where number=0164A --logs --home tax
    """
    from node.exchange.logs import Question

    if sum(each is not None for each in (row, where, commitment)) != 1:
        raise click.UsageError("name the record by one of --row, --where and --commitment")
    known = _registration(home, dataset, version)
    number, asker = known["version"], None
    place: dict[str, Any] = {}
    if logs or row is None:
        asker = asker_of(home, passphrase_file, operator, operator_file)
    if row is None and asker is not None:
        row, place = _look_up(asker, dataset, number, where, commitment)
    if row is None or row > known["rows"]:
        raise Refused(f"{dataset} version {number} has rows 1 to {known['rows']}, not {row}")
    span = Span(since, until, actor)
    entries = lives(home, f"dataset:{dataset}")
    picked = span.pick(of_record(entries, number, row))[:limit]
    about = {"dataset": dataset, "version": number, "row": row, **place,
             "registered": known["height"]}  # fmt: skip
    data = {"record": about, "events": to_data(picked)}

    def render() -> None:
        pairs(list(about.items()))
        render_entries(picked, limit)

    if not logs or asker is None:
        show(data, as_json, lambda _: render())
        return
    had = [each for each in deliveries_of(entries) if each.version == number]
    question = Question(dataset, number, row)
    holders = holders_of(dataset.partition("/")[0], entries)
    readings = ask_logs(asker, holders, question, had, span, patience)
    show_whole(data, readings, as_json, render)


def _registration(home: Path, dataset: str, version: int | None) -> dict[str, Any]:
    args: dict[str, Any] = {"dataset": dataset} | ({} if version is None else {"version": version})
    found = ask(home, "catalogue", "get", args)
    if found is None:
        raise Refused(f"{dataset} is not registered in that version; see: muniment dataset list")
    return dict(found)


def _look_up(
    asker: Asker, dataset: str, version: int, where: str | None, commitment: str | None
) -> tuple[int, dict[str, Any]]:
    """Find a row in the own vault by a field's value, which is a plain read, or by its hash."""
    from node.cli.collect import unlocked
    from node.data.custody import Custody

    found = Custody(asker.home, *unlocked(asker.home.path, asker.passphrase))
    rows = (
        _rows_where(found, asker, dataset, version, where)
        if where is not None
        else _rows_hashed(found, dataset, version, commitment or "")
    )
    if len(rows) != 1:
        known = ", ".join(map(str, rows[:10]))
        raise Refused(
            f"{len(rows)} records of {dataset} version {version} match"
            + (f": rows {known}; name one with --row" if rows else "")
        )
    opened = found.open(dataset, version)
    [place] = opened.places(rows[0], 1)
    digest = opened.hash_at(place)
    return rows[0], {"commitment": digest.hex(), "place": place}


def _rows_where(found: Custody, asker: Asker, dataset: str, version: int, where: str) -> list[int]:
    field, equals, value = where.partition("=")
    if not equals:
        raise click.UsageError("--where FIELD=VALUE")
    return found.rows_with(asker.person or "member key", dataset, version, field, value)


def _rows_hashed(found: Custody, dataset: str, version: int, commitment: str) -> list[int]:
    try:
        wanted = bytes.fromhex(commitment)
    except ValueError:
        wanted = b""
    if len(wanted) != 32:
        raise click.UsageError("--commitment is a record's hash, 64 hexadecimal digits")
    opened = found.open(dataset, version)
    hashes = opened.hashes()
    places = {at // 32 for at in range(0, len(hashes), 32) if hashes[at : at + 32] == wanted}
    all_places = opened.places(1, opened.head.rows)
    return [row for row, place in enumerate(all_places, 1) if place in places]


@click.command()
@click.argument("identity", metavar="[IDENTITY]", required=False)
@click.option("--asked", type=click.Path(path_type=Path, dir_okay=False),
              help="What the subject signed with: muniment authorise ask")  # fmt: skip
@click.option("--batch", type=click.IntRange(1), help="A supervisor names a reference in a batch.")
@click.option("--reference", metavar="HEX", help="As owner, registrar and supervisor know it.")
@asking_options
@span_options
def subject(
    identity: str | None, asked: Path | None, batch: int | None, reference: str | None,
    patience: float, passphrase_file: Path | None, operator: str | None,
    operator_file: Path | None, since: int, until: int, actor: str, limit: int, home: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Show who asked for a person's data, who had them, who was refused, and who looked at them.

    A registrar answers for a person that it has identified, by IDENTITY, or that has signed the
    question (--asked). A supervisor, who knows no person, names --batch and --reference. Owners are
    asked for their access logs, and which deliveries had the record.

    \b
    Example: muniment trace subject 11010119900307123X --home civil
             muniment trace subject --asked li-asks.json --home civil
             muniment trace subject --batch 17 --reference 5f0c... --as wang --home court
    """
    from node.exchange.declaration import Declaration

    is_reference = batch is not None and reference is not None
    if sum((identity is not None, asked is not None, is_reference)) != 1:
        raise click.UsageError("give IDENTITY, --asked, or --batch with --reference")
    asker = asker_of(home, passphrase_file, operator, operator_file)
    if batch is not None and reference is not None:
        meant: list[Meant] = [(batch, _digest(reference), None)]
    else:
        meant = registered(asker, identity, None if asked is None else Declaration.load(asked))
    data, readings = tell(asker, meant, Span(since, until, actor), patience, limit)

    def render() -> None:
        for rows in (data["subject"], data["requests"]):
            if rows:
                cells = [[_cell(value) for value in row.values()] for row in rows]
                table([name.replace("_", " ") for name in rows[0]], cells)

    show_whole(data, readings, as_json, render)


def tell(
    asker: Asker, meant: Sequence[Meant], span: Span, patience: float, limit: int
) -> tuple[dict[str, Any], list[Reading]]:
    """Return what became of what a person authorised, and what owners show of their logs."""
    by_dataset: dict[str, list[dict[str, Any]]] = {}
    for number, found, withdrawn in meant:
        row = ask(asker.home.path, "subjects", "batch", {"batch": number})
        if row is None:
            raise Refused(f"there is no batch {number}")
        about = {"batch": number, **{name: row[name] for name in _SCOPE},
                 "reference": found.hex(), "withdrawn": withdrawn}  # fmt: skip
        by_dataset.setdefault(row["dataset"], []).append(about)
    readings: list[Reading] = []
    uses: list[dict[str, Any]] = []
    entries: list[Entry] = []
    for dataset, batches in sorted(by_dataset.items()):
        life = lives(
            asker.home.path, f"dataset:{dataset}", *(f"batch:{each['batch']}" for each in batches)
        )
        had = deliveries_of(life)
        reading = _ask_owner(asker, dataset, batches, had, span, patience)
        readings.append(reading)
        told = span.pick(of_subject(life))
        uses += _uses(asker.home.path, told, had, reading)
        entries += told
    entries = sorted(entries, key=lambda entry: entry.height)[:limit]
    batches = [each for found in by_dataset.values() for each in found]
    return {"subject": batches, "requests": uses, "events": to_data(entries)}, readings


def _cell(value: Any) -> object:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else value


def _digest(reference: str) -> bytes:
    try:
        found = bytes.fromhex(reference)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise click.UsageError("--reference is 64 hexadecimal digits")
    return found


def registered(asker: Asker, identity: str | None, asked: Declaration | None) -> list[Meant]:
    """Return batch, reference and withdrawal of what a person authorised; see `registrar`."""
    from node.exchange.declaration import ASK
    from node.exchange.registrar import Register
    from node.keys import load_key

    if not asker.home.registrar.exists():
        raise Refused(
            "this home keeps no register of persons; a supervisor names --batch and --reference, "
            "an owner asks: muniment trace record DATASET --where FIELD=VALUE"
        )
    master = load_key(asker.home.key("vault"), "vault", asker.passphrase)
    register = Register(asker.home.registrar, master)
    dataset = None
    if asked is not None:
        if asked.kind != ASK:
            raise Refused(f"it is to {asked.kind}; take it: muniment registrar take")
        dataset = register.check(asked, time.time_ns() // 1_000_000).scope.dataset
        identity = asked.identity
    found = [
        (draft.scope.batch, entry.authorisation.reference, entry.withdrawn)
        for draft, entry in register.entries_of(identity or "")
        if dataset in (None, draft.scope.dataset)
    ]
    if not found:
        raise Refused("this person has authorised nothing here; the register knows no reference")
    return found


def _ask_owner(
    asker: Asker, dataset: str, batches: Sequence[Mapping[str, Any]], had: Sequence[Delivery],
    span: Span, patience_s: float,
) -> Reading:  # fmt: skip
    """Ask the owner by the latest batch that was posted: it knows no reference of others."""
    from node.exchange.log_check import REFUSED, Reading, start_of
    from node.exchange.logs import Question

    owner = dataset.partition("/")[0]
    posted = [each for each in batches if each["status"] != "open"]
    if not posted:
        reading = Reading(owner, Question(dataset), False, (), start_of((), 0))
        reading.fail(REFUSED, "no batch is posted by which it could find the record")
        return reading
    reference = bytes.fromhex(posted[-1]["reference"])
    question = Question(dataset, batch=posted[-1]["batch"], reference=reference)
    [reading] = ask_logs(asker, [owner], question, had, span, patience_s)
    return reading


def _uses(
    home: Path, life: Sequence[Entry], had: Sequence[Delivery], reading: Reading
) -> list[dict[str, Any]]:
    """Return who asked for the dataset, with what outcome, and which deliveries had the record."""
    rows = {row.delivery: row.delivered_as for row in reading.rows if row.delivery}
    uses = []
    for entry in life:
        if (entry.contract, entry.name) != ("access", "requested"):
            continue
        number = entry.data[0]
        request = ask(home, "access", "request", {"request": number})
        numbers = [each.number for each in had if each.grant == number]
        uses.append(
            {
                "request": number,
                "dataset": request["args"]["dataset"],
                "by": request["recipient"],
                "purpose": request["args"]["purpose"],
                "basis": request["args"]["basis"],
                "status": request["status"],
                "rule": request["rule"],
                "had_it_in": [n for n in numbers if rows.get(n)],
                "left_out_in": [n for n in numbers if rows.get(n) == 0],
                "not_known_in": [n for n in numbers if n not in rows],
            }
        )
    return uses
