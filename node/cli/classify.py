"""Commands that find sensitive data and take the steward's decisions about it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.collect import chain_of, collector
from node.cli.common import (
    Refused,
    home_option,
    json_option,
    pairs,
    passphrase_option,
    show,
    table,
)
from node.data.notes import tell
from node.home import Home, atomic_write

if TYPE_CHECKING:
    from node.data.findings import Detectors, Look


@click.group()
def classify() -> None:
    """Find sensitive data in files, and decide on what was found."""


any_home_option = click.option(
    "--home",
    type=click.Path(path_type=Path),
    envvar="MUNIMENT_HOME",
    help="A home, for its own text model and the pack of rules that counts there.",
)


def _detectors(home: Path | None, passphrase_file: Path | None) -> Detectors:
    """Return a home's detectors, or the release's where no home is given."""
    from node.data.findings import Detectors
    from node.data.rules import shipped

    if home is None:
        return Detectors(shipped())
    chain, master = chain_of(home, passphrase_file)
    return Detectors.of(Home(home), chain.query, master)


@classify.command("file")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@any_home_option
@passphrase_option
@json_option
def classify_file(
    path: Path, home: Path | None, passphrase_file: Path | None, as_json: bool
) -> None:
    """Say what sensitive data a table or document holds, and the level that goes with it.

    What cannot be read is graded as L4, with the reason: never lower because something failed.
    Documents are .txt, .md, .html, .docx and .pdf; all else is read as a table.
    """
    from node.data.findings import look_at

    show_look(look_at(path, _detectors(home, passphrase_file)), as_json)


def show_look(look: Look, as_json: bool) -> None:
    """Print what was found in a file."""
    found = [replace(each, why=tell(each.why)) for each in look.findings]
    rows = [(f.field, f.entity, f"L{f.level}", f.why) for f in found]
    data = {"level": look.level, "findings": [asdict(each) for each in found]}

    def render(_: object) -> None:
        table(("field", "entity", "level", "why"), rows)
        click.echo(f"level L{look.level}")

    show(data, as_json, render)


@classify.command("decide-file")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--level", type=click.IntRange(1, 4), required=True)
@click.option("--reason", required=True, help="Why; it stays in this home, sealed.")
@home_option
@passphrase_option
def decide_file(
    path: Path, level: int, reason: str, home: Path, passphrase_file: Path | None
) -> None:
    """Say which level a document has; `classify train` learns from it.

    Its digest and word statistics are kept, sealed; its text is not.
    """
    from node.data.findings import Detectors, TextDecisions

    chain, master = chain_of(home, passphrase_file)
    detectors = Detectors.of(Home(home), chain.query, master)
    look = TextDecisions(Home(home), master).decide(path, level, reason, detectors)
    click.echo(f"{path} counts as L{level}; it was taken for L{look.level}")


@classify.command("train")
@click.option("--sentences", type=click.IntRange(400, 1_000_000), default=12_000,
              show_default=True, help="How many to generate.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
              help="Write the model here, without a home's decisions.")  # fmt: skip
@any_home_option
@passphrase_option
@json_option
def train(
    sentences: int,
    output: Path | None,
    home: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Train the text model of --home from the generated corpus and its stewards' decisions.

    \b
    Example: muniment classify decide-file letter.txt --level 3 --reason "names a pupil" --home HOME
             muniment classify train --home HOME
    """
    from node.data import findings

    if (home is None) == (output is None):
        raise click.UsageError("give either --home or --output")
    click.echo(f"training from {sentences} sentences; this takes some minutes", err=True)
    if home is not None:
        _, master = chain_of(home, passphrase_file)
        decisions = findings.TextDecisions(Home(home), master)
        made, count = decisions.train(sentences), len(decisions.all())
    else:
        made, count = findings.train([], sentences), 0
        atomic_write(Path(str(output)), made.model, 0o644)
    data = {
        "decisions": count,
        "decisions_right": f"{made.decided / 10:.1f} %",
        "held_out_sentences_right": f"{made.held_out / 10:.1f} %",
    }
    show(data, as_json, lambda d: pairs(list(d.items())))


@classify.group("pack")
def pack() -> None:
    """The pack of rules and words that grading goes by.

    \b
    muniment classify pack install rules.json --home HOME
    muniment gov propose pack name=classification version=2 digest=hex:DIGEST --home HOME
    """


@pack.command("show")
@home_option
@passphrase_option
@json_option
def pack_show(home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Show which pack counts here."""
    from node.data.rules import active

    chain, _ = chain_of(home, passphrase_file)
    found = active(Home(home), chain.query)
    data = {"version": found.body["version"], "digest": found.digest.hex(),
            "combinations": len(found.body["combinations"]),
            "volumes": len(found.body["volumes"])}  # fmt: skip
    show(data, as_json, lambda d: pairs(list(d.items())))


@pack.command("write")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def pack_write(file: Path) -> None:
    """Write the release's own pack to FILE, to start from."""
    from node.data.rules import shipped

    atomic_write(file, shipped().data, 0o644)
    click.echo(f"version {shipped().title} is in {file}")


@pack.command("install")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@home_option
@json_option
def pack_install(file: Path, home: Path, as_json: bool) -> None:
    """Check a pack and put it into the home, where it waits for its vote."""
    from node.data.rules import MAX_PACK_BYTES, install

    try:
        with file.open("rb") as content:
            text = content.read(MAX_PACK_BYTES + 1)
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error
    found = install(Home(home), text, str(file))
    data = {"version": found.body["version"], "digest": found.digest.hex()}
    show(data, as_json, lambda d: pairs(list(d.items())))


@classify.command("decide")
@click.argument("name", metavar="SOURCE")
@click.argument("field")
@click.option("--level", type=click.IntRange(1, 4), required=True)
@click.option("--reason", required=True, help="Why; it stays in this home, sealed.")
@home_option
@passphrase_option
def decide(
    name: str, field: str, level: int, reason: str, home: Path, passphrase_file: Path | None
) -> None:
    """Confirm or override the level that was found for FIELD, from SOURCE's next version on.

    FIELD + stands for what fields are together. Putting one below what was found is announced on
    the chain with the next version, without the reason.
    """
    found = collector(home, name, passphrase_file)
    found.decisions.decide("" if field == "+" else field, level, reason, found.field_names())
    click.echo(f"{field} counts as L{level} from the next version of {name} on")


@classify.command("decisions")
@click.argument("name", metavar="SOURCE")
@home_option
@passphrase_option
@json_option
def decisions(name: str, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """List what was decided on SOURCE's fields."""
    found = collector(home, name, passphrase_file).decisions.all()
    rows = [(d.field, f"L{d.level}", d.reason) for d in found]
    show([asdict(d) for d in found], as_json, lambda _: table(("field", "level", "reason"), rows))
