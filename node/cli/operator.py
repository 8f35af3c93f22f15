"""Commands about operators: who acts for a member, with which duties; and second persons."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from contracts.api import DUTIES
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
    prepare_call,
    show,
    signing_options,
    submit,
    table,
    where,
)
from node.cli.spans import DAY
from node.errors import MunimentError
from node.home import Home, atomic_write

_name = click.argument("name")


@click.group()
def operator() -> None:
    """Persons and services that act for a member: their keys, duties, and requests.

    \b
    Example:
      muniment operator new li --home tax
      muniment operator grant tax/operators/li.json --duty steward --trained-until 2027-06-30
        --confidential-until 2027-06-30 --home tax
      muniment standard publish permit.json --home tax
    """


@operator.command()
@_name
@home_option
@passphrase_option
@json_option
def new(name: str, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Make a key for the operator NAME, under the operator's own passphrase.

    Prints what the member's admin needs to grant duties; the key stays in HOME/operators.
    """
    import config
    from consensus.codec import DecodeError
    from consensus.crypto import NO_CHAIN, Kind, Signer
    from contracts.system.operators import check_name, signed_possession
    from node.keys import SALT_BYTES, create_key, next_path, read_passphrase

    place = Home(home)
    place.require()
    try:
        check_name(name, "NAME")
    except DecodeError as error:
        raise click.UsageError(str(error)) from error
    passphrase = read_passphrase(passphrase_file, confirm=True)
    folder = place.operators / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "operator.key"
    if path.exists():
        path = next_path(folder, "operator")
    secret = os.urandom(32)
    create_key(path, "operator", passphrase, secret, os.urandom(SALT_BYTES))
    signer = Signer(secret)
    signed = signed_possession(config.load(place.settings).node.name, name, signer.public_key)
    data = {
        "operator": name,
        "key": signer.public_key.hex(),
        "proof": signer.sign(Kind.POSSESSION, NO_CHAIN, signed).hex(),
    }
    file = place.operators / f"{name}.json"
    atomic_write(file, (json.dumps(data, indent=2) + "\n").encode(), 0o644)
    show(data, as_json, lambda d: pairs([*d.items(), ("file", file)]))


def _load(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
        return {
            "operator": str(found["operator"]),
            "key": bytes.fromhex(found["key"]),
            "proof": bytes.fromhex(found["proof"]),
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MunimentError(f"{file} is not what muniment operator new wrote: {error}") from error


_trained = click.option(
    "--trained-until", type=DAY, default=0, help="Training holds to this day (UTC)."
)
_confidential = click.option(
    "--confidential-until", type=DAY, default=0, help="The term of confidentiality ends then (UTC)."
)


@operator.command()
@click.argument("file", metavar="FILE.json", type=click.Path(path_type=Path))
@click.option("--duty", "duties", multiple=True, required=True, type=click.Choice(DUTIES))
@_trained
@_confidential
@signing_options
def grant(
    file: Path, duties: tuple[str, ...], trained_until: int, confidential_until: int,
    home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Give an operator duties; FILE.json is what `operator new` wrote.

    With --as an admin only prepares it: another admin or approver confirms.
    """
    args = {
        **_load(file),
        "duties": list(duties),
        "trained_until": trained_until,
        "confidential_until": confidential_until,
    }
    _send(home, passphrase_file, operator, "grant", args, as_json, prepared=operator is not None)


@operator.command()
@_name
@signing_options
def revoke(
    name: str, home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool
) -> None:
    """Take the duties of the operator NAME, at once."""
    _send(home, passphrase_file, operator, "revoke", {"operator": name}, as_json)


@operator.command()
@_name
@_trained
@_confidential
@signing_options
def train(
    name: str, trained_until: int, confidential_until: int, home: Path,
    passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Record until when the operator NAME is trained and bound to confidentiality."""
    args = {
        "operator": name,
        "trained_until": trained_until,
        "confidential_until": confidential_until,
    }
    _send(home, passphrase_file, operator, "train", args, as_json)


@operator.command()
@click.argument("contract")
@click.argument("method")
@click.argument("arguments", metavar="[ARG=VALUE]...", nargs=-1)
@signing_options
def prepare(
    contract: str, method: str, arguments: tuple[str, ...], home: Path,
    passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Ask for a call of CONTRACT.METHOD that another person of this member is to confirm."""
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    prepare_call(place, passphrase, contract, method, parse_arguments(arguments), operator, as_json)


@operator.command()
@click.argument("request", metavar="ID", type=click.IntRange(1))
@signing_options
def confirm(
    request: int, home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool
) -> None:
    """Confirm, as a second person, the request ID; it is carried out at once."""
    _send(home, passphrase_file, operator, "confirm", {"request": request}, as_json)


@operator.command()
@click.argument("request", metavar="ID", type=click.IntRange(1))
@signing_options
def drop(
    request: int, home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool
) -> None:
    """Take away the request ID."""
    _send(home, passphrase_file, operator, "drop", {"request": request}, as_json)


def _send(
    home: Path, passphrase_file: Path | None, operator: str | None, method: str,
    args: dict[str, Any], as_json: bool, *, prepared: bool = False,
) -> None:  # fmt: skip
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    if prepared:
        prepare_call(place, passphrase, "operators", method, args, operator, as_json)
        return
    state = submit(place, passphrase, "operators", method, args, operator)
    show(where(state), as_json, lambda d: pairs(list(d.items())))


@operator.command("list")
@click.argument("member", required=False)
@home_option
@json_option
def list_operators(member: str | None, home: Path, as_json: bool) -> None:
    """List the operators of MEMBER, or of this one."""
    rows = _query(home, "list", member)
    titles = ("operator", "duties", "status", "trained until", "confidential until")
    cells = [
        (
            row["name"],
            " ".join(row["duties"]) or "-",
            row["status"],
            *(moment(row[term])[:10] if row[term] else "-"
              for term in ("trained_until", "confidential_until")),
        )
        for row in rows
    ]  # fmt: skip
    show(rows, as_json, lambda _: table(titles, cells))


@operator.command()
@click.argument("member", required=False)
@home_option
@json_option
def requests(member: str | None, home: Path, as_json: bool) -> None:
    """List what waits for a second person of MEMBER, or of this one."""
    rows = _query(home, "requests", member)
    cells = [
        (row["id"], row["by"] or "the member", f"{row['contract']}.{row['method']}",
         moment(row["until"]))
        for row in rows
    ]  # fmt: skip
    show(rows, as_json, lambda _: table(("id", "by", "call", "until"), cells))


def _query(home: Path, method: str, member: str | None) -> Any:
    with connect(home) as client:
        name = member or client.call("status")["name"]
        if (
            client.call("state.query", contract="members", method="get", args={"name": name})
            is None
        ):
            raise Refused(f"there is no member {name}; list them with: muniment member list")
        return client.call(
            "state.query", contract="operators", method=method, args={"member": name}
        )
