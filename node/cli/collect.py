"""Commands for sources, runs and what they refuse."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.common import (
    Refused,
    ask,
    digest_of,
    home_option,
    json_option,
    moment,
    pairs,
    passphrase_for,
    passphrase_option,
    show,
    submit,
    table,
)
from node.cli.person import person, person_options
from node.cli.scan import scan
from node.data.notes import tell
from node.home import Home

if TYPE_CHECKING:
    from node.data.chain import Chain
    from node.data.collect import Collector


@click.group()
def source() -> None:
    """Declare where data comes from.

    \b
    muniment source add permits --home HOME path=permits.csv standard=tax/permits \\
        title="Permits 2026" key=number
    muniment collect run permits --home HOME
    """


@source.command("add")
@click.argument("name")
@click.argument("values", metavar="KEY=VALUE...", nargs=-1, required=True)
@home_option
def source_add(name: str, values: tuple[str, ...], home: Path) -> None:
    """Declare the source NAME; its declaration is sources/NAME.toml in the home, to be edited.

    Lists are written with commas, and columns.FIELD=COLUMN and dates.FIELD=dmy set tables. Keys:
    kind (file, folder, sql, http, inbox), standard, title, dataset, key,
    mode (snapshot, incremental), path, pattern, format, sheet, records, url, url_file,
    header_file, next, page, first, table, order, stamp, ignore, keywords, frequency, custody,
    fresh_field, fresh_days, schedule, watch.
    """
    from node.data import source as sources

    path = sources.save(Home(home).sources, sources.parse(name, _content(values), name))
    click.echo(f"declared in {path}")


def _content(values: tuple[str, ...]) -> dict[str, Any]:
    """Turn KEY=VALUE words into what a TOML file would hold."""
    from dataclasses import fields

    from node.data.source import Source

    hints = {each.name: str(each.type) for each in fields(Source)}
    content: dict[str, Any] = {}
    for word in values:
        key, equals, value = word.partition("=")
        if not equals:
            raise click.UsageError(f"{word!r}: write KEY=VALUE")
        outer, dot, inner = key.partition(".")
        hint = hints.get(outer, "str")
        if dot:
            content.setdefault(outer, {})[inner] = value
        elif hint.startswith("tuple"):
            content[key] = value.split(",")
        elif hint == "bool":
            content[key] = value in ("true", "yes", "1")
        elif hint == "int":
            content[key] = int(value) if value.isascii() and value.isdigit() else value
        else:
            content[key] = value
    return content


source.add_command(scan)


@source.command("list")
@home_option
@json_option
def source_list(home: Path, as_json: bool) -> None:
    """List the declared sources."""
    from node.data import source as sources

    folder = Home(home).sources
    found = [sources.load(folder, name) for name in sources.names(folder)]
    data = [asdict(each) for each in found]
    rows = [(s.name, s.kind, s.mode, s.standard, s.schedule or ("watch" if s.watch else ""))
            for s in found]  # fmt: skip
    show(data, as_json,
         lambda _: table(("source", "kind", "mode", "standard", "schedule"), rows))  # fmt: skip


@click.group()
def collect() -> None:
    """Collect declared sources into registered versions."""


@collect.command("run")
@click.argument("name")
@home_option
@passphrase_option
@json_option
def run(name: str, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Run the source NAME: read, standardise, check, seal, register.

    A run that was broken off is taken up where it stood. Without news nothing is registered.
    """
    outcome = collector(home, name, passphrase_file).run()
    data = asdict(outcome)
    show(data, as_json, lambda d: pairs(_lines(d)))
    if outcome.refused and not as_json:
        click.echo(f"{outcome.refused} records were refused: muniment quarantine list {name}")


def _lines(data: dict[str, Any]) -> list[tuple[str, object]]:
    if data["state"] == "unchanged":
        return [("state", "unchanged"), ("dataset", data["dataset"]), ("version", data["version"])]
    return [(key, f"L{value}" if key == "level" else value) for key, value in data.items()]


@collect.command("schedule")
@home_option
@passphrase_option
@click.option("--poll", default=5.0, show_default=True, help="Seconds between looks at watched.")
def schedule(home: Path, passphrase_file: Path | None, poll: float) -> None:
    """Run sources by their schedules, and watched ones when their files change, until stopped."""
    from node.data.schedule import Scheduler

    chain, master = chain_of(home, passphrase_file)
    Scheduler(Home(home), chain, master, poll, lambda line: click.echo(line)).serve()


