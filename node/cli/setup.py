"""Commands that make homes, cards and networks."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from consensus.genesis import ROLES, TIERS, Genesis, Member
from consensus.validators import FAULT_MODELS, Parameters
from node.cli.common import home_option, json_option, pairs, passphrase_for, passphrase_option, show
from node.errors import MunimentError
from node.home import Home
from node.network import (
    NetworkFileError,
    SignedGenesis,
    load_card,
    load_genesis,
    save_genesis,
    to_json,
)


@click.command()
@click.argument("path", metavar="HOME", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="The member's name: lower case, digits, hyphens.")
@click.option(
    "--listen",
    multiple=True,
    default=("/ip4/0.0.0.0/tcp/4600",),
    show_default=True,
    help="Address to listen on.",
)
@click.option("--announce", multiple=True, help="Address for the card, for others to dial.")
@passphrase_option
@json_option
def init(
    path: Path,
    name: str,
    listen: tuple[str, ...],
    announce: tuple[str, ...],
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make HOME with new keys, and print the public member card.

    \b
    Example: muniment init /var/lib/muniment --name tax --announce /dns4/node.tax.example/tcp/4600
    """
    from node.keys import read_passphrase
    from node.provision import make_home

    passphrase = read_passphrase(passphrase_file, confirm=True)
    home, made, _ = make_home(path, name, passphrase, listen, announce)

    def render(data: object) -> None:
        click.echo(json.dumps(data, indent=2))
        click.echo(f"\nThe card is in {home.card}; send it to whoever assembles the genesis.")

    show(to_json(made.to_value()), as_json, render)


@click.command()
@home_option
def card(home: Path) -> None:
    """Print a home's public member card."""
    found = load_card(Home(home).card)
    click.echo(json.dumps(to_json(found.to_value()), indent=2))


@click.group()
def network() -> None:
    """Assemble and sign a genesis, or make a trial network."""


