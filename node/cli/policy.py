"""Commands for policies of access: the table that all agreed on, and the own stricter ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from node.cli.common import (
    Refused,
    ask,
    home_option,
    json_option,
    own_name,
    pairs,
    passphrase_for,
    show,
    signing_options,
    submit,
    table,
    where,
)
from node.home import Home

_FILE = click.argument("file", metavar="FILE.star", type=click.Path(path_type=Path))


@click.group()
def policy() -> None:
    """What decides on requests: the table that all agreed on, and owners' stricter policies.

    \b
    muniment policy test land.star cases.json
    muniment policy set land/parcels land.star --home land
    muniment policy show --home land
    """


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{file} cannot be read as UTF-8 text: {error}") from error


@policy.command("set")
@click.argument("prefix", metavar="PREFIX")
@click.argument("file", metavar="[FILE.star]", required=False, type=click.Path(path_type=Path))
@click.option("--remove", is_flag=True, help="Take the policy away.")
@signing_options
def set_policy(
    prefix: str, file: Path | None, remove: bool, home: Path, passphrase_file: Path | None,
    operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Set the policy of this member's datasets whose ids begin with PREFIX.

    \b
    muniment policy set land/ land.star --home land
    muniment policy set land/ --remove --home land
    """
    if (file is None) != remove:
        raise click.UsageError("give a file, or --remove")
    place = Home(home)
    source = None if file is None else _read(file)
    if source is not None:
        _check(source)
    passphrase = passphrase_for(place, passphrase_file, operator)
    args = {"prefix": prefix, "source": source}
    state = submit(place, passphrase, "access", "set_policy", args, operator)
    digest = next(event[2][2] for event in state["events"] if event[1] == "policy")
    data = {"prefix": prefix, "digest": digest, **where(state)}
    show(data, as_json, lambda d: pairs([(k, "-" if v is None else v) for k, v in d.items()]))


def _check(source: str) -> None:
    """Raises Refused with the line if it is no policy."""
    from contracts.api import Failure
    from contracts.system.access.policies import load_policy

    try:
        load_policy(source)
    except Failure as failure:
        raise Refused(str(failure.details)) from failure


@policy.command("show")
@click.argument("owner", required=False)
@click.option("--source", "is_source", is_flag=True, help="Print the sources.")
@home_option
@json_option
def show_policies(owner: str | None, is_source: bool, home: Path, as_json: bool) -> None:
    """Show the policies of OWNER, this member if left out."""
    rows = ask(home, "access", "policies", {"owner": owner or own_name(Home(home))})

    def render(_: Any) -> None:
        table(("datasets", "digest"), [(f"{r['prefix']}*", r["digest"]) for r in rows])
        for row in rows if is_source else ():
            click.echo(f"# {row['prefix']}\n{row['source']}")

    show(rows, as_json, render)


@policy.command("test")
@_FILE
@click.argument("cases", metavar="CASES.json", type=click.Path(path_type=Path))
@json_option
def try_policy(file: Path, cases: Path, as_json: bool) -> None:
    """Ask a policy about requests, offline, and compare with what is expected.

    CASES.json is an array of {"request": {...}, "expect": {"outcome": ..., "rule": ...}}; a request
    is what docs/exchange.md lists, and what it leaves out is that of a plain request. A policy
    that fails is expected with {"outcome": "deny", "rule": "policy-fault"}.
    """
    from node.exchange.trial import try_cases

    source = _read(file)
    _check(source)
    try:
        given = json.loads(_read(cases))
    except ValueError as error:
        raise Refused(f"{cases} is not JSON: {error}") from error
    found = try_cases(source, given)
    rows = [(each.number, each.said, each.expected, "ok" if each.is_met else each.fault or "other")
            for each in found]  # fmt: skip
    data = [dict(zip(("case", "says", "expected", "result"), row, strict=True)) for row in rows]
    show(data, as_json, lambda _: table(("case", "says", "expected", "result"), rows))
    failed = sum(not each.is_met for each in found)
    if failed:
        raise Refused(f"{failed} of {len(found)} cases are not as expected")


@policy.command()
@home_option
@json_option
def rules(home: Path, as_json: bool) -> None:
    """Show the table of access in force: levels, purposes, bases, limits, hours."""
    data = ask(home, "access", "rules", {})
    show(data, as_json, _show_rules)


def _show_rules(d: dict[str, Any]) -> None:
    from node.exchange.asking import DAY_MS, show_hours

    table(("purpose", "up to", "groups of", "any hour"), [
        (p["name"], f"L{p['level']}", p["k"] or "-", "yes" if p["any_hour"] else "no")
        for p in d["purposes"]
    ])  # fmt: skip
    table(("basis", "up to", "also reviewed by", "L4 by"), [
        (b["name"], f"L{b['level']}", ", ".join(b["reviewers"]) or "-",
         "subjects" if b["subjects"] else "notice" if b["notice"] else "-")
        for b in d["bases"]
    ])  # fmt: skip
    table(("together", "at least", "are", "types"), [
        (c["name"], c["least"], f"L{c['level']} {c['class']}", ", ".join(c["types"]))
        for c in d["combinations"]
    ] + [(v["name"], f"{v['rows']} rows", f"L{v['level']} {v['class']}", f"from L{v['at']} on")
         for v in d["volumes"]])  # fmt: skip
    table(("level", "days", "kept days", "rows"), [
        (f"L{place + 1}", d["days"][place], d["retention_days"][place], d["rows"][place])
        for place in range(len(d["days"]))
    ])  # fmt: skip
    pairs([
        ("version", d["version"]),
        ("audited from", f"L{d['audited']}"),
        ("office hours from", f"L{d['office_level']}"),
        ("office hours", show_hours(d["office_hours"])),
        ("review within", f"{d['review_ms'] / DAY_MS:g} days"),
        ("after escalation", f"{d['escalation_ms'] / DAY_MS:g} days"),
    ])  # fmt: skip


@policy.command()
@click.argument("file", metavar="TABLE.json", type=click.Path(path_type=Path))
@click.option("--vote", is_flag=True, help="Vote yes on it at once.")
@signing_options
def propose(
    file: Path, vote: bool, home: Path, passphrase_file: Path | None, operator: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Put another table of access to the vote, with the next version.

    \b
    muniment policy rules --json --home tax > table.json
    muniment policy propose table.json --home tax
    """
    from node.cli.gov import put_to_vote, show_proposed

    try:
        given = json.loads(_read(file))
    except ValueError as error:
        raise Refused(f"{file} is not JSON: {error}") from error
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    args = {"rules": given}
    show_proposed(
        put_to_vote(place, passphrase, "access", args, vote=vote, operator=operator), as_json
    )
