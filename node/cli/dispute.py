"""Commands for disputes about deliveries: open one with evidence, look into it, settle it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contracts.system.deliveries import OUTCOMES
from node.cli.common import (
    Refused,
    ask,
    home_option,
    json_option,
    moment,
    own_name,
    pairs,
    passphrase_for,
    passphrase_option,
    show,
    signing_options,
    submit,
    table,
    where,
)
from node.cli.person import person_options
from node.cli.requests_shown import query_of
from node.home import Home

if TYPE_CHECKING:
    from node.envelopes.content import Content
    from node.exchange.piece import Piece

_DELIVERY = click.argument("delivery", type=click.IntRange(1))


@click.group()
def dispute() -> None:
    """Disputes about what was delivered: a recipient shows, a supervisor settles.

    The evidence is the signed chunk itself, sealed to supervisors; others see that there is a
    dispute, and how it ends.

    \b
    muniment dispute open 5 --home civil
    muniment dispute show 5 --home tax
    muniment dispute settle 5 for-recipient --rows 0 --home tax
    """


@dispute.command("open")
@_DELIVERY
@click.option("--row", type=click.IntRange(1), help="A row that is wrong, of those that came.")
@click.option("--text", default="", help="What is wrong with it; sealed too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
@passphrase_option
@person_options
@json_option
def open_dispute(
    delivery: int, row: int | None, text: str, yes: bool, home: Path, passphrase_file: Path | None,
    operator: str | None, operator_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Contest DELIVERY with the chunk that fetch refused, or the one that a row came with.

    What a supervisor will find in it is shown first.

    \b
    Example: muniment dispute open 5 --home civil
    """
    from consensus.crypto import sha256
    from node.cli.collect import unlocked
    from node.cli.sealing import seal_to, submit_sealed
    from node.exchange import dispute as disputes
    from node.exchange import disputing
    from node.exchange.fetch import Fetcher
    from node.exchange.piece import to_parts
    from node.keys import read_passphrase

    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file)
    signs = passphrase if operator is None else read_passphrase(operator_file)
    chain, master = unlocked(home, passphrase)
    found = _find(home, delivery)
    with Fetcher(place, chain, master).locked(found["grant"]):
        copy = disputing.copy_of(place, master, found)
        piece = disputes.gather(copy, row or 0, text)
        terms = disputes.Terms.load(chain.chain_id, chain.query, delivery)
        findings = disputes.examine(piece, terms)
        click.echo("\n".join(each.says for each in findings), err=True)
        if not any(each.is_fault for each in findings) and not (row and text):
            raise Refused("this proves nothing against it; say with --row and --text what is wrong")
        if not yes:
            click.confirm(f"Dispute delivery {delivery}?", abort=True, err=True)
        data = piece.encode()
        judges = disputing.judges(chain.query, found)
        sealed = [seal_to(place, part, judges) for part in to_parts(delivery, data)]
        envelopes = [envelope for envelope, _ in sealed]
        args = {
            "delivery": delivery, "header": piece.signed.header,
            "signature": piece.signed.signature, "commitment": sha256(data),
            "envelopes": envelopes,
        }  # fmt: skip
        calls = [*(anchor for _, anchor in sealed), ("deliveries", "dispute", args)]
        state = submit_sealed(place, signs, envelopes, calls, operator)
        if not copy.order.closed:
            copy.note(closed="disputed")
    shown = {"delivery": delivery, "sealed to": ", ".join(judges), **where(state)}
    show(shown, as_json, lambda d: pairs(list(d.items())))


def _find(home: Path, delivery: int) -> dict[str, Any]:
    found = ask(home, "deliveries", "get", {"delivery": delivery})
    if found is None:
        raise Refused(f"there is no delivery {delivery}")
    return dict(found)


