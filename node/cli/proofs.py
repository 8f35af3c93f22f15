"""Commands that make proofs and check them offline."""

from __future__ import annotations

import json
import sys
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
    table,
)
from node.cli.person import person, person_options
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
@click.option(
    "--from", "first", type=click.IntRange(1), help="First height [default: lowest kept]."
)
@click.option("--until", "last", type=click.IntRange(1), help="Last height, else the latest.")
@click.option("--sender", help="Only transactions of this member.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="A folder.")
@home_option
@json_option
def receipts(
    first: int | None,
    last: int | None,
    sender: str | None,
    output: Path,
    home: Path,
    as_json: bool,
) -> None:
    """Save the receipt of every transaction in a range of blocks, each as TXID.receipt.

    Receipts outlive the blocks: save those you need before the network's retention passes.

    \b
    Example: muniment receipts --until 5000 --sender tax --home tax -o receipts/
    """
    saved = 0
    with connect(home) as client:
        status = client.call("status")
        low, high = first or status["kept"]["results_from"], last or status["height"] - 1
        heights = range(low, high + 1)
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MunimentError(f"{output} cannot be made: {error.strerror}") from error
        with click.progressbar(heights, label="blocks", file=sys.stderr) as bar:
            for height in bar:
                for row in client.call("block.get", height=height)["transactions"]:
                    if sender is None or row["sender"] == sender:
                        data = bytes.fromhex(
                            client.call("receipt.get", txid=row["txid"])["receipt"]
                        )
                        atomic_write(output / f"{row['txid']}.receipt", data, 0o644)
                        saved += 1
    found = {"folder": str(output), "from": low, "until": high, "receipts": saved}
    show(found, as_json, lambda d: pairs(list(d.items())))


@click.command("prove-state")
@click.argument("key")
@click.option("--hex", "is_hex", is_flag=True, help="KEY is hexadecimal instead of text.")
@home_option
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@json_option
def prove_state(key: str, is_hex: bool, home: Path, output: Path, as_json: bool) -> None:
    """Save a proof of what the ledger's state holds, or does not hold, at KEY.

    A key is a contract's name, a slash, and the contract's own key.

    \b
    Example: muniment prove-state members/member/tax --home tax -o tax.state
    """
    try:
        raw = bytes.fromhex(key) if is_hex else key.encode()
    except ValueError:
        raise click.UsageError("KEY is not hexadecimal") from None
    with connect(home) as client:
        answer = client.call("state.prove", key=raw.hex())
    data = bytes.fromhex(answer.pop("proof"))
    atomic_write(output, data, 0o644)
    found = {"key": key, **answer, "file": str(output), "bytes": len(data)}
    show(found, as_json, lambda d: pairs(list(d.items())))


@click.command("verify-state")
@click.argument("file", type=click.Path(path_type=Path))
@genesis_option
@json_option
def verify_state(file: Path, genesis: Path, as_json: bool) -> None:
    """Check the state proof in FILE offline, and print what it proves.

    \b
    Example: muniment verify-state tax.state --genesis genesis.json
    """
    from consensus.codec import DecodeError, decode
    from node import state_proof
    from node.network import load_genesis, to_json

    report = state_proof.verify(_read(file), load_genesis(genesis).genesis)
    try:
        value = None if report.value is None else to_json(decode(report.value))
    except DecodeError:
        value = report.value.hex() if report.value else ""
    data = {
        "key": report.key.decode("ascii", "backslashreplace"),
        "exists": report.value is not None,
        "value": value,
        "height": report.height,
        "timestamp": report.timestamp,
        "finalized_height": report.finalized_height,
        "signers": list(report.signers),
        "validators": report.validators,
        "epoch": report.epoch,
        "fault_model": report.fault_model,
        "network": report.network,
        "chain_id": report.chain_id.hex(),
    }

    def render(d: dict[str, Any]) -> None:
        shown = json.dumps(d["value"], ensure_ascii=False) if d["exists"] else "nothing"
        rows: list[tuple[str, object]] = [
            ("proved", f"{d['key']} holds {shown}"),
            ("after", f"block {d['height']}"),
        ]
        pairs(rows + _finality_rows(d))

    show(data, as_json, render)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--data", "data_file", type=click.Path(path_type=Path),
              help="Of open data: the file to check, else the one beside.")  # fmt: skip
