"""Commands that look datasets up, compare their versions, and end them."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.common import (
    Refused,
    connect,
    home_option,
    json_option,
    pairs,
    passphrase_for,
    passphrase_option,
    prepare_call,
    query,
    show,
    signing_options,
    submit,
    table,
    where,
)
from node.cli.person import person, person_options
from node.data.notes import tell
from node.home import Home

if TYPE_CHECKING:
    from node.data.preview import Comparison

_version_option = click.option("--version", type=click.IntRange(1), help="By default the latest.")
_plain_option = click.option("--plain", is_flag=True, help="Show values; needs --purpose.")
_purpose_option = click.option("--purpose", default="", help="Why; enters the access log, sealed.")


def _pages(home: Path, method: str, args: dict[str, Any], place: Any) -> Iterator[Any]:
    """Yield every row of a question to the catalogue that answers in pages."""
    with connect(home) as client:
        while rows := client.call("state.query", contract="catalogue", method=method, args=args):
            yield from rows
            args = {**args, "after": place(rows[-1])}


def registrations(home: Path, prefix: str = "") -> Iterator[dict[str, Any]]:
    """Yield the latest registration of each active dataset."""
    rows = list(_pages(home, "list", {"prefix": prefix}, lambda row: row[0]))
    with connect(home) as client:
        for name, _, status in rows:
            if status == "active":
                yield client.call(
                    "state.query", contract="catalogue", method="get", args={"dataset": name}
                )


@click.command()
@click.argument("words", nargs=-1)
@click.option("--owner", default="", help="Only this member's.")
@click.option("--level", type=click.IntRange(1, 4), help="Of at most this sharing level.")
@home_option
@json_option
def search(
    words: tuple[str, ...], owner: str, level: int | None, home: Path, as_json: bool
) -> None:
    """Find datasets of all members by words in their id, title, keywords or theme."""
    found = []
    for row in registrations(home, f"{owner}/" if owner else ""):
        text = " ".join((row["dataset"], row["title"], *row["keywords"], row["theme"] or ""))
        if row["level"] <= (level or 4) and all(word.lower() in text.lower() for word in words):
            found.append(row)
    names = ("dataset", "version", "title", "level", "rows")
    rows = [(r["dataset"], r["version"], r["title"], f"L{r['level']}", r["rows"]) for r in found]
    show(found, as_json, lambda _: table(names, rows))


@click.command()
@click.argument("name", metavar="DATASET")
@home_option
@json_option
def versions(name: str, home: Path, as_json: bool) -> None:
    """List a dataset's versions."""
    found = list(_pages(home, "versions", {"dataset": name}, lambda row: row["version"]))
    if not found:
        raise Refused(f"{name} is not registered; list what is with: muniment dataset list")
    names = ("version", "height", "rows", "level", "class", "commitment")
    rows = [(r["version"], r["height"], r["rows"], f"L{r['level']}", r["class"],
             r["commitment"][:16]) for r in found]  # fmt: skip
    show(found, as_json, lambda _: table(names, rows))


@click.command()
@click.option("--format", "syntax", type=click.Choice(["turtle", "jsonld"]), default="turtle",
              show_default=True)  # fmt: skip
@click.option("--base", default="", help="What addresses begin with; by default a urn of the chain")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--prefix", default="", help="Only datasets whose id begins so.")
@home_option
def export(syntax: str, base: str, output: Path | None, prefix: str, home: Path) -> None:
    """Write the catalogue of all members as DCAT-AP 3."""
    from node.data import dcat
    from node.home import atomic_write

    with connect(home) as client:
        status = client.call("status")
    base = base or f"urn:muniment:{status['chain_id'][:16]}:"
    found = dcat.statements(status["network"], base, registrations(home, prefix))
    text = dcat.to_turtle(found) if syntax == "turtle" else dcat.to_jsonld(found)
    if output is None:
        click.echo(text, nl=False)
    else:
        atomic_write(output, text.encode(), 0o644)


