"""Commands about members: see them, say where the own node is, replace keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from consensus.genesis import PURPOSES
from node.cli.common import (
    Refused,
    connect,
    home_option,
    json_option,
    pairs,
    passphrase_for,
    passphrase_option,
    prepare_call,
    show,
    signing_options,
    submit,
    table,
    where,
)
from node.home import Home

_PURPOSE = click.Choice(PURPOSES)
_ORDER = (
    "name", "tier", "parent", "roles", "status", "jurisdiction", "storage", "ready", "addresses",
    "member_key", "node_key", "sealing_key", "voting_key", "stopping",
)  # fmt: skip


@click.group()
def member() -> None:
    """See members; say where the own node is; replace the own keys.

    What needs the others' agreement is proposed: muniment gov propose --help

    \b
    Example: muniment member list --home tax
    """


@member.command("list")
@home_option
@json_option
def list_members(home: Path, as_json: bool) -> None:
    """List the members: tier, parent, roles, status, and whether the node is ready to validate."""
    rows = _query(home, "list", {})
    cells = [
        (
            row["name"],
            row["tier"],
            row["parent"] or "-",
            " ".join(row["roles"]),
            row["status"],
            " ".join(map(str, row["ready"])) or "-",
        )
        for row in rows
    ]
    titles = ("member", "tier", "parent", "roles", "status", "versions")
    show(rows, as_json, lambda _: table(titles, cells))


@member.command("show")
@click.argument("name")
@home_option
@json_option
def show_member(name: str, home: Path, as_json: bool) -> None:
    """Show all that the chain knows of the member NAME."""
    record = _query(home, "get", {"name": name})
    if record is None:
        raise Refused(f"there is no member {name}; list them with: muniment member list")

    def render(found: dict[str, Any]) -> None:
        rows: list[tuple[str, object]] = []
        for key in _ORDER:
            value = found[key]
            if key == "stopping":
                for purpose, (old, height) in value.items():
                    rows.append((f"old {purpose} key", f"{old} up to height {height}"))
            elif isinstance(value, list):
                rows.append((key, " ".join(map(str, value)) or "-"))
            else:
                rows.append((key, "-" if value is None else value))
        pairs(rows)

    show(record, as_json, render)


def _query(home: Path, method: str, args: dict[str, Any]) -> Any:
    with connect(home) as client:
        return client.call("state.query", contract="members", method=method, args=args)


@member.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@signing_options
def announce(
    addresses: tuple[str, ...],
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Say where this member's node can be dialled from now on.

    \b
    Example: muniment member announce /dns4/node.tax.example/tcp/4600 --home tax
    """
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    args = {"addresses": list(addresses)}
    state = submit(place, passphrase, "members", "announce", args, operator)
    show(where(state), as_json, lambda d: pairs(list(d.items())))


@member.command("new-keys")
@click.argument("purposes", metavar="PURPOSE...", nargs=-1, required=True, type=_PURPOSE)
@home_option
@passphrase_option
@json_option
def new_keys(
    purposes: tuple[str, ...], home: Path, passphrase_file: Path | None, as_json: bool
) -> None:
    """Make new keys for lost ones, and a new card for the others to vote on.

    The old key files stay. Others then propose: muniment gov propose rotate card=@CARD.json

    \b
    Example: muniment member new-keys member --home tax
    """
    import config
    from node.network import to_json
    from node.provision import renew_keys

    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file)
    name = config.load(place.settings).node.name
    card = renew_keys(place, name, passphrase, sorted(set(purposes)))

    def render(data: object) -> None:
        click.echo(json.dumps(data, indent=2))
        click.echo(f"\nThe new card is in {place.card}; another member proposes it:")
        click.echo(f"  muniment gov propose rotate card=@{place.card}")

    show(to_json(card.to_value()), as_json, render)


@member.command()
@click.argument("purpose", type=_PURPOSE)
@click.option("--grace", type=click.IntRange(0, 100_000), default=100, show_default=True,
              help="Heights for which the old key stays good.")  # fmt: skip
@signing_options
def rotate(
    purpose: str, grace: int, home: Path, passphrase_file: Path | None, operator: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Replace the own key for PURPOSE by a new one, while the old one is still there.

    With --as it is only prepared: a second person confirms it with `operator confirm`.

    A voting key is exchanged at the end of an epoch; start the node again before that, so that it
    knows the new one, and after a new node key. The old files stay until you remove them.
    """
    import config
    from node.provision import newest_signer, renew_keys

    place = Home(home)
    key_passphrase = passphrase_for(place, None if operator else passphrase_file)
    name = config.load(place.settings).node.name
    with connect(home) as client:
        record = client.call("state.query", contract="members", method="get", args={"name": name})
    if record is None:
        raise Refused(f"{name} is not a member yet")
    newest = newest_signer(place, purpose, key_passphrase)
    if newest.public_key.hex() == record[f"{purpose}_key"]:
        renew_keys(place, name, key_passphrase, [purpose])
        newest = newest_signer(place, purpose, key_passphrase)
    args: dict[str, Any] = {"purpose": purpose, "key": newest.public_key}
    args["proof"] = _proof(name, purpose, newest)
    if purpose != "voting":
        args["grace"] = grace
    if operator is not None:
        passphrase = passphrase_for(place, passphrase_file, operator)
        prepare_call(place, passphrase, "members", "rotate", args, operator, as_json)
        return
    state = submit(place, key_passphrase, "members", "rotate", args)
    stops_at = next(data[3] for _, event, data in state["events"] if event == "key-replaced")
    data = {
        **where(state),
        "purpose": purpose,
        "key": newest.public_key.hex(),
        "stops_at": stops_at,
    }
    show(data, as_json, lambda d: pairs(list(d.items())))


def _proof(name: str, purpose: str, signer: Any) -> bytes:
    from consensus.codec import encode
    from consensus.crypto import NO_CHAIN, Kind

    signed = encode([name, purpose, signer.public_key])
    proof: bytes = signer.sign(Kind.POSSESSION, NO_CHAIN, signed)
    return proof
