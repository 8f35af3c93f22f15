"""The command that looks for changes in a source that must not be: `muniment source scan`."""

from __future__ import annotations

from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.common import (
    home_option,
    json_option,
    moment,
    own_name,
    passphrase_for,
    passphrase_option,
    show,
    table,
)
from node.home import Home

if TYPE_CHECKING:
    from node.data.changes import Report
    from node.data.source import Source


@click.command()
@click.argument("name")
@click.option("--plain", is_flag=True, help="Show keys of rows; needs --purpose.")
@click.option("--purpose", default="", help="Why; enters the access log, sealed.")
@click.option("--report", "is_report", is_flag=True,
              help="Open a case with the keys of rows, sealed to the supervisors.")  # fmt: skip
@home_option
@passphrase_option
@json_option
def scan(
    name: str, plain: bool, purpose: str, is_report: bool, home: Path,
    passphrase_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Compare the source NAME with the last scan: has anything changed that must not?

    What must not is declared: changes = "frozen", "append-only" or "mutable" with change_stamp. The
    first scan compares with the registered version. Ends with status 1 if something has.
    """
    from node.cli.collect import chain_of, collector
    from node.data import source as sources
    from node.data.changes import Scanner
    from node.data.preview import veil

    if plain and not purpose:
        raise click.UsageError("--plain shows values: say why with --purpose")
    place = Home(home)
    chain, master = chain_of(home, passphrase_file)
    declared = sources.load(place.sources, name)
    report = Scanner(place, declared, chain, master).run()
    if plain and report.alerts:
        collector(home, name, passphrase_file).note_access(getuser(), purpose)
    keys = ["|".join(value or "" for value in c.key) for c in report.alerts]
    shown = keys if plain else ["|".join(veil(v, 2) or "" for v in c.key) for c in report.alerts]
    data: dict[str, Any] = {
        "source": name, "rows": report.rows, "counts": report.counts,
        "alerts": report.alert_count, "stale": report.stale, "since": report.since,
        "named": [[c.kind, key] for c, key in zip(report.alerts, shown, strict=True)],
    }  # fmt: skip
    if is_report and report.alerts:
        data["case"] = _open_case(place, passphrase_file, declared, report, keys)
    show(data, as_json, _render_scan)
    if report.alert_count:
        raise SystemExit(1)


def _open_case(
    place: Home, passphrase_file: Path | None, declared: Source, report: Report, keys: list[str]
) -> int:
    from node.cli.sealing import submit_worded

    rows = [f"{c.kind} {key}" for c, key in zip(report.alerts, keys, strict=True)]
    words = "\n".join([f"{declared.name}: {report.alert_count} changes", *rows])
    args = {
        "kind": "integrity", "severity": 3, "member": None, "grant": None, "alerts": [],
        "dataset": f"{own_name(place)}/{declared.dataset or declared.name}",
    }  # fmt: skip
    passphrase = passphrase_for(place, passphrase_file)
    state = submit_worded(place, passphrase, ("cases", "open", args), words, [], None)
    number: int = next(e for e in state["events"] if e[:2] == ["cases", "opened"])[2][0]
    return number


def _render_scan(data: dict[str, Any]) -> None:
    counts = ", ".join(f"{n} {kind}" for kind, n in sorted(data["counts"].items())) or "nothing"
    since = "the registered version" if data["since"] is None else moment(data["since"])
    click.echo(f"{data['rows']} rows; against {since}: {counts}")
    if data["stale"] >= 0:
        click.echo(f"the registered version is stale by {data['stale']} rows")
    if data["named"]:
        table(("must not be", "row"), data["named"])
    if "case" in data:
        click.echo(f"case {data['case']} is open: muniment case show {data['case']}")
