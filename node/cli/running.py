"""Commands that run a node and show what it sees."""

from __future__ import annotations

import json
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
from node.home import Home
from node.standstill import sentence


@click.command()
@home_option
@passphrase_option
def start(home: Path, passphrase_file: Path | None) -> None:
    """Run the node of a home in the foreground; SIGTERM or Ctrl-C stops it cleanly."""
    place = Home(home)
    place.require()
    passphrase = passphrase_for(place, passphrase_file)
    from node import daemon

    daemon.run(home, passphrase)


@click.command()
@home_option
@json_option
def status(home: Path, as_json: bool) -> None:
    """Show how the node is doing."""
    with connect(home) as client:
        data = client.call("status")

    def render(d: dict[str, Any]) -> None:
        pairs(
            [
                ("node", f"{d['name']} ({d['role']}, pid {d['pid']})"),
                ("network", f"{d['network']} {d['chain_id'][:16]}"),
                ("state", d["state"]),
                ("height", f"{d['height']} (final {d['age_ms'] / 1000:.1f} s ago)"),
                ("epoch, view", f"{d['epoch']}, {d['view']} led by {d['leader']}"),
                ("skipped views", d["nullified_in_row"]),
                ("state root", d["state_root"][:32]),
                ("peers", f"{d['peers']} of {d['members'] - 1}"),
                ("waiting", f"{d['mempool']['count']} transactions"),
                ("keeps", _kept(d["kept"])),
                ("evidence", f"{d['evidence']} contradictions" if d["evidence"] else "none"),
                ("listening", " ".join(d["listening"])),
            ]
        )
        planned = d["planned_version"]
        if planned is not None:
            has = "executes it" if planned in d["versions"] else "does not: install a newer one"
            click.echo(f"Protocol version {planned} is decided; this release {has}.")
        if d["missing_envelopes"]:
            click.echo(f"{d['missing_envelopes']} envelopes to this member have not arrived yet.")
        still = sentence(d)
        if still is not None:
            click.echo(still)
        elif d["state"] == "no quorum":
            click.echo("Too few validators are connected; nothing becomes final until some return.")
        if d["state"] == "no source":
            click.echo(
                "No connected peer keeps the next block any more: let an archive start, or join by "
                "a snapshot (storage.archive = false in the settings)."
            )
        if d["clock_off_ms"]:
            seconds, way = (
                abs(d["clock_off_ms"]) / 1_000,
                "fast" if d["clock_off_ms"] > 0 else "slow",
            )
            click.echo(
                f"This machine's clock is {seconds:.0f} s {way} against the network: set it right "
                "(timedatectl set-ntp true). Until then this node's blocks are refused."
            )
        if d["state_sync"]:
            sync = d["state_sync"]
            click.echo(f"Fetching a snapshot: {sync['phase']}, {sync['cells']} of {sync['of']}.")

    show(data, as_json, render)


def _kept(kept: dict[str, Any]) -> str:
    parts = [f"blocks from {kept['blocks_from']}"]
    if kept["results_from"] > kept["blocks_from"]:
        parts.append(f"results from {kept['results_from']}")
    if kept["snapshot"]:
        parts.append(f"a snapshot of {kept['snapshot']}")
    if kept["archive"]:
        parts.append("as an archive")
    elif kept["retention"]:
        parts.append(f"for {kept['retention']} heights")
    return ", ".join(parts)


@click.command()
@home_option
@json_option
def evidence(home: Path, as_json: bool) -> None:
    """Show validators that were seen to contradict themselves, with both signed votes.

    \b
    Example: muniment evidence --home tax --json
    """
    with connect(home) as client:
        data = client.call("evidence.list")

    def render(rows: list[dict[str, Any]]) -> None:
        if not rows:
            click.echo("No validator was seen to contradict itself.")
            return
        table(
            ("validator", "epoch", "view", "votes", "verified"),
            [
                (
                    row["validator"],
                    row["epoch"],
                    row["view"],
                    " beside ".join(vote["kind"] for vote in row["votes"]),
                    "yes" if row["verified"] else "no",
                )
                for row in rows
            ],
        )

    show(data, as_json, render)


@click.command()
@home_option
@json_option
def peers(home: Path, as_json: bool) -> None:
    """Show the other members' nodes."""
    with connect(home) as client:
        data = client.call("peers")
    titles = ("name", "state", "height", "sent", "received", "last fault")
    show(
        data,
        as_json,
        lambda rows: table(
            titles,
            [
                (
                    row["name"],
                    "up" if row["connected"] else "down",
                    "-" if row["height"] is None else row["height"],
                    _size(row["sent_bytes"]),
                    _size(row["received_bytes"]),
                    row["last_fault"],
                )
                for row in rows
            ],
        ),
    )


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("the last unit always fits")


