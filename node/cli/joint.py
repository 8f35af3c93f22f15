"""Commands that compute with other members: nobody shows a record to anybody."""

from __future__ import annotations

from functools import partial
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.common import (
    Refused,
    ask,
    home_option,
    json_option,
    own_name,
    pairs,
    passphrase_option,
    query,
    sees,
    show,
    streaming,
)
from node.cli.spans import EPSILON
from node.home import Home

if TYPE_CHECKING:
    from node.exchange.streams import DataSocket


@click.command("intersect")
@click.argument("number", metavar="GRANT", type=click.IntRange(1))
@click.argument("column")
@click.option("--own", required=True, metavar="DATASET", help="Your dataset to compare with.")
@click.option("--own-column", help="Its column; by default of the same name.")
@click.option("--version", type=click.IntRange(1), help="By default the latest.")
@click.option("--own-version", type=click.IntRange(1), help="By default the latest.")
@click.option("--epsilon", type=EPSILON, required=True, help="Such as 1; from 0.001 on.")
@home_option
@passphrase_option
@json_option
def intersect(
    number: int, column: str, own: str, own_column: str | None, version: int | None,
    own_version: int | None, epsilon: int, home: Path, passphrase_file: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Learn how many values COLUMN under GRANT has in common with a column of yours, with noise.

    Both sets need 1,000 different values or more. The other's budget pays before anything is sent,
    and a pair of versions is compared once. Cut off at any moment, the same command goes on.

    \b
    Example: muniment compute intersect 18 person_id --own city/firms --own-column owner_id
                 --epsilon 1 --home city
    """
    from node.cli.collect import chain_of
    from node.data.privacy.noise import error_bound
    from node.exchange import answering
    from node.exchange.asking import Dataset
    from node.exchange.intersecting import Asker

    place = Home(home)
    grant = ask(home, "access", "grant", {"grant": number})
    if grant is None or grant["recipient"] != own_name(place):
        raise Refused(f"grant {number} is not yours; see: muniment request list")

    def find(dataset: str, wanted: int | None, name: str) -> tuple[int, int]:
        latest = query(home, "catalogue", {"dataset": dataset})["latest"]
        found = Dataset.find(partial(ask, home), dataset, wanted or latest)
        return wanted or latest, found.place(name)

    own_number, own_field = find(own, own_version, own_column or column)
    other_number, field = find(grant["dataset"], version or grant["version"], column)
    sets = {"own": own, "own_version": own_number, "own_field": own_field,
            "version": other_number, "field": field}  # fmt: skip
    chain, master = chain_of(home, passphrase_file)
    asker = Asker(place, chain, master, getuser(), partial(sees, home))
    run = asker.begin(grant, sets, epsilon)

    async def count(socket: DataSocket) -> int:
        return await asker.count(socket, answering.SERVICE, run)

    found = streaming(home, count)
    asker.finish(run)
    data: dict[str, Any] = {"run": run, "in common": found, "within": error_bound(1, epsilon)}

    def render(_: object) -> None:
        pairs(list(data.items()))
        click.echo("nineteen of twenty such counts are as near to the truth")

    show(data, as_json, render)