@click.command()
@click.argument("name", metavar="DATASET")
@_version_option
@home_option
@json_option
def quality(name: str, version: int | None, home: Path, as_json: bool) -> None:
    """Show the quality report and the findings that are kept with one of your versions."""
    from node.data import vault
    from node.data.register import Report

    number = version or query(home, "catalogue", {"dataset": name})["latest"]
    report = Report.load(vault.folder_of(Home(home).vault, name, number) / "report")
    if report is None:
        raise Refused(f"{name} version {number} has no report here")
    shares = {each: f"{points / 100:.2f} %" for each, points in report.quality.items()}
    counts = {"read": report.read, "accepted": report.accepted, "refused": report.refused,
              "repeated": report.repeated}  # fmt: skip
    findings = [(f.field, f.entity, f"L{f.level}", f.count, tell(f.why)) for f in report.findings]
    data = {"quality": report.quality, **counts, "nulls": dict(report.nulls),
            "findings": [list(row) for row in findings]}  # fmt: skip

    def render(_: object) -> None:
        pairs([*shares.items(), *counts.items()])
        table(("field", "null"), [pair for pair in report.nulls if pair[1]])
        table(("field", "entity", "level", "count", "why"), findings)

    show(data, as_json, render)


@click.command()
@click.argument("name", metavar="DATASET")
@_version_option
@click.option("--rows", "count", type=click.IntRange(1, 1_000), default=10, show_default=True)
@_plain_option
@_purpose_option
@home_option
@passphrase_option
@person_options
@json_option
def preview(
    name: str,
    version: int | None,
    count: int,
    plain: bool,
    purpose: str,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    operator_file: Path | None,
    as_json: bool,
) -> None:
    """Show the first records of one of your datasets, masked unless --plain is given."""
    from node.cli.vault import custody_of
    from node.data.preview import levels_of, veil

    found = custody_of(home, passphrase_file)
    number = version or query(home, "catalogue", {"dataset": name})["latest"]
    opened = found.open(name, number)
    levels = levels_of(found, name, number)
    if plain:
        _need_purpose(purpose)
        who = person(home, operator, operator_file)
        found.log.note(who, name, number, (1, min(count, opened.head.rows)), purpose)
    rows = [
        values if plain else [veil(v, level) for v, level in zip(values, levels, strict=True)]
        for values in itertools.islice(opened.rows(), count)
    ]
    names = opened.head.columns
    data = {"dataset": name, "version": number, "columns": list(names), "rows": rows}
    shown = [["" if v is None else v for v in values] for values in rows]
    show(data, as_json, lambda _: table(names, shown))


def _need_purpose(purpose: str) -> None:
    if not purpose:
        raise click.UsageError("--plain needs --purpose: it enters the access log")


@click.command()
@click.argument("name", metavar="DATASET")
@click.argument("old", type=click.IntRange(1))
@click.argument("new", type=click.IntRange(1))
@click.option("--key", "by", multiple=True, metavar="FIELD",
              help="Tell records apart by this field; may be repeated.")  # fmt: skip
@click.option("--limit", type=click.IntRange(0, 10_000), default=50, show_default=True)
@_plain_option
@_purpose_option
@home_option
@passphrase_option
@person_options
@json_option
def diff(
    name: str,
    old: int,
    new: int,
    by: tuple[str, ...],
    limit: int,
    plain: bool,
    purpose: str,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    operator_file: Path | None,
    as_json: bool,
) -> None:
    """Say which records of your DATASET were added, removed, changed from version OLD to NEW.

    Records are told apart by the source's key, or by --key. Without either, one that went and one
    that came are taken for the same where they are alike. Of long values the part is shown that
    changed; --json has all of them.

    \b
    Example: muniment dataset diff tax/permits 1 2 --key number --home HOME
    """
    from node.cli.collect import chain_of
    from node.cli.vault import custody_of
    from node.data.preview import compare_versions

    _, master = chain_of(home, passphrase_file)
    found = custody_of(home, passphrase_file)
    if plain:
        _need_purpose(purpose)
        found.log.note(person(home, operator, operator_file), name, new, (1, limit), purpose)
    result = compare_versions(Home(home), found, master, name, (old, new), limit, plain, by)
    told = {**asdict(result), **result.counts}
    del told["counts"]
    show(told, as_json, lambda _: _render_diff(result))


