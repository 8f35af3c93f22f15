"""Commands for grants: what may be used, and its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.common import (
    Refused,
    ask,
    home_option,
    json_option,
    moment,
    own_name,
    pairs,
    passphrase_for,
    show,
    signing_options,
    submit,
    table,
    where,
)
from node.cli.requests_shown import NUMBER, now_ms, query_of, show_fields
from node.exchange.reasons import basis_text
from node.home import Home


@click.group()
def grant() -> None:
    """See what this member may use of others' data, and end what others may use of its own.

    \b
    Example: muniment grant list --home tax && muniment grant show 1 --home tax
    """


@grant.command("list")
@click.option("--before", type=click.IntRange(1), help="Only grants below this number.")
@home_option
@json_option
def list_grants(before: int | None, home: Path, as_json: bool) -> None:
    """List grants to this member and on its data, the latest first."""
    args: dict[str, Any] = {"member": own_name(Home(home))}
    if before is not None:
        args["before"] = before
    requests = ask(home, "access", "list", args)
    rows = [
        {**ask(home, "access", "grant", {"grant": row["id"]}), "usable": _usable(home, row["id"])}
        for row in requests
        if row["status"] == "granted"
    ]
    cells = [
        (r["id"], r["owner"], r["recipient"], r["dataset"], f"L{r['level']}",
         f"{r['used'] + r['reserved']} of {r['rows']}", moment(r["until"])[:10], _state(r))
        for r in rows
    ]  # fmt: skip
    titles = ("id", "of", "to", "dataset", "level", "used", "until", "usable")
    show(rows, as_json, lambda _: table(titles, cells))


def _usable(home: Path, number: int) -> str:
    """The name of the code that says whether a grant may be used now."""
    from node.render import name_of

    return name_of(ask(home, "access", "usable", {"grant": number, "time": now_ms()}))


def _state(row: dict[str, Any]) -> str:
    return "yes" if row["usable"] == "ok" else f"no: {row['usable']}"


def _find(home: Path, number: int) -> dict[str, Any]:
    found = ask(home, "access", "grant", {"grant": number})
    if found is None:
        raise Refused(f"there is no grant {number}; list them with: muniment grant list")
    return {**found, "usable": _usable(home, number)}


@grant.command("show")
@NUMBER
@home_option
@json_option
def show_grant(number: int, home: Path, as_json: bool) -> None:
    """Show the grant ID: fields and masks, quota, hours, and whether it may be used now."""
    from node.exchange.asking import fields_of

    found = _find(home, number)
    names = [field["name"] for field in fields_of(query_of(home), found["standard"])]
    show(found, as_json, lambda d: _render(d, names))


def _render(d: dict[str, Any], names: list[str]) -> None:
    from node.exchange.asking import show_hours
    from node.exchange.terms import SHOWN

    ends = f" ({d['reason']})" if d["reason"] else ""
    rows: list[tuple[str, object]] = [
        ("grant", f"{d['id']}: {d['status']}{ends}"),
        ("usable", _state(d)),
        ("dataset", f"{d['dataset']}, version {d['version'] or 'any (series)'}"),
        ("from", d["owner"]),
        ("to", d["recipient"]),
        ("level", f"L{d['level']}, {d['class']} ({d['rule']})"),
        ("purpose", f"{d['purpose']}, on the basis of {basis_text(d)}"),
        ("valid", f"{moment(d['from'])} to {moment(d['until'])}"),
        ("quota", f"{d['rows']}, {d['used']} used, {d['reserved']} reserved"),
        ("kept for", f"{d['retention_days']} days" + (", onward" if d["onward"] else "")),
        ("delivery", d["mode"] + (", marked" if d["watermark"] else "")),
    ]
    if d["key"] is not None:
        rows.append(("look-up by", names[d["key"]]))
    rows += [("filter", f"{names[i]} {SHOWN[operator]} ...") for i, operator in d["filter"]]
    rows += [("hours", show_hours(window)) for window in d["hours"]]
    if d["k"]:
        rows.append(("groups of", f"{d['k']} at least"))
    if d["subjects"] is not None:
        rows.append(("subjects", "only records that they have authorised"))
    if d["notice"]:
        rows.append(("subjects", "are told afterwards (statute)"))
    pairs([*rows, ("policy", d["policy"])])
    show_fields(d["fields"], names)


@grant.command()
@NUMBER
@click.option("--reason", default="owner", show_default=True, metavar="WORD",
              help="A code such as misuse; it stands on the chain.")  # fmt: skip
@signing_options
def revoke(
    number: int, reason: str, home: Path, passphrase_file: Path | None, operator: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """End the grant ID at once, as the data's owner or as a supervisor.

    \b
    Example: muniment grant revoke 1 --reason misuse --home land
    """
    _act("revoke", {"grant": number, "reason": reason}, home, passphrase_file, operator, as_json)


@grant.command()
@NUMBER
@signing_options
def resume(
    number: int, home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool
) -> None:
    """Let the series grant ID go on under the dataset's new standard, as its owner."""
    _act("resume", {"grant": number}, home, passphrase_file, operator, as_json)


def _act(
    method: str, args: dict[str, Any], home: Path, passphrase_file: Path | None,
    operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    state = submit(place, passphrase, "access", method, args, operator)
    found = _find(home, args["grant"])
    data = {"grant": found["id"], "status": found["status"], **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))
