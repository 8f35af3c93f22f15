"""Commands of sums over members, of which nobody shows its number."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    passphrase_option,
    query,
    show,
    signing_options,
    streaming,
    submit,
    table,
    where,
)
from node.cli.person import person, person_options
from node.cli.spans import SPAN
from node.home import Home

if TYPE_CHECKING:
    from node.exchange.streams import DataSocket

_NUMBER = click.argument("number", metavar="SUM", type=click.IntRange(1))


@click.group("sum")
def sums() -> None:
    """Learn what the numbers of three members or more add up to; nobody shows its own.

    \b
    muniment compute sum propose staff-2026 --with city --with tax --home land
    muniment inbox --home city
    muniment compute sum join 1 --dataset city/staff --column pay --home city    # each of them
    muniment compute sum show 1 --home city
    """


@sums.command("propose")
@click.argument("label")
@click.option("--with", "others", metavar="MEMBER", multiple=True, required=True)
@click.option("--decimals", type=click.IntRange(0, 6), default=0, show_default=True,
              help="How many decimals values may have.")  # fmt: skip
@click.option("--window", type=SPAN, default="3d", show_default=True,
              help="The term of each step: to join, to bind shares, to report.")  # fmt: skip
@click.option("--after", type=click.IntRange(1), metavar="SUM",
              help="A sum that failed, to go on without whom it named.")  # fmt: skip
@signing_options
def propose(
    label: str, others: tuple[str, ...], decimals: int, window: int, after: int | None,
    home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Call members together for a sum called LABEL (a-z, 0-9, '-'), which everybody can read.

    \b
    Example: muniment compute sum propose staff-2026 --with city --with tax --decimals 2 --home land
    """
    place = Home(home)
    members = sorted({*others, own_name(place)})
    args = {"label": label, "members": members, "decimals": decimals, "window_ms": window}
    if after is not None:
        args["after"] = after
    passphrase = passphrase_for(place, passphrase_file, operator)
    state = submit(place, passphrase, "sums", "propose", args, operator)
    number = next(data[0] for _, name, data in state["events"] if name == "proposed")
    _show({"sum": number, "members": members, **where(state)}, as_json)


@sums.command("join")
@_NUMBER
@click.option("--dataset", required=True, help="Yours, of which a version is summed.")
@click.option("--column", help="The column; the number of records if left out.")
@click.option("--version", type=click.IntRange(1), help="By default the latest.")
@home_option
@passphrase_option
@person_options
@json_option
def join(
    number: int, dataset: str, column: str | None, version: int | None, home: Path,
    passphrase_file: Path | None, operator: str | None, operator_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Take part with the sum of a column; commits to it on the chain, and shows it to nobody.

    `exchange serve` carries on from there.
    """
    from node.cli.collect import chain_of
    from node.exchange.asking import Dataset
    from node.exchange.summing import Summer
    from node.keys import read_passphrase

    wanted = version or query(home, "catalogue", {"dataset": dataset})["latest"]
    found = Dataset.find(partial(ask, home), dataset, wanted)
    field = None if column is None else found.place(column)
    who = person(home, operator, operator_file)
    signs = None if operator is None else (operator, read_passphrase(operator_file))
    chain, master = chain_of(home, passphrase_file, signs)
    summer = Summer(Home(home), chain, master)
    summer.join(number, dataset, wanted, field, who)
    _show({"sum": number, "status": summer.run(number)["status"]}, as_json)


@sums.command("go")
@_NUMBER
@home_option
@passphrase_option
@json_option
def go(number: int, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Do what can be done now in a sum, as `exchange serve` does by itself every few seconds."""
    from node.cli.collect import chain_of
    from node.exchange import answering
    from node.exchange.summing import Summer

    chain, master = chain_of(home, passphrase_file, as_node=True)
    summer = Summer(Home(home), chain, master)

    async def advance(socket: DataSocket) -> str:
        now_ms = time.time_ns() // 1_000_000
        return await summer.advance(socket, answering.SERVICE, number, now_ms)

    _show({"sum": number, "status": streaming(home, advance)}, as_json)


@sums.command("show")
@_NUMBER
@home_option
@passphrase_option
@json_option
def show_sum(number: int, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Show how far a sum has come, whom it waits for or names, and what it is."""
    from decimal import Decimal

    from node.cli.collect import chain_of
    from node.exchange.summing import Summer

    if ask(home, "sums", "get", {"run": number}) is None:
        raise Refused(f"there is no sum {number}")
    chain, master = chain_of(home, passphrase_file)
    summer = Summer(Home(home), chain, master)
    run, found = summer.run(number), summer.result(number)
    total = None if found is None else str(Decimal(found).scaleb(-run["decimals"]))
    data = {
        **{word: run[word] for word in ("id", "label", "by", "status", "due", "named")},
        "members": {name: _steps(run, name) for name in run["members"]},
        "total": total,
    }

    def render(_: object) -> None:
        rows = [(word, run[word]) for word in ("label", "by", "status")]
        rows += [("term", moment(run["due"])), ("named", ", ".join(run["named"]) or "nobody")]
        pairs([*rows, ("total", "not here" if total is None else total)])
        table(("member", "joined", "bound", "reported"),
              [[name, *("yes" if done else "" for done in _steps(run, name).values())]
               for name in run["members"]])  # fmt: skip

    show(data, as_json, render)


def _steps(run: dict[str, Any], name: str) -> dict[str, bool]:
    return {word: name in run[word] for word in ("joined", "shares", "reports")}


def _show(data: dict[str, Any], as_json: bool) -> None:
    show(data, as_json, lambda found: pairs(list(found.items())))