def _render_diff(result: Comparison) -> None:
    from node.cli.shorten import shorten, shorten_both

    rows: list[tuple[str, ...]] = []
    for each in result.records:
        fields = [(name, *shorten_both(old, new)) for name, old, new in each.fields]
        if each.what == "changed" and not fields:
            fields = [("occurs another number of times", "", "")]
        head = (each.what, shorten(each.record))
        for field in fields or [("", "", "")]:
            rows.append((*head, *field))
            head = ("", "")
    if rows:
        table(("what", "record", "field", "before", "after"), rows)
    click.echo(", ".join(f"{count} {kind}" for kind, count in result.counts.items()))
    if rows and not result.key:
        click.echo("no key is declared, so what is alike counts as changed")
        if result.unique:
            click.echo(f"fields that tell all records apart: {', '.join(result.unique)}")
            first, said = shlex.quote(result.unique[0]), json.dumps(result.unique[:1])
            click.echo(f"by one of them: --key {first}; for good: key = {said} in the source")


@click.command()
@click.argument("name", metavar="DATASET")
@signing_options
def retire(
    name: str, home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool
) -> None:
    """End a dataset: it takes no further versions; what is registered stays."""
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    state = submit(place, passphrase, "catalogue", "retire", {"dataset": name}, operator)
    show(where(state), as_json, lambda d: pairs([("retired", name), *d.items()]))


@click.command()
@click.argument("name", metavar="DATASET")
@click.option("--version", type=click.IntRange(1), required=True)
@click.option("--row", "rows", type=click.IntRange(1), multiple=True,
              help="Only this record; may be repeated.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask.")
@signing_options
def destroy(
    name: str,
    version: int,
    rows: tuple[int, ...],
    yes: bool,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Make a version, or single records of it, unreadable for good, and say so on the chain.

    Its key is destroyed, so copies of the vault stay closed too. Backups of keys that can be
    reached are rewritten; for others the day is told on which the last one expires.

    With --as it is only prepared: a second person confirms it with `operator confirm`, and then
    `vault replay` carries it out here.
    """
    from node.cli.vault import custody_of
    from node.data import vault
    from node.data.backup import day

    what = f"{len(rows)} records of {name} version {version}" if rows else f"{name} v{version}"
    if not yes:
        click.confirm(f"Destroy {what}? Nothing can bring it back", abort=True, err=True)
    if operator is not None:
        _prepare(home, passphrase_file, operator, name, version, rows, as_json)
        return
    found = custody_of(home, passphrase_file)
    state = found.destroy(name, version, rows)
    left = found.backups.holding(vault.name_of(name, version) + "|") if not rows else []
    data = {"destroyed": what, **where(state), "key_backups": [
        {"path": each.path, "expires": day(each.expires)} for each in left
    ]}  # fmt: skip

    def render(d: dict[str, Any]) -> None:
        pairs([(key, d[key]) for key in ("destroyed", "txid", "height")])
        for each in d["key_backups"]:
            click.echo(f"still in the key backup {each['path']}, until {each['expires']}")

    show(data, as_json, render)


def _prepare(
    home: Path, passphrase_file: Path | None, operator: str, name: str, version: int,
    rows: tuple[int, ...], as_json: bool,
) -> None:  # fmt: skip
    """Ask, as an operator, for a destruction that another person confirms."""
    from node.data.custody import MAX_ROWS

    if len(rows) > MAX_ROWS:
        raise Refused(f"one request names at most {MAX_ROWS} records; prepare several")
    place = Home(home)
    call = {"dataset": name, "version": version, "rows": list(rows)}
    passphrase = passphrase_for(place, passphrase_file, operator)
    prepare_call(place, passphrase, "catalogue", "destroy", call, operator, as_json,
                 "it is carried out here with: muniment vault replay")  # fmt: skip
