"""Commands of government: propose, vote, and see what was decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.common import (
    Refused,
    connect,
    home_option,
    json_option,
    moment,
    pairs,
    parse_arguments,
    passphrase_for,
    passphrase_option,
    show,
    signing_options,
    submit,
    table,
)
from node.home import Home
from node.rpc.client import Client

_KIND_HELP = """\b
KIND and its arguments:
  admit       card=@CARD.json tier=TIER roles=ROLE,... [parent=, jurisdiction=, storage=]
  suspend     member=NAME        (also reinstate, expel)
  change      member=NAME [tier=, parent=, roles=, jurisdiction=, storage=]
  rotate      card=@CARD.json    new keys for a member that has lost its own
  parameters  NAME=VALUE...      see: muniment gov parameters
  rule        kind=KIND threshold_bp=N window_ms=N
  deploy      name=NAME source=@FILE.star [title=TEXT]   (also upgrade)
  retire      name=CONTRACT
  version     version=N [height=N]
  access      see: muniment policy propose --help
  pack        name=classification version=N digest=hex:DIGEST
  ladder      rungs='[["notice",MS],["suspend",MS]]' window_ms=N appeal_ms=N
  deliveries  NAME=MS... of all that "deliveries.limits" answers
  statute     statute=NAME digest=hex:DIGEST until=MS notice_days=N
"""
_number = click.argument("number", metavar="ID", type=click.IntRange(1))
_vote_option = click.option("--vote", is_flag=True, help="Vote yes on it at once.")


@click.group()
def gov() -> None:
    """Propose changes, vote on them, and see what was decided.

    \b
    Example: muniment gov propose suspend member=land --home tax && muniment gov vote 1 yes --home tax
    """  # noqa: E501


def put_to_vote(
    home: Home, passphrase: str, kind: str, args: dict[str, Any], *, vote: bool,
    operator: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Propose, and vote yes if asked; returns the number of the proposal and where it stands."""
    proposal = {"kind": kind, "args": args}
    state = submit(home, passphrase, "governance", "propose", proposal, operator)
    number = next(data[0] for _, name, data in state["events"] if name == "proposed")
    if vote:
        own = {"proposal": number, "choice": "yes"}
        submit(home, passphrase, "governance", "vote", own, operator)
    return {"proposal": number, "txid": state["txid"], "height": state["height"]}


def show_proposed(data: dict[str, Any], as_json: bool) -> None:
    """Print what `put_to_vote` returned."""
    show(data, as_json, lambda d: pairs(list(d.items())))
    if not as_json:
        click.echo(f"Members vote with: muniment gov vote {data['proposal']} yes")