@network.command()
@click.argument(
    "cards", metavar="CARD...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@click.option("--network", "name", default="alliance", show_default=True, help="Network name.")
@click.option("--tier", multiple=True, metavar="NAME=TIER", help=f"One of {', '.join(TIERS)}.")
@click.option("--parent", multiple=True, metavar="NAME=PARENT", help="The member above NAME.")
@click.option("--roles", multiple=True, metavar="NAME=ROLE,...", help=f"Of {', '.join(ROLES)}.")
@click.option("--jurisdiction", multiple=True, metavar="NAME=CODE", help="For example tax=cn-31.")
@click.option("--storage", multiple=True, metavar="NAME=CODE", help="Where NAME keeps its data.")
@click.option("--fault-model", type=click.Choice(FAULT_MODELS), default="byzantine")
@click.option(
    "--retention",
    type=click.IntRange(0),
    default=0,
    help="Heights whose blocks every node keeps; 0 (the default) keeps all.",
)
def assemble(
    cards: tuple[Path, ...],
    output: Path,
    name: str,
    tier: tuple[str, ...],
    parent: tuple[str, ...],
    roles: tuple[str, ...],
    jurisdiction: tuple[str, ...],
    storage: tuple[str, ...],
    fault_model: str,
    retention: int,
) -> None:
    """Make a genesis from members' cards, to be signed by each of them.

    \b
    Example: muniment network assemble tax.json health.json --tier tax=central -o genesis.json
    """
    found = {c.name: c for c in map(load_card, cards)}
    tiers, parents, duties = (_assignments(o, found) for o in (tier, parent, roles))
    places, sites = (_assignments(o, found) for o in (jurisdiction, storage))
    members = [
        Member(
            its_card,
            tiers.get(member, "local"),
            parents.get(member),
            tuple(sorted(duties.get(member, "validator").split(","))),
            places.get(member),
            sites.get(member),
        )
        for member, its_card in sorted(found.items())
    ]
    parameters = Parameters(fault_model=fault_model, retention=retention)
    genesis = Genesis(name, time.time_ns() // 1_000_000, tuple(members), parameters)
    try:
        Genesis.from_value(genesis.to_value())
    except ValueError as error:
        raise NetworkFileError(f"these cards make no valid genesis: {error}") from error
    save_genesis(output, SignedGenesis(genesis, {}))
    click.echo(f"{output}: {len(members)} members, chain id {genesis.chain_id.hex()}")
    click.echo("Each member checks and signs it: muniment network sign GENESIS --home HOME")


def _assignments(texts: tuple[str, ...], known: object) -> dict[str, str]:
    found = {}
    for text in texts:
        member, sign, value = text.partition("=")
        if not sign or not isinstance(known, dict) or member not in known:
            raise click.UsageError(f"{text!r}: write NAME=VALUE with the name of a card's member")
        found[member] = value
    return found


@network.command()
@click.argument(
    "cards", metavar="CARD...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@home_option
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def restart(cards: tuple[Path, ...], home: Path, output: Path) -> None:
    """Make a genesis that goes on where the chain in a stopped node's home ended.

    For networks that have lost so many validators for good that nothing can become final. The
    members whose cards are given sign it and adopt it, and then start their nodes.

    \b
    Example: muniment network restart tax.json land.json --home tax -o restart.json
    """
    from node.restart import propose

    genesis = propose(Home(home), [load_card(card) for card in cards])
    save_genesis(output, SignedGenesis(genesis, {}))
    height = genesis.block.header.height
    click.echo(f"{output}: goes on after height {height}, chain id {genesis.chain_id.hex()}")
    click.echo("Each of its members checks and signs it: muniment network sign, and then")
    click.echo(f"puts it in force in its own home: muniment network adopt {output} --home HOME")


@network.command()
@click.argument("path", metavar="GENESIS", type=click.Path(path_type=Path))
@home_option
def adopt(path: Path, home: Path) -> None:
    """Put a restart's genesis, signed by all, in force in the home of a stopped node.

    The old chain's database, journal and genesis are kept in the home beside the new ones.

    \b
    Example: muniment network adopt restart.json --home tax
    """
    from node.restart import adopt as adopt_restart

    signed = load_genesis(path)
    adopt_restart(Home(home), signed)
    click.echo(f"{home} goes on after height {signed.genesis.block.header.height}; start the node")


@network.command()
@click.argument("path", metavar="GENESIS", type=click.Path(path_type=Path))
@home_option
@passphrase_option
def sign(path: Path, home: Path, passphrase_file: Path | None) -> None:
    """Sign GENESIS with this home's member key, in place.

    Signatures of different members may be added one after the other, or in copies that are
    merged by signing in turn. The node starts once all members have signed.
    """
    from consensus.crypto import Signer
    from node.keys import load_key

    place = Home(home)
    signed = load_genesis(path)
    name = load_card(place.card).name
    member = next((m for m in signed.genesis.members if m.name == name), None)
    passphrase = passphrase_for(place, passphrase_file)
    signer = Signer(load_key(place.key("member"), "member", passphrase))
    if member is None or member.card.member_key != signer.public_key:
        raise MunimentError(f"{path} has no member {name} with the keys of {home}")
    signatures = {**signed.signatures, name: signed.genesis.sign(signer)}
    complete = SignedGenesis(signed.genesis, signatures)
    save_genesis(path, complete)
    missing = complete.unsigned
    click.echo(
        f"signed by {name}; " + (f"missing: {', '.join(missing)}" if missing else "complete")
    )


@network.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--members", default="tax,health,civil,land", show_default=True)
@json_option
def new(folder: Path, members: str, as_json: bool) -> None:
    """Make a trial network in DIR: homes, keys, and a genesis signed by all.

    Passphrases are kept beside the keys, so use it for trials only.
    """
    from node.provision import make_network

    names = [name.strip() for name in members.split(",")]
    signed = make_network(folder, names, Parameters())
    data = {"chain_id": signed.genesis.chain_id.hex(), "members": names, "folder": str(folder)}
    show(data, as_json, lambda d: pairs(list(d.items())))
    if not as_json:
        click.echo(f"Start a node with: muniment start --home {folder / names[0]}")
