"""Commands for opinions on datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from contracts.system.feedback import TOPICS
from node.cli.common import (
    ask,
    home_option,
    json_option,
    moment,
    pairs,
    passphrase_for,
    passphrase_option,
    query,
    show,
    signing_options,
    table,
    where,
)
from node.cli.sealing import open_text, read_text, submit_worded, text_options
from node.home import Home

_DATASET = click.argument("dataset")
_version = click.option("--version", type=click.IntRange(1), help="By default the latest.")


@click.group()
def feedback() -> None:
    """Opinions on datasets: rate one, read what others think, answer.

    \b
    muniment feedback give tax/permits 4 --topic timeliness --text "A week late." --home city
    """


@feedback.command()
@_DATASET
@click.argument("stars", type=click.IntRange(1, 5))
@_version
@click.option("--topic", "topics", multiple=True, type=click.Choice(TOPICS))
@text_options
@signing_options
def give(
    dataset: str, stars: int, version: int | None, topics: tuple[str, ...], text: str | None,
    file: Path | None, home: Path, passphrase_file: Path | None, operator: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Rate another member's DATASET; a later opinion replaces an earlier one."""
    found = query(home, "catalogue", {"dataset": dataset})
    args = {
        "dataset": dataset,
        "version": version or found["version"],
        "stars": stars,
        "topics": list(topics),
    }
    call = ("feedback", "give", args)
    _say(home, passphrase_file, operator, as_json, call, text, file, found["owner"])


@feedback.command()
@_DATASET
@click.argument("member")
@click.option("--version", type=click.IntRange(1), help="The one that mends it.")
@text_options
@signing_options
def answer(
    dataset: str, member: str, version: int | None, text: str | None, file: Path | None,
    home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Answer MEMBER's opinion on the own DATASET."""
    args = {"dataset": dataset, "member": member, "version": version}
    call = ("feedback", "answer", args)
    _say(home, passphrase_file, operator, as_json, call, text, file, member)


def _say(
    home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool,
    call: tuple[str, str, dict[str, Any]], text: str | None, file: Path | None, to: str,
) -> None:  # fmt: skip
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    words = read_text(text, file, is_needed=False)
    state = submit_worded(place, passphrase, call, words, [to], operator)
    data = {"dataset": call[2]["dataset"], **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))


@feedback.command("list")
@_DATASET
@home_option
@passphrase_option
@json_option
def list_opinions(dataset: str, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Show what members think of DATASET, and what the owner has answered."""
    place = Home(home)
    opinions: list[dict[str, Any]] = []
    while page := ask(home, "feedback", "list", {"dataset": dataset} | (
        {"after": opinions[-1]["member"]} if opinions else {}
    )):  # fmt: skip
        opinions += page
    for each in opinions:
        each["text"] = _words(place, passphrase_file, each["envelope"])
        each["reply"] = _words(place, passphrase_file, (each["answer"] or [None])[-1])
    counts = ask(home, "feedback", "sum", {"dataset": dataset})
    show({"stars": counts, "opinions": opinions}, as_json, _render)


def _words(place: Home, passphrase_file: Path | None, envelope: str | None) -> str | None:
    return open_text(place, passphrase_file, [envelope]) if envelope else None


def _render(data: dict[str, Any]) -> None:
    counts = data["stars"]
    total = sum(counts)
    if total:
        mean = sum(stars * count for stars, count in enumerate(counts, 1)) / total
        click.echo(f"{mean:.1f} of 5 stars by {total}")
    rows = [
        (o["member"], o["version"], "*" * o["stars"], ", ".join(o["topics"]), o["text"] or "",
         o["reply"] or ("answered" if o["answer"] else ""), moment(o["time"])[:10])
        for o in data["opinions"]
    ]  # fmt: skip
    table(("member", "version", "stars", "topics", "said", "answer", "day"), rows)
