"""Commands that make proofs and check them offline."""

from __future__ import annotations

from getpass import getuser
from pathlib import Path
from typing import Any

import click

from node.cli.common import (
    connect,
    home_option,
    json_option,
    moment,
    pairs,
    passphrase_for,
    passphrase_option,
    show,
)
from node.errors import MunimentError
from node.home import Home, atomic_write

MAX_FILE_BYTES = 64 << 20


def genesis_option(function: Any) -> Any:
    """Add --genesis."""
    return click.option(
        "--genesis",
        required=True,
        type=click.Path(path_type=Path),
        help="The network's genesis file; it is all the trust that checking needs.",
    )(function)


@click.command()
@click.argument("txid")
@home_option
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@json_option
def receipt(txid: str, home: Path, output: Path, as_json: bool) -> None:
    """Save the proof that transaction TXID is final, and how it ended.

    \b
    Example: muniment receipt TXID --home tax -o permit.receipt
    """
    data = _fetch_receipt(home, txid)
    atomic_write(output, data, 0o644)
    found = {"txid": txid, "file": str(output), "bytes": len(data)}
    show(found, as_json, lambda d: pairs(list(d.items())))


def _fetch_receipt(home: Path, txid: str) -> bytes:
    with connect(home) as client:
        return bytes.fromhex(client.call("receipt.get", txid=txid)["receipt"])


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@genesis_option
@json_option
def verify(file: Path, genesis: Path, as_json: bool) -> None:
    """Check the receipt in FILE offline: no network, no node, no trust but the genesis.

    \b
    Example: muniment verify permit.receipt --genesis genesis.json
    """
    from node import receipt as receipts
    from node.network import load_genesis

    report = receipts.verify(_read(file), load_genesis(genesis).genesis)
    show(_report(report), as_json, _render_report)


def _report(report: Any) -> dict[str, Any]:
    from node.network import to_json
    from node.render import name_of, render

    return {
        "network": report.network,
        "chain_id": report.chain_id.hex(),
        "txid": report.transaction.txid.hex(),
        "sender": report.transaction.sender,
        "calls": [
            {"contract": c.contract, "method": c.method, "args": to_json(c.args)}
            for c in report.transaction.calls
        ],
        "code": report.receipt.code,
        "result": f"{name_of(report.receipt.code)}: "
        + render(report.receipt.code, report.receipt.details),
        "height": report.height,
        "timestamp": report.timestamp,
        "finalized_height": report.finalized_height,
        "signers": list(report.signers),
        "validators": report.validators,
        "epoch": report.epoch,
        "fault_model": report.fault_model,
    }


def _render_report(d: dict[str, Any]) -> None:
    calls = [f"{c['contract']}.{c['method']}" for c in d["calls"]]
    model = "fewer than a third are traitors" if d["fault_model"] == "byzantine" else "none lies"
    pairs(
        [
            ("proved", f"{d['sender']} called {', '.join(calls)}"),
            ("result", d["result"]),
            ("txid", d["txid"]),
            ("block", f"{d['height']} at {moment(d['timestamp'])}"),
            ("final since", f"block {d['finalized_height']}, epoch {d['epoch']}"),
            ("signed by", f"{', '.join(d['signers'])} ({len(d['signers'])} of {d['validators']})"),
            ("holds if", f"of the validators {model}"),
            ("network", f"{d['network']} {d['chain_id'][:16]}"),
        ]
    )


@click.command("prove-record")
@click.argument("name", metavar="DATASET")
@click.option("--row", required=True, type=click.IntRange(1), help="Data row, counted from 1.")
@click.option("--version", type=click.IntRange(1), default=1, show_default=True)
@click.option("--field", "fields", multiple=True, help="A column to disclose; may be repeated.")
@click.option("--txid", required=True, help="The transaction that registered the version.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@home_option
@passphrase_option
def prove_record(
    name: str,
    row: int,
    version: int,
    fields: tuple[str, ...],
    txid: str,
    output: Path,
    home: Path,
    passphrase_file: Path | None,
) -> None:
    """Save a proof of one record of your DATASET that discloses only the fields named.

    \b
    Example: muniment prove-record tax/permits --row 7 --field City --field State \\
             --txid TXID --home tax -o record.proof
    """
    from node.data import disclosure, vault
    from node.data.access import AccessLog
    from node.data.keyring import Keyring
    from node.keys import load_key

    place = Home(home)
    master = load_key(place.key("vault"), "vault", passphrase_for(place, passphrase_file))
    found = vault.Version(vault.folder_of(place.vault, name, version), Keyring(place.vault, master))
    shown = ", ".join(sorted(set(fields)))
    log = AccessLog(place.vault, master)
    log.note(getuser(), name, version, (row, row), f"proof of: {shown}")
    data = disclosure.prove(
        found.head, found.standard, found.record(row), fields, _fetch_receipt(home, txid)
    )
    atomic_write(output, data, 0o644)
    hidden = len(found.head.columns) - len(set(fields))
    click.echo(f"{output}: row {row} of {name}, {len(set(fields))} fields shown, {hidden} hidden")


@click.command("verify-record")
@click.argument("file", type=click.Path(path_type=Path))
@genesis_option
@json_option
def verify_record(file: Path, genesis: Path, as_json: bool) -> None:
    """Check a record's proof offline, and print the fields that it discloses."""
    from node.data import disclosure
    from node.network import load_genesis

    found = disclosure.verify(_read(file), load_genesis(genesis).genesis)
    data = {
        "dataset": found.dataset,
        "version": found.version,
        "rows": found.rows,
        "fields": dict(found.fields),
        "hidden": found.hidden,
        "registration": _report(found.report),
    }

    def render(d: dict[str, Any]) -> None:
        click.echo(f"proved: one of the {d['rows']} records of {d['dataset']} v{d['version']}")
        for name, value in d["fields"].items():
            click.echo(f"  {name} = {'(null)' if value is None else value}")
        click.echo(f"  {d['hidden']} fields are hidden")
        _render_report(d["registration"])

    show(data, as_json, render)


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise MunimentError(f"{file} is larger than {MAX_FILE_BYTES} bytes")
        return file.read_bytes()
    except OSError as error:
        raise MunimentError(f"{file} cannot be read: {error.strerror}") from error
