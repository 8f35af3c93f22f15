"""Commands about copies that turn up where they should not be."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from node.cli.common import (
    home_option,
    json_option,
    moment,
    passphrase_for,
    passphrase_option,
    show,
    table,
)
from node.home import Home


@click.group()
def leak() -> None:
    """Find out which delivery a copy was made from."""


@leak.command("trace")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dataset", default="", help="Try only deliveries of this dataset.")
@click.option("--column", "columns", multiple=True, metavar="FILE-COLUMN=MARKED-COLUMN",
              help="A column that is called otherwise in FILE.")  # fmt: skip
@home_option
@passphrase_option
@json_option
def leak_trace(
    path: Path, dataset: str, columns: tuple[str, ...], home: Path, passphrase_file: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Try the mark of every delivery of yours on FILE: a table, an image or a PDF.

    Tables are CSV, JSON lines, Parquet or Excel. A delivery is named if there is less than one
    chance in a million that any of those tried is named wrongly. It names the copy, not who passed
    it on.

    \b
    Example: muniment leak trace found.csv --home HOME
             muniment leak trace found.csv --column salary=income --home HOME
    """
    from node.data.watermark.candidate import mark_id
    from node.data.watermark.kept import Marks
    from node.data.watermark.leak import trace_file
    from node.keys import load_key

    place = Home(home)
    master = load_key(place.key("vault"), "vault", passphrase_for(place, passphrase_file))
    entries = {e.candidate.delivery: e for e in Marks(place, master)
               if dataset in ("", e.dataset)}  # fmt: skip
    names = dict(_renamed(each) for each in columns)
    verdicts = trace_file(path, [e.candidate for e in entries.values()], names)
    data: list[dict[str, Any]] = [
        {**asdict(each), "grant": entries[each.delivery].grant,
         "recipient": entries[each.delivery].recipient,
         "dataset": entries[each.delivery].dataset, "version": entries[each.delivery].version,
         "time": entries[each.delivery].time,
         "mark": mark_id(entries[each.delivery].candidate.key).hex()}
        for each in verdicts
    ]  # fmt: skip
    show(data, as_json, _render)


def _renamed(text: str) -> tuple[str, str]:
    leaked, equals, marked = text.partition("=")
    if not equals or not leaked or not marked:
        raise click.UsageError(f"{text!r} is not FILE-COLUMN=MARKED-COLUMN")
    return marked, leaked


def _render(found: list[dict[str, Any]]) -> None:
    rows = [
        (e["delivery"], e["grant"], e["dataset"], e["version"], e["recipient"],
         moment(e["time"])[:10],
         f"{e['p_value']:.2g}", f"{e['bound']:.2g}", e["parts"], "found" if e["found"] else "")
        for e in found if e["found"] or e is found[0]
    ]  # fmt: skip
    table(
        ("delivery", "grant", "dataset", "version", "recipient", "on", "p", "at most", "parts", ""),
        rows,
    )
    named = [e for e in found if e["found"]]
    if named:
        which = ", ".join(f"{e['delivery']} under grant {e['grant']} to {e['recipient']}"
                          for e in named)  # fmt: skip
        click.echo(f"the copy carries the mark of delivery {which}")
    elif found[0]["parts"]:
        click.echo(f"unknown: none of {len(found)} marks is in it; the likeliest is shown")
    else:
        click.echo("unknown: too little of it is left to test")
