"""Commands for data standards: from a starter or a sample to a published version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from node.cli.common import (
    Refused,
    connect,
    home_option,
    json_option,
    pairs,
    passphrase_for,
    query,
    show,
    signing_options,
    submit,
    table,
    where,
)
from node.home import Home

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def standard() -> None:
    """Write, check, publish and look up data standards.

    \b
    muniment standard new person --id civil/person -o person.json
    muniment standard infer permits.csv --id tax/permits -o permits.json
    muniment standard check permits.json
    muniment standard publish permits.json --home HOME
    """


@standard.command()
@json_option
def starters(as_json: bool) -> None:
    """List the standards to start from."""
    from node.data.standard import starters as known

    rows = [(name, body["title"], len(body["fields"])) for name, body in known().items()]
    data = [{"starter": name, "title": title, "fields": count} for name, title, count in rows]
    show(data, as_json, lambda _: table(("starter", "title", "fields"), rows))


@standard.command()
@click.argument("starter")
@click.option("--id", "identity", required=True, help="OWNER/NAME of the standard to write.")
@click.option("-o", "--output", type=_FILE, required=True, help="The file to write.")
def new(starter: str, identity: str, output: Path) -> None:
    """Write the starter standard STARTER to a file to edit."""
    from node.data import standard as standards

    known = standards.starters()
    if starter not in known:
        raise Refused(f"there is no starter {starter!r}; known are {', '.join(known)}")
    _write(standards.check({**known[starter], "id": identity}, identity), output)


@standard.command()
@click.argument("sample", type=_FILE)
@click.option("--id", "identity", required=True, help="OWNER/NAME of the standard to write.")
@click.option("--title", help="What it is called; by default the sample's name.")
@click.option("--level", type=click.IntRange(1, 4), default=1, help="Least sharing level.")
@click.option("-o", "--output", type=_FILE, required=True, help="The file to write.")
def infer(sample: Path, identity: str, title: str | None, level: int, output: Path) -> None:
    """Draft a standard from the file SAMPLE, for you to check and edit.

    Types, code lists and levels are guesses from the first 20,000 records.
    """
    from node.data.infer import infer as draft

    content = draft(identity, title or sample.stem, sample, level)
    _write(content, output)
    _fields(content)


def _write(content: dict[str, Any], output: Path) -> None:
    if output.exists():
        raise Refused(f"{output} exists already and will not be replaced")
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refused(f"{output} cannot be written: {error.strerror}") from error


@standard.command()
@click.argument("file", type=_FILE)
@json_option
def check(file: Path, as_json: bool) -> None:
    """Check the standard in FILE (JSON) as publishing it would."""
    from node.data import standard as standards

    content = standards.load(file)
    show(content, as_json, _fields)


def _fields(body: dict[str, Any]) -> None:
    from node.data.standard import labels

    rows = [
        (f["name"], *labels(body, f["name"]), f["type"], f["unit"] or "",
         "" if f["codes"] is None else len(f["codes"]), f"L{f['level']}", f["class"],
         f["mask"] or "")
        for f in body["fields"]
    ]  # fmt: skip
    table(("field", "中文", "English", "type", "unit", "codes", "level", "class", "mask"), rows)


@standard.command()
@click.argument("old")
@click.argument("new_one", metavar="NEW")
@click.option("--home", type=click.Path(path_type=Path), envvar="MUNIMENT_HOME",
              help="The node to ask for published standards [env: MUNIMENT_HOME].")  # fmt: skip
@json_option
def diff(old: str, new_one: str, home: Path | None, as_json: bool) -> None:
    """Show what changes from the standard OLD to NEW, and what that breaks.

    Each is a JSON file, or a published one as ID or ID@VERSION.
    """
    from node.data import standard as standards

    changes = standards.diff(_find(old, home), _find(new_one, home))
    rows = [(c.effect, c.field, c.what, _short(c.old), _short(c.new)) for c in changes]
    data = [
        {"effect": c.effect, "field": c.field, "what": c.what, "old": c.old, "new": c.new}
        for c in changes
    ]
    if not changes and not as_json:
        click.echo("no difference")
        return
    show(data, as_json, lambda _: table(("effect", "field", "what", "old", "new"), rows))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _find(name: str, home: Path | None) -> dict[str, Any]:
    from node.data import standard as standards

    if name.endswith(".json"):
        return standards.load(Path(name))
    if home is None:
        raise Refused(f"{name} is looked up on the chain: give --home, or a file ending in .json")
    identity, _, number = name.partition("@")
    args: dict[str, Any] = {"id": identity}
    if number:
        if not (number.isascii() and number.isdigit()):
            raise Refused(f"{name}: write a version as {identity}@2")
        args["version"] = int(number)
    body: dict[str, Any] = query(home, "standards", args)["standard"]
    return body


@standard.command()
@click.argument("file", type=_FILE)
@click.option("--next", "as_next", is_flag=True, help="As the next version, whatever FILE says.")
@signing_options
def publish(
    file: Path, as_next: bool, home: Path, passphrase_file: Path | None, operator: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Publish the standard in FILE (JSON) on the chain.

    \b
    FILE: {"id": "tax/permit", "version": 1, "title": "...",
           "fields": [{"name": "holder", "type": "text", "level": 3}, ...]}
    """
    from node.data import standard as standards

    place = Home(home)
    content = standards.load(file)
    if as_next:
        content["version"] = _next_version(home, content)
    passphrase = passphrase_for(place, passphrase_file, operator)
    state = submit(place, passphrase, "standards", "publish", content, operator)
    data = {"id": content["id"], "version": content["version"], **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))


def _next_version(home: Path, content: dict[str, Any]) -> int:
    from node.data import standard as standards

    with connect(home) as client:
        known = client.call(
            "state.query", contract="standards", method="get", args={"id": content["id"]}
        )
    if known is None:
        return 1
    if not standards.diff(known["standard"], content):
        raise Refused(f"{content['id']} version {known['latest']} is the same; nothing to publish")
    return int(known["latest"]) + 1


@standard.command("list")
@home_option
@json_option
def standard_list(home: Path, as_json: bool) -> None:
    """List the published standards."""
    data: list[dict[str, Any]] = []
    with connect(home) as client:
        args: dict[str, Any] = {}
        while page := client.call("state.query", contract="standards", method="list", args=args):
            data += page
            args = {"after": page[-1]["id"]}
    rows = [(row["id"], row["latest"], row["owner"]) for row in data]
    show(data, as_json, lambda d: table(("standard", "version", "owner"), rows))


@standard.command("show")
@click.argument("identity", metavar="ID")
@click.option("--version", type=click.IntRange(1), default=None)
@home_option
@json_option
def standard_show(identity: str, version: int | None, home: Path, as_json: bool) -> None:
    """Show a published standard and its fields."""
    args: dict[str, Any] = {"id": identity}
    if version is not None:
        args["version"] = version
    data = query(home, "standards", args)

    def render(d: dict[str, Any]) -> None:
        body = d["standard"]
        pairs([("standard", body["id"]), ("title", body["title"]), ("version", body["version"]),
               ("owner", d["owner"]), ("digest", d["digest"])])  # fmt: skip
        _fields(body)

    show(data, as_json, render)
