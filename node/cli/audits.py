"""Commands that audit deliveries: what was sent is compared with what is registered."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from node.cli.collect import chain_of
from node.cli.common import (
    home_option,
    json_option,
    pairs,
    passphrase_option,
    show,
    streaming,
    table,
)


@click.command("audit")
@click.argument("delivery", type=click.IntRange(1), required=False)
@click.option("--dry-run", is_flag=True, help="Say what was found here, not on the chain.")
@home_option
@passphrase_option
@json_option
def audit(
    delivery: int | None, dry_run: bool, home: Path, passphrase_file: Path | None, as_json: bool
) -> None:
    """Audit DELIVERY, as a supervisor that is no party to it; without it, list what waits.

    The owner opens the rows and records that the chain has drawn; filter and masks are run again
    here, and the outcome goes on the chain. `exchange serve` does this by itself.

    \b
    Example: muniment exchange audit 5 --home tax
    """
    from node.exchange.auditing import Auditor

    chain, _ = chain_of(home, passphrase_file, as_node=True)
    auditor = Auditor(chain)
    if delivery is None:
        _list(auditor, as_json)
        return
    number = delivery
    finding = streaming(home, lambda socket: auditor.audit(socket, number))
    outcome = "failed" if finding.faults else "passed"
    if not dry_run:
        auditor.report(delivery, finding)
    data = {"delivery": delivery, "outcome": outcome, **asdict(finding)}
    show(data, as_json, _show)


def _list(auditor: Any, as_json: bool) -> None:
    rows = []
    for number in auditor.waiting():
        found = auditor.chain.query("deliveries", "get", {"delivery": number})
        rows.append((number, found["dataset"], found["version"], found["owner"],
                     found["recipient"], found["audit"]["rows"]))  # fmt: skip
    names = ("delivery", "dataset", "version", "owner", "recipient", "rows")
    data = [dict(zip(names, row, strict=True)) for row in rows]
    show(data, as_json, lambda _: table(names, rows))


def _show(data: dict[str, Any]) -> None:
    omitted = ", ".join(f"{count} {name}" for name, count in data["omitted"].items())
    pairs(
        [
            ("delivery", data["delivery"]),
            ("outcome", data["outcome"]),
            ("rows and records checked", data["checked"]),
            ("left out", omitted or "none"),
        ]
    )
    for fault in data["faults"]:
        click.echo(f"  {fault}")
