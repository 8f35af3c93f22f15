"""Commands that show what masks do, before anyone agrees to one."""

from __future__ import annotations

import csv
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.common import Refused, json_option, pairs, parse_arguments, show, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.masks import Use
    from node.data.masks.base import Mask
    from node.data.masks.profiles import Profile

BATCH_ROWS = 4_096
TRIAL_KEY = bytes(32)
"""Keyed masks are tried under this key; grants have secret ones, so real results differ."""


@click.group()
def mask() -> None:
    """See what masks there are, and try them on values and files."""


@mask.command("list")
@click.option("--type", "semantic_type", help="Only those made for this semantic type.")
@click.option("--profiles", is_flag=True, help="Profiles instead: masks by semantic type.")
@click.option("--markdown", is_flag=True, help="The reference of docs/masks.md.")
@json_option
def mask_list(semantic_type: str | None, profiles: bool, markdown: bool, as_json: bool) -> None:
    """List masks, or profiles.

    \b
    Example: muniment mask list --type phone
    """
    from node.data.masks import MASKS, fits

    if markdown:
        from node.data.masks.reference import markdown as made

        click.echo(made(), nl=False)
        return
    if profiles:
        _show_profiles(as_json)
        return
    found = [m for m in MASKS.values() if semantic_type is None or fits(m, semantic_type)]
    data = [{"id": m.id, "version": m.spec.version, "types": sorted(m.types), "says": m.says}
            for m in found]  # fmt: skip
    rows = [(m.id, m.spec.version, ", ".join(sorted(m.types)) or "any", m.says) for m in found]
    show(data, as_json, lambda _: table(("mask", "version", "types", "what it does"), rows))


def _show_profiles(as_json: bool) -> None:
    from node.data.masks.profiles import PROFILES

    data = {
        name: {
            "says": profile.says,
            "masks": {t: None if use is None else str(use) for t, use in profile.masks.items()},
        }
        for name, profile in PROFILES.items()
    }

    def render(_: object) -> None:
        for name, profile in data.items():
            click.echo(f"{name}: {profile['says']}")
        known = list(dict.fromkeys(t for p in PROFILES.values() for t in p.masks))
        rows = [(t, *(str(p.mask_of(t) or "exact") for p in PROFILES.values())) for t in known]
        table(("type", *PROFILES), rows)

    show(data, as_json, render)


@mask.command("show")
@click.argument("name", metavar="MASK")
@json_option
def mask_show(name: str, as_json: bool) -> None:
    """Show a mask's parameters and examples.

    \b
    Example: muniment mask show keep-ends
    """
    found = _find(name)
    data = {
        "id": found.id,
        "version": found.spec.version,
        "says": found.says,
        "types": sorted(found.types),
        "params": [
            {"name": p.name, "default": p.default, "range": p.says} for p in found.spec.params
        ],
        "examples": [
            {"params": dict(e.params), "value": e.value, "result": e.result} for e in found.examples
        ],
    }

    def render(_: object) -> None:
        pairs([("mask", f"{found.id}, version {found.spec.version}"), ("does", found.says),
               ("types", ", ".join(sorted(found.types)) or "any")])  # fmt: skip
        if found.spec.params:
            rows = [(p.name, "required" if p.default is None else p.default, p.says)
                    for p in found.spec.params]  # fmt: skip
            table(("parameter", "default", "range"), rows)
        table(("value", "with", "becomes"), [
            (e.value, " ".join(f"{k}={v}" for k, v in e.params.items()),
             "(null)" if e.result is None else e.result) for e in found.examples
        ])  # fmt: skip

    show(data, as_json, render)


def _find(name: str) -> Mask:
    import difflib

    from node.data.masks import MASKS

    if name not in MASKS:
        near = difflib.get_close_matches(name, MASKS, 1)
        hint = f"did you mean {near[0]}?" if near else "list them with: muniment mask list"
        raise Refused(f"there is no mask {name!r}; {hint}")
    return MASKS[name]


