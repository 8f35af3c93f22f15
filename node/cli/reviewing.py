"""Commands for reviews: approve, deny, let another member stand in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from node.cli.common import (
    ask,
    moment,
    own_name,
    pairs,
    passphrase_for,
    show,
    signing_options,
    submit,
    where,
)
from node.cli.requests_shown import NUMBER, find_request, now_ms, query_of
from node.cli.sealing import read_text, text_options
from node.home import Home


@click.command()
@NUMBER
@click.option(
    "--mask",
    "masks",
    multiple=True,
    metavar="FIELD=MASK[:PARAM=VALUE,...]",
    help="Mask a field too, for example name=keep-first:count=1. May be repeated.",
)
@click.option("--revision", type=click.IntRange(1), help="The revision that was read; the latest.")
@signing_options
def approve(
    number: int, masks: tuple[str, ...], revision: int | None, home: Path,
    passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Approve the request ID as far as it waits for this member.

    \b
    Example: muniment request approve 1 --mask name=keep-first:count=1 --as li --home land
    """
    from node.exchange.asking import fields_of

    place, found = Home(home), find_request(home, number)
    names = [field["name"] for field in fields_of(query_of(home), found["standard"])]
    args = {
        "request": number,
        "revision": revision or found["revision"],
        "outcome": "approve",
        "masks": [_parse_mask(text, names) for text in masks],
    }
    passphrase = passphrase_for(place, passphrase_file, operator)
    state = submit(place, passphrase, "access", "review", args, operator)
    _show_reviewed(home, number, state, as_json)


def _parse_mask(text: str, names: Sequence[str]) -> list[Any]:
    """Read FIELD=MASK[:PARAM=VALUE,...] with the mask's latest version."""
    from contracts.masks import SPECS

    field, equals, rest = text.partition("=")
    mask, _, given = rest.partition(":")
    if not equals or field not in names:
        raise click.UsageError(f"{text!r} is not FIELD=MASK; fields are {', '.join(names)}")
    if mask not in SPECS:
        raise click.UsageError(f"there is no mask {mask!r}; see: muniment mask list")
    params: dict[str, int | str] = {}
    for part in filter(None, given.split(",")):
        word, equals, value = part.partition("=")
        if not equals:
            raise click.UsageError(f"{part!r} is not PARAM=VALUE")
        is_number = value.lstrip("-").isdigit() and value.isascii()
        params[word] = int(value) if is_number else value
    return [names.index(field), [mask, SPECS[mask].version, params]]


@click.command()
@NUMBER
@text_options
@click.option("--revision", type=click.IntRange(1), help="The revision that was read; the latest.")
@signing_options
def deny(
    number: int, text: str | None, file: Path | None, revision: int | None, home: Path,
    passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Deny the request ID, with a reason that is sealed to the recipient.

    \b
    Example: muniment request deny 1 --text "Not without the treaty." --home land
    """
    from node.cli.sealing import seal_text, submit_sealed

    place, found = Home(home), find_request(home, number)
    args: dict[str, Any] = {
        "request": number, "revision": revision or found["revision"], "outcome": "deny",
    }  # fmt: skip
    words = read_text(text, file)
    assert words is not None, "read_text needs one"
    passphrase = passphrase_for(place, passphrase_file, operator)
    envelope, anchor = seal_text(place, "denial", words, (found["recipient"],))
    calls = [anchor, ("access", "review", {**args, "reason": envelope})]
    state = submit_sealed(place, passphrase, [envelope], calls, operator)
    _show_reviewed(home, number, state, as_json)


def _show_reviewed(home: Path, number: int, state: dict[str, Any], as_json: bool) -> None:
    found = find_request(home, number)
    data = {
        "request": number, "status": found["status"], "rule": found["rule"],
        "waits_for": found["waits_for"], **where(state),
    }  # fmt: skip
    show(data, as_json, lambda d: pairs([(k, _text(v)) for k, v in d.items()]))


def _text(value: object) -> object:
    return ", ".join(value) or "-" if isinstance(value, list) else value


@click.command()
@click.argument("member", required=False)
@click.option("--days", type=click.IntRange(1), default=14, show_default=True)
@click.option("--end", is_flag=True, help="Nobody stands in any more.")
@signing_options
def deputy(
    member: str | None, days: int, end: bool, home: Path, passphrase_file: Path | None,
    operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Let MEMBER give this member's reviews for some days; shows who does without MEMBER.

    \b
    Example: muniment request deputy civil --days 14 --home land
    """
    from node.exchange.asking import DAY_MS

    place = Home(home)
    if member is not None or end:
        args = {"deputy": None if end else member, "until": now_ms() + days * DAY_MS}
        passphrase = passphrase_for(place, passphrase_file, operator)
        submit(place, passphrase, "access", "set_deputy", args, operator)
    found = ask(home, "access", "deputy", {"member": own_name(place)})
    data = None if found is None else {"deputy": found[0], "until": found[1]}

    def render(_: Any) -> None:
        click.echo("no deputy" if found is None else f"{found[0]} until {moment(found[1])}")

    show(data, as_json, render)
