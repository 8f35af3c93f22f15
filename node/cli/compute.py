"""Commands that answer, or ask others, questions about data with noise, within budgets on chain."""

from __future__ import annotations

from collections.abc import Callable
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from node.cli.common import (
    Refused,
    ask,
    home_option,
    json_option,
    own_name,
    pairs,
    passphrase_for,
    passphrase_option,
    query,
    sees,
    show,
    streaming,
    submit,
    table,
    where,
)
from node.cli.joint import intersect
from node.cli.spans import EPSILON, MICRO
from node.cli.sums import sums
from node.home import Home

if TYPE_CHECKING:
    from node.data.privacy.aggregate import Answer, Question
    from node.exchange.answering import Told
    from node.exchange.streams import DataSocket

_F = TypeVar("_F", bound=Callable[..., Any])


_epsilon_option = click.option("--epsilon", type=EPSILON, required=True, help="Such as 0.1.")


@click.group()
def compute() -> None:
    """Answer questions about your data without showing records, and ask others.

    \b
    muniment compute open tax/incomes --subject person --epsilon 2 --home tax
    muniment compute share tax/incomes city --epsilon 1 --home tax
    muniment request new tax/incomes income --aggregate --rows 20 ... --home city
    muniment compute ask 17 --sum income --low 0 --high 500000 --epsilon 0.2 --home city
    """


@compute.command("open")
@click.argument("dataset")
@click.option("--subject", required=True, help="The column that says whose record it is.")
@_epsilon_option
@home_option
@passphrase_option
@json_option
def compute_open(
    dataset: str, subject: str, epsilon: int, home: Path, passphrase_file: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Set the privacy budget of DATASET for all its versions; it cannot be raised later.

    Whoever stands in the column SUBJECT is whom the budget protects, with all records together.
    """
    args = {"dataset": dataset, "micro_epsilon": epsilon, "subject": subject}
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
        pairs([("subject", found["subject"]), ("total", found["total"] / MICRO),
               ("spent", found["spent"] / MICRO)])  # fmt: skip
        rows = [(s["recipient"], s["share"] / MICRO, s["used"] / MICRO) for s in found["shares"]]
        table(("recipient", "share", "used"), rows)

    show(found, as_json, render)


def _question_options(function: _F) -> _F:
    """Add what makes a question."""
    options = (
        click.option("--version", type=click.IntRange(1), help="By default the latest."),
        click.option("--rows", type=click.IntRange(1, 1_000), default=1, show_default=True,
                     help="Records of one subject that count; more of them need more noise."),
        click.option("--count", is_flag=True, help="How many records there are."),
        click.option("--sum", "summed", metavar="COLUMN",
                     help="The sum of a column; with --low and --high."),
        click.option("--low", type=int, default=0, show_default=True),
        click.option("--high", type=int, default=0),
        click.option("--histogram", "counted", metavar="COLUMN",
                     help="How often each --category occurs."),
        click.option("--category", multiple=True),
        _epsilon_option,
        home_option,
        passphrase_option,
        json_option,
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def _question(home: Path, dataset: str, given: dict[str, Any]) -> Question:
    """What the options of `_question_options` ask; the subject is that of the budget."""
    from node.data.privacy.aggregate import Question

    summed, counted = given["summed"], given["counted"]
    if (given["count"], summed is not None, counted is not None).count(True) != 1:
        raise click.UsageError("give one of --count, --sum, --histogram")
    budget = ask(home, "budgets", "get", {"dataset": dataset})
    if budget is None:
        raise Refused(
            f"{dataset} has no privacy budget; its owner opens one: muniment compute open"
        )
    subject, rows, epsilon = budget["subject"], given["rows"], given["epsilon"]
    if summed is not None:
        return Question("sum", subject, rows, epsilon, summed, given["low"], given["high"])
    if counted is not None:
        names = given["category"]
        return Question("histogram", subject, rows, epsilon, counted, categories=names)
    return Question("count", subject, rows, epsilon)


def _show_answer(
    question: Question, answer: Answer, more: dict[str, Any], is_new: bool, as_json: bool
) -> None:
    paid = question.micro_epsilon if is_new else 0
    data = {**more, "numbers": list(answer.numbers), "within": answer.within, "paid": paid}

    def render(_: object) -> None:
        names = question.categories or (question.column or "records",)
        table(("what", "answer"), list(zip(names, answer.numbers, strict=True)))
        click.echo(f"nineteen of twenty such answers are within {answer.within} of the truth")
        click.echo("paid" if is_new else "this is the answer given before; nothing was paid")

    show(data, as_json, render)


@compute.command("answer")
@click.argument("dataset")
@click.option("--for", "recipient", required=True, help="The member whose share pays.")
@_question_options
def compute_answer(
    dataset: str, recipient: str, version: int | None, home: Path, passphrase_file: Path | None,
    as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Answer one question about your own data: paid from the budget first, computed and kept.

    The same question on the same version has the same answer and costs nothing.

    \b
    Example: muniment compute answer tax/incomes --for city --sum income
                 --low 0 --high 500000 --epsilon 0.2 --home HOME
    """
    from node.cli.collect import chain_of
    from node.data.custody import Custody
    from node.data.privacy.ledger import Answers

    question = _question(home, dataset, given)
    number = version or query(home, "catalogue", {"dataset": dataset})["latest"]
    place = Home(home)
    chain, master = chain_of(home, passphrase_file)
    custody = Custody(place, chain, master)
    opened = custody.open(dataset, number)
    question.check_columns(opened.head.columns)
    custody.log.note(getuser(), dataset, number, (1, opened.head.rows), f"answer for {recipient}")
    found = Answers(place, chain, master).ask(
        question, dataset, number, recipient, opened.head.columns, opened.rows()
    )
    more = {"dataset": dataset, "version": number}
    _show_answer(question, found.answer, more, found.is_new, as_json)


@compute.command("ask")
@click.argument("number", metavar="GRANT", type=click.IntRange(1))
@_question_options
def compute_ask(
    number: int, version: int | None, home: Path, passphrase_file: Path | None,
    as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Ask another member under GRANT; its budget pays before it answers, and noise is added.

    The chain has bound the answer that is shown. What was asked before has the same answer again.

    \b
    Example: muniment compute ask 17 --histogram city --category Wuhan --category Beijing
                 --epsilon 0.1 --home city
    """
    from node.cli.collect import chain_of
    from node.exchange import answering

    grant = ask(home, "access", "grant", {"grant": number})
    if grant is None or grant["recipient"] != own_name(Home(home)):
        raise Refused(f"grant {number} is not yours; see: muniment request list")
    dataset = grant["dataset"]
    question = _question(home, dataset, given)
    latest = query(home, "catalogue", {"dataset": dataset})["latest"]
    wanted = version or grant["version"] or latest
    chain, _ = chain_of(home, passphrase_file)

    async def put(socket: DataSocket) -> Told:
        return await answering.ask(socket, grant["owner"], number, wanted, question)

    told = streaming(home, put)
    sees(home, lambda: told.is_bound(chain, dataset, wanted))
    more = {"grant": number, "dataset": dataset, "version": wanted}
    _show_answer(question, told.answer, more, told.is_new, as_json)


for joint in (intersect, sums):
    compute.add_command(joint)