@mask.command("try")
@click.argument("name", metavar="MASK")
@click.argument("given", metavar="VALUE...", nargs=-1)
@click.option("--param", "-p", multiple=True, metavar="NAME=VALUE", help="A parameter of the mask.")
@click.option("--csv", "path", type=click.Path(path_type=Path, dir_okay=False),
              help="Mask this table and write it as CSV.")  # fmt: skip
@click.option("--column", multiple=True, help="Which column of it; may be given several times.")
@click.option("--standard", type=click.Path(path_type=Path, dir_okay=False),
              help="With a profile: the standard that gives each column a type.")  # fmt: skip
@json_option
def mask_try(
    name: str, given: tuple[str, ...], param: tuple[str, ...], path: Path | None,
    column: tuple[str, ...], standard: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Mask values, columns of a CSV file, or a whole file by a profile.

    MASK is a mask, or profile:NAME[+NAME...] for a file that follows a standard. Keyed masks work
    under a trial key here: with a grant's secret key they give other results.

    \b
    Example: muniment mask try keep-ends 6222020901610334 -p first=6 -p last=4
             muniment mask try phone --csv people.csv --column mobile
             muniment mask try profile:usual+research --csv people.csv --standard person.json
    """
    if (path is None) == (not given):
        raise click.UsageError("give either values or --csv")
    profile, settings = name.removeprefix("profile:"), parse_arguments(param)
    if path is not None:
        plan: dict[str, Use | None] = (
            _plan_of_profile(profile, standard) if profile != name
            else dict.fromkeys(column, _use(name, settings))
        )  # fmt: skip
        if not plan:
            raise click.UsageError("--csv needs --column, or a profile and --standard")
        _mask_file(path, plan)
        return
    if profile != name:
        raise click.UsageError("a profile masks files: give --csv and --standard")
    import pyarrow as pa

    from node.data.masks import mask_array

    results = mask_array(pa.array(given, pa.string()), _use(name, settings), TRIAL_KEY).to_pylist()
    data = [{"value": a, "result": b} for a, b in zip(given, results, strict=True)]
    rows = [(a, "(null)" if b is None else b) for a, b in zip(given, results, strict=True)]
    show(data, as_json, lambda _: table(("value", "becomes"), rows))


def _use(name: str, settings: dict[str, Any]) -> Use:
    from node.data.masks import read_use

    return read_use([name, _find(name).spec.version, settings], name)


def _plan_of_profile(names: str, standard: Path | None) -> dict[str, Use | None]:
    from node.data.masks.profiles import PROFILES, combine
    from node.data.standard import load

    if standard is None:
        raise click.UsageError("a profile needs --standard, which says which type a column has")
    for name in names.split("+"):
        if name not in PROFILES:
            raise Refused(f"there is no profile {name!r}; there are {', '.join(PROFILES)}")
    chosen: Profile = combine(names.split("+"))
    body: Any = load(standard)
    return {field["name"]: chosen.mask_of(field["type"]) for field in body["fields"]}


def _mask_file(path: Path, plan: dict[str, Use | None]) -> None:
    """Write a table with masks as CSV to the output. Null is written as an empty field."""
    from node.data import table as tables

    shape = tables.inspect(path)
    missing = [name for name in plan if name not in shape.columns]
    if missing:
        raise Refused(f"{path} has no column {missing[0]!r}; it has {', '.join(shape.columns)}")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(shape.columns)
    values = (row for row, _ in tables.rows(path, shape))
    while rows := list(itertools.islice(values, BATCH_ROWS)):
        writer.writerows(_masked(shape.columns, rows, plan))


def _masked(
    columns: tuple[str, ...], rows: list[list[str | None]], plan: dict[str, Use | None]
) -> Iterator[tuple[str | None, ...]]:
    import pyarrow as pa

    from node.data.masks import mask_batch

    arrays = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    batch = pa.record_batch(arrays, names=list(columns))
    masks = [(name, use) for name, use in plan.items() if use is not None]
    made = mask_batch(batch, masks, TRIAL_KEY)
    return zip(*(column.to_pylist() for column in made.columns), strict=True)
