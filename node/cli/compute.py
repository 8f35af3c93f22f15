"""Commands that answer questions about own data with noise, within a budget on the chain."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from getpass import getuser
from pathlib import Path
from typing import Any

import click

from node.cli.common import (
    ask,
    home_option,
    json_option,
    pairs,
    passphrase_for,
    passphrase_option,
    query,
    show,
    submit,
    table,
    where,
)
from node.home import Home

MICRO = 10**6


class _Epsilon(click.ParamType[int]):
    """A decimal number of at most six places, taken in millionths."""

    name = "epsilon"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, int):
            return value
        try:
            micro = Decimal(value) * MICRO
            if micro == int(micro):
                return int(micro)
        except (InvalidOperation, ValueError, OverflowError) as error:
            raise click.BadParameter(f"{value!r} is no number", ctx, param) from error
        raise click.BadParameter(f"{value!r} is no number with at most six places", ctx, param)


_epsilon_option = click.option("--epsilon", type=_Epsilon(), required=True, help="Such as 0.1.")


@click.group()
def compute() -> None:
    """Answer questions about your data without showing records.

    \b
    Example: muniment compute open tax/incomes --epsilon 2 --home HOME
             muniment compute share tax/incomes city --epsilon 1 --home HOME
             muniment compute answer tax/incomes --for city --count --subject person --epsilon 0.1
    """


@compute.command("open")
@click.argument("dataset")
@_epsilon_option
@home_option
@passphrase_option
@json_option
def compute_open(
    dataset: str, epsilon: int, home: Path, passphrase_file: Path | None, as_json: bool
) -> None:
    """Set the privacy budget of DATASET for all its versions; it cannot be raised later."""
    args = {"dataset": dataset, "micro_epsilon": epsilon}
    _submit(home, passphrase_file, "open", args, as_json)


@compute.command("share")
@click.argument("dataset")
@click.argument("recipient")
@_epsilon_option
@home_option
@passphrase_option
@json_option
def compute_share(
    dataset: str,
    recipient: str,
    epsilon: int,
    home: Path,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Say how much of the budget RECIPIENT may use."""
    args = {"dataset": dataset, "recipient": recipient, "micro_epsilon": epsilon}
    _submit(home, passphrase_file, "share", args, as_json)


def _submit(
    home: Path, file: Path | None, method: str, args: dict[str, Any], as_json: bool
) -> None:
    place = Home(home)
    state = submit(place, passphrase_for(place, file), "budgets", method, args)
    show(where(state), as_json, lambda data: pairs(list(data.items())))


@compute.command("show")
@click.argument("dataset")
@home_option
@json_option
def compute_show(dataset: str, home: Path, as_json: bool) -> None:
    """Show the budget of a dataset, and who has used how much of it."""
    found = ask(home, "budgets", "get", {"dataset": dataset})

    def render(_: object) -> None:
        if found is None:
            click.echo(f"{dataset} has no privacy budget")
            return
        pairs([("total", found["total"] / MICRO), ("spent", found["spent"] / MICRO)])
        rows = [(s["recipient"], s["share"] / MICRO, s["used"] / MICRO) for s in found["shares"]]
        table(("recipient", "share", "used"), rows)

    show(found, as_json, render)


@compute.command("answer")
@click.argument("dataset")
@click.option("--for", "recipient", required=True, help="The member whose share pays.")
@click.option("--version", type=click.IntRange(1), help="By default the latest.")
@click.option("--subject", required=True, help="The column that says whose record it is.")
@click.option("--rows", type=click.IntRange(1, 1_000), default=1, show_default=True,
              help="Records of one subject that count; more of them need more noise.")  # fmt: skip
@click.option("--count", "kind", flag_value="count", help="How many records there are.")
@click.option("--sum", "summed", metavar="COLUMN", help="The sum of a column; with --low, --high.")
@click.option("--low", type=int, default=0, show_default=True)
@click.option("--high", type=int, default=0)
@click.option("--histogram", "counted", metavar="COLUMN", help="How often each --category occurs.")
@click.option("--category", multiple=True)
@_epsilon_option
@home_option
@passphrase_option
@json_option
def compute_answer(
    dataset: str,
    recipient: str,
    version: int | None,
    subject: str,
    rows: int,
    kind: str | None,
    summed: str | None,
    low: int,
    high: int,
    counted: str | None,
    category: tuple[str, ...],
    epsilon: int,
    home: Path,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Answer one question with noise: paid from the budget first, then computed and kept.

    The same question on the same version has the same answer and costs nothing.

    \b
    Example: muniment compute answer tax/incomes --for city --subject person --sum income
                 --low 0 --high 500000 --epsilon 0.2 --home HOME
    """
    from node.cli.collect import chain_of
    from node.data.custody import Custody
    from node.data.privacy.aggregate import Question
    from node.data.privacy.ledger import Answers

    if sum(each is not None for each in (kind, summed, counted)) != 1:
        raise click.UsageError("give one of --count, --sum, --histogram")
    if summed is not None:
        question = Question("sum", subject, rows, epsilon, summed, low, high)
    elif counted is not None:
        question = Question("histogram", subject, rows, epsilon, counted, categories=category)
    else:
        question = Question("count", subject, rows, epsilon)
    number = version or query(home, "catalogue", {"dataset": dataset})["latest"]
    place = Home(home)
    chain, master = chain_of(home, passphrase_file)
    custody = Custody(place, chain, master)
    opened = custody.open(dataset, number)
    question.check_columns(opened.head.columns)
    custody.log.note(getuser(), dataset, number, (1, opened.head.rows), f"answer for {recipient}")
    answers = Answers(place, chain, master)
    found, is_new = answers.ask(
        question, dataset, number, recipient, opened.head.columns, opened.rows()
    )
    data = {"dataset": dataset, "version": number, "numbers": list(found.numbers),
            "within": found.within, "paid": epsilon if is_new else 0}  # fmt: skip

    def render(_: object) -> None:
        names = category if counted is not None else (kind or summed or "",)
        table(("what", "answer"), list(zip(names, found.numbers, strict=True)))
        click.echo(f"nineteen of twenty such answers are within {found.within} of the truth")
        click.echo("paid" if is_new else "this is the answer given before; nothing was paid")

    show(data, as_json, render)