@click.command()
@click.argument("height", default="latest")
@home_option
@json_option
def block(height: str, home: Path, as_json: bool) -> None:
    """Show the block at HEIGHT, or the latest."""
    if height != "latest" and not height.isdecimal():
        raise click.UsageError("HEIGHT must be a whole number or 'latest'")
    with connect(home) as client:
        data = client.call("block.get", height=height if height == "latest" else int(height))

    def render(d: dict[str, Any]) -> None:
        signers = d["certificate"]["signers"] if d["certificate"] else []
        pairs(
            [
                ("height", d["height"]),
                ("digest", d["digest"]),
                ("time", moment(d["timestamp"])),
                ("proposer", d["proposer"] or "genesis"),
                ("epoch", d["epoch"]),
                ("finalized by", ", ".join(signers) or "a descendant"),
                ("transactions", f"{len(d['transactions'])} ({_size(d['size'])})"),
            ]
        )
        if d["transactions"]:
            table(
                ("txid", "sender", "calls", "code"),
                [(t["txid"][:24], t["sender"], " ".join(t["calls"]), t["code"])
                 for t in d["transactions"][:50]],
            )  # fmt: skip

    show(data, as_json, render)


@click.command()
@click.argument("txid")
@home_option
@json_option
def tx(txid: str, home: Path, as_json: bool) -> None:
    """Show what became of the transaction TXID."""
    with connect(home) as client:
        data = client.call("tx.get", txid=txid)

    def render(d: dict[str, Any]) -> None:
        rows: list[tuple[str, object]] = [("txid", d["txid"]), ("state", d["state"])]
        if d["state"] == "final":
            rows += [
                ("block", f"{d['height']}, place {d['index']}"),
                ("time", moment(d["block_time"])),
                ("result", f"{d['code_name']}: {d['sentence']}" if "code" in d else d["reason"]),
                ("sender", d["sender"]),
                ("calls", " ".join(d["calls"])),
            ]
        elif "reason" in d:
            rows.append(("reason", d["reason"]))
        pairs(rows)

    show(data, as_json, render)


@click.command()
@click.argument(
    "topics",
    nargs=-1,
    type=click.Choice(("blocks", "transactions", "events", "alerts")),
    metavar="[TOPIC]...",
)
@home_option
@json_option
def watch(topics: tuple[str, ...], home: Path, as_json: bool) -> None:
    """Follow blocks, transactions, events or alerts live (blocks if none is named); Ctrl-C ends."""
    with connect(home) as client:
        wanted = {"events" if topic == "alerts" else topic for topic in topics}
        for topic, data in client.subscribe(sorted(wanted) or ("blocks",)):
            is_alert = topic == "events" and data["contract"] == "alerts"
            if topic == "events" and not is_alert and "events" not in topics:
                continue
            if as_json:
                click.echo(json.dumps({"topic": topic, **data}))
            elif topic == "blocks":
                click.echo(
                    f"{moment(data['timestamp'])}  block {data['height']:>8}  "
                    f"{data['transactions']:>5} tx  by {data['proposer']}  {data['digest'][:16]}"
                )
            elif topic == "transactions":
                click.echo(
                    f"block {data['height']:>8}  {data['txid'][:24]}  {data['sender']}  "
                    f"code {data['code']}"
                )
            elif is_alert:
                number, detector, member, subject, severity, disposition = data["data"]
                click.echo(
                    f"block {data['height']:>8}  alert {number} {disposition or data['name']}  "
                    f"severity {severity}  {detector}  {member}  {subject or ''}".rstrip()
                )
            else:
                what = f"{data['contract']}.{data['name']}"
                click.echo(f"block {data['height']:>8}  {what}  {json.dumps(data['data'])}")


@click.command()
@click.option("--before", type=click.IntRange(1), help="Only changes below this height.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True)
@home_option
@json_option
def log(before: int | None, limit: int, home: Path, as_json: bool) -> None:
    """Show what has changed in rules, members, operators and contracts, the latest first."""
    params = {"limit": limit} | ({} if before is None else {"before": before})
    with connect(home) as client:
        rows = client.call("log.get", **params)

    def render(found: list[dict[str, Any]]) -> None:
        for row in found:
            by, what = row["sender"] or "the ledger", f"{row['contract']}.{row['name']}"
            line = f"{row['height']:>8}  {moment(row['time'])[:19]}  {by:<14}  {what}"
            click.echo(f"{line}  {_brief(row['data'])}")

    show(rows, as_json, render)


def _brief(data: Any) -> str:
    """Event data on a line; keys and digests are cut."""
    match data:
        case str():
            return data if len(data) <= 40 else data[:16] + "..."
        case list():
            return " ".join(map(_brief, data))
        case dict():
            return " ".join(f"{name}={_brief(value)}" for name, value in data.items())
        case _:
            return str(data)
