"""Commands for permits, which third parties need to handle data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.common import (
    ask,
    home_option,
    json_option,
    moment,
    pairs,
    passphrase_for,
    show,
    signing_options,
    submit,
    table,
    where,
)
from node.home import Home


@click.group()
def permit() -> None:
    """Permits of third parties: for which purposes each may handle data, until when.

    \b
    Example: muniment permit issue acme --scenario audit --until 2027-12-31 --home land
    """


@permit.command()
@click.argument("member")
@click.option("--scenario", "scenarios", multiple=True, required=True, help="May be repeated.")
@click.option("--until", required=True, metavar="DATE")
@signing_options
def issue(
    member: str, scenarios: tuple[str, ...], until: str, home: Path,
    passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Give MEMBER a permit, as a supervisor; one before is replaced."""
    from node.exchange.asking import parse_moment

    args = {"member": member, "scenarios": list(scenarios), "until": parse_moment(until)}
    _act("issue", args, home, passphrase_file, operator, as_json)


@permit.command()
@click.argument("member")
@signing_options
def revoke(
    member: str, home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool
) -> None:
    """End MEMBER's permit at once, as a supervisor."""
    _act("revoke", {"member": member}, home, passphrase_file, operator, as_json)


def _act(
    method: str, args: dict[str, Any], home: Path, passphrase_file: Path | None,
    operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    state = submit(place, passphrase, "permits", method, args, operator)
    data = {"member": args["member"], "permit": f"{method}d", **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))


@permit.command("list")
@home_option
@json_option
def list_permits(home: Path, as_json: bool) -> None:
    """List permits, also those that have ended."""
    rows = ask(home, "permits", "list", {})
    cells = [
        (r["member"], ", ".join(r["scenarios"]), r["issuer"], moment(r["until"])[:10],
         "revoked" if r["revoked"] else "-")
        for r in rows
    ]  # fmt: skip
    titles = ("member", "scenarios", "issued by", "until", "ended")
    show(rows, as_json, lambda _: table(titles, cells))
