"""Commands of a registrar for what subjects hand in at the portal: letters, and their answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.common import (
    Refused,
    home_option,
    json_option,
    moment,
    own_name,
    passphrase_for,
    passphrase_option,
    show,
    table,
)
from node.cli.trace_logs import PATIENCE_S
from node.home import Home

if TYPE_CHECKING:
    from node.exchange.letter import Letter, LetterBox

_LETTER = click.argument("name", metavar="LETTER")
LIMIT = 1_000
"""Requests and events that an answer tells of."""


def _box(home: Path, passphrase_file: Path | None) -> LetterBox:
    from node.exchange.letter import LetterBox
    from node.keys import load_key

    place = Home(home)
    if not place.registrar.exists():
        raise Refused("this home keeps no register of persons; see: muniment registrar person")
    passphrase = passphrase_for(place, passphrase_file)
    return LetterBox(place.letters, load_key(place.key("vault"), "vault", passphrase))


@click.command()
@home_option
@passphrase_option
@json_option
def letters(home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """List what subjects have handed in at the portal; the first time, let them."""
    box = _box(home, passphrase_file)
    box.open()
    rows: list[dict[str, Any]] = [
        {"letter": name, "time": each.time, "kind": _kind(each), "batch": each.declaration.batch,
         "person": each.declaration.identity, "words": each.words}
        for name, each in box.letters()
    ]  # fmt: skip

    def render(_: object) -> None:
        cells = [[moment(v)[:16] if k == "time" else v for k, v in row.items()] for row in rows]
        table(("letter", "time", "kind", "batch", "person", "words"), cells)

    show(rows, as_json, render)


def _kind(letter: Letter) -> str:
    return "complain" if letter.words else letter.declaration.kind


@click.command()
@_LETTER
@click.option("--text", default="", help="What you say to it; a complaint needs it.")
@click.option("--patience", type=click.FloatRange(0.1, 600), default=PATIENCE_S, show_default=True,
              help="Seconds that owners have to answer.")  # fmt: skip
@home_option
@passphrase_option
@json_option
def answer(
    name: str, text: str, patience: float, home: Path, passphrase_file: Path | None, as_json: bool
) -> None:
    """Do what a LETTER asks for, and seal the answer to who wrote it.

    Authorisations and withdrawals are taken as by `take`; who asks is told who asked for the
    record, had it and was refused it, as by `trace subject`. What is not signed by the registered
    key of a person who may say so is refused: dismiss it.
    """
    from node.cli.registrar import Office
    from node.exchange.declaration import ASK

    office, box = Office.open(home, passphrase_file), _box(home, passphrase_file)
    letter = box.find(name)
    if letter.words and not text:
        raise Refused("it is a complaint: say something to it with --text")
    now_ms = time.time_ns() // 1_000_000
    draft = letter.check(office.register, now_ms)
    content: dict[str, Any] = {
        "registrar": own_name(office.home), "time": now_ms,
        "kind": _kind(letter), "text": text, "batch": draft.scope.batch,
        "dataset": draft.scope.dataset, "recipient": draft.scope.recipient,
        "purpose": draft.scope.purpose,
    }  # fmt: skip
    if letter.declaration.kind == ASK:
        content |= _told(home, passphrase_file, letter, patience)
    else:
        office.take(letter.declaration)
    box.answer(name, content)
    show(content, as_json, lambda d: click.echo(f"{d['kind']}: answered, sealed to its writer"))


def _told(
    home: Path, passphrase_file: Path | None, letter: Letter, patience: float
) -> dict[str, Any]:
    from node.cli.trace_logs import asker_of
    from node.cli.trace_subject import registered, tell
    from node.trace.record import Span

    asker = asker_of(home, passphrase_file, None, None)
    meant = registered(asker, None, letter.declaration)
    data, readings = tell(asker, meant, Span(), patience, LIMIT)
    silent = sorted({reading.holder for reading in readings if reading.faults})
    return {"subject": data["subject"], "requests": data["requests"], "silent": silent}


@click.command()
@_LETTER
@home_option
@passphrase_option
def dismiss(name: str, home: Path, passphrase_file: Path | None) -> None:
    """Destroy a LETTER that gets no answer, such as one that is not signed by whom it names."""
    _box(home, passphrase_file).dismiss(name)
    click.echo(f"{name} is destroyed")