@genesis_option
@json_option
def verify(file: Path, data_file: Path | None, genesis: Path, as_json: bool) -> None:
    """Check a receipt, evidence of a delivery, a case, an export, or open data, with GENESIS alone.

    \b
    muniment verify permit.receipt --genesis genesis.json
    muniment verify tax.permits-1.csv.proof --genesis genesis.json   # checks tax.permits-1.csv
    """
    from node import receipt as receipts
    from node.exchange import evidence
    from node.network import load_genesis
    from node.publish import proof
    from node.trace import case_file, export

    trusted = load_genesis(genesis).genesis
    if proof.is_one(file):
        place = data_file or proof.data_file_of(file)
        checked = proof.verify(file, place, trusted)
        show(proof.explain(checked), as_json, lambda d: _render_open(place, d))
        return
    data = _read(file)
    if case_file.is_one(data):
        show(case_file.explain(case_file.verify(data, trusted)), as_json, _render_case)
        return
    if export.is_one(data):
        show(export.explain(export.verify(data, trusted)), as_json, _render_export)
        return
    if evidence.is_one(data):
        found = evidence.explain(evidence.verify(data, trusted))
        show(found, as_json, lambda d: pairs(list(d.items())))
        return
    show(_report(receipts.verify(data, trusted)), as_json, _render_report)


def _render_open(place: Path, d: dict[str, Any]) -> None:
    gone = f", {d['erased']} more were erased" if d["erased"] else ""
    pairs(
        [
            ("proved", f"{place} holds the {d['records']} records of {d['dataset']}{gone}"),
            ("version", f"{d['version']}, {d['title']}"),
            ("registered by", d["owner"]),
            ("as of", f"block {d['height']} at {moment(d['timestamp'])}"),
            *_finality_rows(d),
        ]
    )


def _render_case(d: dict[str, Any]) -> None:
    pairs([(name, value) for name, value in d.items() if isinstance(value, str | int)])
    for title, rows in (("violations", d["violations"]), ("history", d["history"])):
        if rows:
            names = [name for name in rows[0] if name != "txid"]
            click.echo(f"\n{title}, all proved:")
            table(names, [[_case_cell(name, row[name]) for name in names] for row in rows])


def _render_export(d: dict[str, Any]) -> None:
    facts = [(name, value) for name, value in d.items() if not isinstance(value, list)]
    pairs([(name, moment(value) if name == "signed at" else value) for name, value in facts])
    click.echo("\nreceipts, each proved:")
    names = ("block", "time", "by", "what", "result")
    table(names, [[_case_cell(name, row[name]) for name in names] for row in d["history"]])


def _case_cell(name: str, value: Any) -> object:
    if name == "time":
        return moment(value)[:19]
    if isinstance(value, list):
        return " ".join("" if v is None else str(v)[:40] for v in value)
    return "" if value is None else value


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
    pairs(
        [
            ("proved", f"{d['sender']} called {', '.join(calls)}"),
            ("result", d["result"]),
            ("txid", d["txid"]),
            ("block", f"{d['height']} at {moment(d['timestamp'])}"),
            *_finality_rows(d),
        ]
    )


def _finality_rows(d: dict[str, Any]) -> list[tuple[str, object]]:
    model = "fewer than a third are traitors" if d["fault_model"] == "byzantine" else "none lies"
    return [
        ("final since", f"block {d['finalized_height']}, epoch {d['epoch']}"),
        ("signed by", f"{', '.join(d['signers'])} ({len(d['signers'])} of {d['validators']})"),
        ("holds if", f"of the validators {model}"),
        ("network", f"{d['network']} {d['chain_id'][:16]}"),
    ]


@click.command("prove-record")
@click.argument("name", metavar="DATASET")
@click.option("--row", required=True, type=click.IntRange(1), help="Data row, counted from 1.")
@click.option("--version", type=click.IntRange(1), default=1, show_default=True)
@click.option("--field", "fields", multiple=True, help="A column to disclose; may be repeated.")
@click.option("--txid", required=True, help="The transaction that registered the version.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@home_option
@passphrase_option
@person_options
def prove_record(
    name: str,
    row: int,
    version: int,
    fields: tuple[str, ...],
    txid: str,
    output: Path,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    operator_file: Path | None,
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
    log.note(person(home, operator, operator_file), name, version, (row, row), f"proof of: {shown}")
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
