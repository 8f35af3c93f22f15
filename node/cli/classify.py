"""Commands that find sensitive data and take the steward's decisions about it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from node.cli.collect import collector
from node.cli.common import home_option, json_option, passphrase_option, show, table


@click.group()
def classify() -> None:
    """Find sensitive data in files, and decide on what was found."""


@classify.command("file")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def classify_file(path: Path, as_json: bool) -> None:
    """Say what sensitive data a table or document holds, and the level that goes with it.

    What cannot be read is graded as L4, with the reason: never lower because something failed.
    """
    from node.data.findings import look_at

    level, findings = look_at(path)
    rows = [(f.field, f.entity, f"L{f.level}", f.why) for f in findings]
    data = {"level": level, "findings": [asdict(each) for each in findings]}

    def render(_: object) -> None:
        table(("field", "entity", "level", "why"), rows)
        click.echo(f"level L{level}")

    show(data, as_json, render)


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
    """Confirm or override the level that was found for FIELD, from SOURCE's next version on."""
    found = collector(home, name, passphrase_file)
    found.decisions.decide(field, level, reason, found.field_names())
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