@gov.command(epilog=_KIND_HELP)
@click.argument("kind")
@click.argument("arguments", metavar="[ARG=VALUE]...", nargs=-1)
@_vote_option
@signing_options
def propose(
    kind: str,
    arguments: tuple[str, ...],
    vote: bool,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Put a change of KIND to the vote.

    A VALUE is JSON if it reads as JSON, else text; @FILE is a file's content.

    \b
    Example: muniment gov propose parameters max_block_transactions=4000 --home tax
    """
    args = parse_arguments(arguments)
    if kind == "parameters":
        args = {"changes": args}
    if isinstance(args.get("roles"), str):
        args["roles"] = sorted(args["roles"].split(","))
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    made = put_to_vote(place, passphrase, kind, args, vote=vote, operator=operator)
    show_proposed(made, as_json)


@gov.command()
@_number
@click.argument("choice", type=click.Choice(("yes", "no")))
@signing_options
def vote(
    number: int, choice: str, home: Path, passphrase_file: Path | None, operator: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Vote yes or no on the proposal ID; a vote cannot be taken back."""
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    args = {"proposal": number, "choice": choice}
    state = submit(place, passphrase, "governance", "vote", args, operator)
    _show_proposal(home, number, as_json, {"txid": state["txid"], "height": state["height"]})


@gov.command()
@_number
@home_option
@passphrase_option
@json_option
def withdraw(number: int, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Take back this member's own open proposal ID."""
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file)
    state = submit(place, passphrase, "governance", "withdraw", {"proposal": number})
    _show_proposal(home, number, as_json, {"txid": state["txid"], "height": state["height"]})


@gov.command("show")
@_number
@home_option
@json_option
def show_proposal(number: int, home: Path, as_json: bool) -> None:
    """Show the proposal ID: what it is, who voted how, what became of it."""
    _show_proposal(home, number, as_json, {})


def _show_proposal(home: Path, number: int, as_json: bool, extra: dict[str, Any]) -> None:
    with connect(home) as client:
        data = _get(client, number)
    show({**data, **extra}, as_json, _render)


def _get(client: Client, number: int) -> dict[str, Any]:
    data = _query(client, "get", {"proposal": number})
    if data is None:
        raise Refused(f"there is no proposal {number}; list what there is: muniment gov list")
    return dict(data)


def _query(client: Client, method: str, args: dict[str, Any]) -> Any:
    return client.call("state.query", contract="governance", method=method, args=args)


def _render(data: dict[str, Any]) -> None:
    from node.render import render

    rows: list[tuple[str, object]] = [
        ("proposal", f"{data['id']}: {data['kind']}"),
        ("by", f"{data['proposer']} at height {data['height']}"),
        ("status", data["status"]),
        ("votes", f"{data['yes']} yes, {data['no']} no; {data['needed']} yes of {data['voters']} "
                  "needed"),
    ]  # fmt: skip
    if data["status"] == "open":
        rows.append(("until", moment(data["until"])))
    if data["status"] == "accepted":
        rows.append(("effect", "at the end of the epoch"))
    if data["result"] is not None:
        code, details, height = data["result"]
        rows.append(("result", f"{render(code, details)} (height {height})"))
    for name, value in data["args"].items():
        rows.append((f"  {name}", _brief(value)))
    for name, choice, height in data["votes"]:
        rows.append((f"  {name}", f"{choice} at height {height}"))
    pairs(rows)


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        value = " ".join(f"{key}={item}" for key, item in value.items())
    line = str(value).replace("\n", " ")
    return line if len(line) <= 100 else line[:97] + "..."


@gov.command("list")
@click.option("--before", type=click.IntRange(1), help="Only proposals below this number.")
@home_option
@json_option
def list_proposals(before: int | None, home: Path, as_json: bool) -> None:
    """List proposals, the latest first."""
    with connect(home) as client:
        rows = _query(client, "list", {} if before is None else {"before": before})
    cells = [(r["id"], r["kind"], r["proposer"], r["height"], r["status"]) for r in rows]
    show(rows, as_json, lambda _: table(("id", "kind", "by", "height", "status"), cells))


@gov.command()
@home_option
@json_option
def rules(home: Path, as_json: bool) -> None:
    """Show how many must agree on what, and how long votes are open."""
    with connect(home) as client:
        data = _query(client, "rules", {})
    cells = [
        (kind, f"{bp / 100:g} %", f"{window / 86_400_000:g} days")
        for kind, (bp, window) in data.items()
    ]
    show(data, as_json, lambda _: table(("kind", "of all voters", "window"), cells))


@gov.command()
@home_option
@json_option
def parameters(home: Path, as_json: bool) -> None:
    """Show the parameters in force, and those decided for the next epoch where they differ."""
    with connect(home) as client:
        current = client.call("validators.get")["parameters"]
        following = client.call("state.query", contract="members", method="parameters", args={})
    rows = []
    for name, value in current.items():
        changed = following[name] if following[name] != value else ""
        rows.append((name, value, changed))
    data = {"in_force": current, "next_epoch": following}
    show(data, as_json, lambda _: table(("parameter", "in force", "next epoch"), rows))


@gov.command()
@_number
@home_option
@json_option
def wait(number: int, home: Path, as_json: bool) -> None:
    """Wait until the proposal ID has taken effect, or never will.

    Exit status 0 means that it was carried out. Ctrl-C ends waiting.
    """
    with connect(home) as client:
        data = _get(client, number)
    if data["status"] in ("open", "accepted"):
        with connect(home) as client, connect(home) as asking:
            for _ in client.subscribe(("blocks",)):
                data = _get(asking, number)
                if data["status"] not in ("open", "accepted"):
                    break
    show(data, as_json, _render)
    if data["status"] != "executed":
        raise Refused(f"proposal {number} is {data['status']}")