@dispute.command("list")
@click.option("--open", "only_open", is_flag=True, help="Only those that are not settled.")
@home_option
@json_option
def list_disputes(only_open: bool, home: Path, as_json: bool) -> None:
    """List disputed deliveries."""
    found: list[dict[str, Any]] = []
    while rows := ask(home, "deliveries", "disputes",
                      {"after": found[-1]["id"] if found else 0}):  # fmt: skip
        found += rows
    chosen = [row for row in found if not only_open or row["dispute"]["outcome"] is None]
    cells = [
        (d["id"], d["grant"], d["dataset"], d["server"], d["recipient"], d["dispute"]["by"],
         moment(d["dispute"]["time"])[:16], d["dispute"]["outcome"] or "waits")
        for d in chosen
    ]  # fmt: skip
    titles = ("delivery", "grant", "dataset", "server", "recipient", "disputed by", "since",
              "settled")  # fmt: skip
    show(chosen, as_json, lambda _: table(titles, cells))


@dispute.command("show")
@_DELIVERY
@home_option
@passphrase_option
@json_option
def show_dispute(delivery: int, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Show the dispute about DELIVERY; to who may open the evidence, what it proves.

    \b
    Example: muniment dispute show 5 --home tax
    """
    found = _find(home, delivery)
    about = found["dispute"]
    if about is None:
        raise Refused(f"delivery {delivery} is not disputed; see: muniment dispute list")
    place = Home(home)
    data: dict[str, Any] = {
        "delivery": f"{delivery} of {found['dataset']} version {found['version']} "
                    f"under grant {found['grant']}",
        "server": found["server"], "recipient": found["recipient"],
        "disputed": f"by {about['by']}, {moment(about['time'])}",
        "settled": f"{about['outcome']} by {about['supervisor']}, {found['used']} rows count"
                   if about["outcome"] else "no",
    }  # fmt: skip
    opened = _evidence(place, about, passphrase_file)
    if opened is None:
        data["evidence"] = f"{len(about['envelopes'])} envelopes, not sealed to {own_name(place)}"
    else:
        data |= _explain(home, delivery, opened)
    if about["outcome"] is None and "after" in data:
        data["then"] = f"muniment dispute settle {delivery} OUTCOME --rows N"
    show(data, as_json, _render)


def _evidence(home: Home, about: dict[str, Any], passphrase_file: Path | None) -> Piece | None:
    """Open the evidence of a dispute; None if it is not for this member."""
    from node.cli.sealing import opener
    from node.exchange.disputing import evidence_of

    def unseal(envelope: bytes) -> Content:
        return opener(home, passphrase_for(home, passphrase_file))(envelope)

    return evidence_of(query_of(home.path), own_name(home), unseal, about)


def _explain(home: Path, delivery: int, piece: Piece) -> dict[str, Any]:
    from node.exchange.disputing import explain
    from node.network import load_genesis

    chain_id = load_genesis(Home(home).genesis).genesis.chain_id
    return explain(chain_id, query_of(home), delivery, piece)


def _render(data: dict[str, Any]) -> None:
    shown = {**data, "found": "; ".join(f["says"] for f in data["found"])} if "found" in data \
        else data  # fmt: skip
    row = shown.get("row")
    cells = None if row is None else ", ".join(f"{name}: {value}" for name, value in row.items())
    pairs([(name, value) for name, value in {**shown, "row": cells}.items()
           if value not in (None, "")])  # fmt: skip


@dispute.command()
@_DELIVERY
@click.argument("outcome", type=click.Choice(OUTCOMES))
@click.option("--rows", type=click.IntRange(0), required=True,
              help="How many rows count; the rest goes back to the grant's quota.")  # fmt: skip
@signing_options
def settle(
    delivery: int, outcome: str, rows: int, home: Path, passphrase_file: Path | None,
    operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Decide the dispute about DELIVERY, as a supervisor that it does not concern.

    \b
    Example: muniment dispute settle 5 for-recipient --rows 0 --home tax
    """
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    args = {"delivery": delivery, "outcome": outcome, "rows": rows}
    state = submit(place, passphrase, "deliveries", "settle", args, operator)
    grant = ask(home, "access", "grant", {"grant": _find(home, delivery)["grant"]})
    data = {
        "delivery": delivery, "outcome": outcome, "rows": rows,
        "quota left": grant["rows"] - grant["used"] - grant["reserved"], **where(state),
    }  # fmt: skip
    show(data, as_json, lambda d: pairs(list(d.items())))