@collect.command("history")
@click.argument("name", metavar="SOURCE")
@home_option
@passphrase_option
@json_option
def history(name: str, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """List the past runs of SOURCE, the latest first: when, how it ended, what it brought."""
    found = collector(home, name, passphrase_file).history.all()
    titles = ("began", "state", "version", "records", "refused", "problem")
    rows = [(moment(p.began)[:19], p.state, p.version or "", p.rows or "", p.refused or "",
             p.problem) for p in found]  # fmt: skip
    show([asdict(each) for each in found], as_json, lambda _: table(titles, rows))


def chain_of(
    home: Path,
    passphrase_file: Path | None,
    operator: tuple[str, str] | None = None,
    *,
    as_node: bool = False,
) -> tuple[Chain, bytes]:
    """Return what runs ask of the node, and the vault's master key.

    Calls are signed by `operator` (name and passphrase), or `as_node`, or with the member key.
    """
    return unlocked(home, passphrase_for(Home(home), passphrase_file), operator, as_node=as_node)


def unlocked(
    home: Path, passphrase: str, operator: tuple[str, str] | None = None, *, as_node: bool = False
) -> tuple[Chain, bytes]:
    """As `chain_of`, with the passphrase at hand."""
    import config
    from node.data.chain import Chain
    from node.keys import load_key
    from node.network import load_genesis

    place = Home(home)
    name, signs = operator or ("node" if as_node else None, passphrase)

    def query(contract: str, method: str, args: dict[str, Any]) -> Any:
        return ask(home, contract, method, args)

    chain = Chain(
        load_genesis(place.genesis).genesis.chain_id,
        config.load(place.settings).node.name,
        query,
        lambda contract, method, args: submit(place, signs, contract, method, args, name),
        lambda height, blocks: digest_of(place, height, blocks),
    )
    return chain, load_key(place.key("vault"), "vault", passphrase)


def collector(home: Path, name: str, passphrase_file: Path | None) -> Collector:
    """Return the runs of a declared source, with the home's keys unlocked."""
    from node.data import source as sources
    from node.data.collect import Collector

    declared = sources.load(Home(home).sources, name)
    chain, master = chain_of(home, passphrase_file)
    return Collector(Home(home), declared, chain, master)


@click.group()
def quarantine() -> None:
    """See, correct and release refused records."""


@quarantine.command("list")
@click.argument("name", metavar="SOURCE")
@home_option
@passphrase_option
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@click.option("--plain", is_flag=True, help="Show the records' values too.")
@person_options
@json_option
def quarantine_list(
    name: str, home: Path, passphrase_file: Path | None, limit: int, plain: bool,
    operator: str | None, operator_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """List what was refused of SOURCE: record, field, reason."""
    run = collector(home, name, passphrase_file)
    found = run.quarantine
    if plain:
        run.note_access(person(home, operator, operator_file), "quarantine list --plain")
    rows, total = [], 0
    for each in found:
        total += 1
        if total <= limit:
            fixed = each.values and found.correction(each.values) is not None
            shown = [json.dumps(each.values, ensure_ascii=False)] if plain else []
            rows.append((each.row, each.field, tell(each.reason), "yes" if fixed else "", *shown))
    names = ("record", "field", "reason", "corrected", *(("values",) if plain else ()))
    data = {"total": total, "records": [dict(zip(names, row, strict=True)) for row in rows]}

    def render(_: Any) -> None:
        table(names, rows)
        click.echo(f"{total} refused")

    show(data, as_json, render)


@quarantine.command()
@click.argument("name", metavar="SOURCE")
@click.argument("record", type=click.IntRange(1))
@click.argument("values", metavar="FIELD=VALUE...", nargs=-1, required=True)
@home_option
@passphrase_option
def fix(
    name: str, record: int, values: tuple[str, ...], home: Path, passphrase_file: Path | None
) -> None:
    """Say what fields of a refused RECORD should be; FIELD= makes a field null."""
    found = collector(home, name, passphrase_file)
    changes = {}
    for word in values:
        field, equals, value = word.partition("=")
        if not equals:
            raise click.UsageError(f"{word!r}: write FIELD=VALUE")
        changes[field] = value or None
    found.correct(record, changes)
    click.echo(f"noted; release with: muniment quarantine release {name}")


@quarantine.command()
@click.argument("name", metavar="SOURCE")
@home_option
@passphrase_option
@json_option
def release(name: str, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Run SOURCE with the corrections; corrected records that pass join the next version."""
    found = collector(home, name, passphrase_file)
    if not found.quarantine.has_corrections():
        raise Refused(f"no correction waits in the quarantine of {name}")
    data = asdict(found.run())
    show(data, as_json, lambda d: pairs(_lines(d)))


@quarantine.command()
@click.argument("name", metavar="SOURCE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
@passphrase_option
def clear(name: str, yes: bool, home: Path, passphrase_file: Path | None) -> None:
    """Destroy what was refused of SOURCE, and the corrections, for good."""
    found = collector(home, name, passphrase_file)
    if not yes:
        click.confirm(f"Destroy the refused records of {name}?", abort=True, err=True)
    click.echo(f"{found.clear()} refused records are destroyed")
