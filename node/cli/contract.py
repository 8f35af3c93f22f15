"""Commands for contracts: write, check, test and describe them; call and ask deployed ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.common import (
    Refused,
    ask,
    home_option,
    json_option,
    pairs,
    parse_arguments,
    passphrase_for,
    passphrase_option,
    show,
    signing_options,
    submit,
    table,
)
from node.cli.gov import put_to_vote, show_proposed
from node.errors import MunimentError
from node.home import Home

_FILE = click.argument("file", metavar="FILE.star", type=click.Path(path_type=Path))
_TEMPLATE = '''"""What the contract is for."""

def note(text):
    """Keep a text of the sender."""
    if state.get("note/" + ctx.sender) != None:
        fail("noted")
    state.put("note/" + ctx.sender, text)
    emit("noted", [ctx.sender])

def read(who):
    """The text that a member has kept, or None."""
    return state.get("note/" + who)

method(note, text = text(256))
query(read, who = member)
'''
_TEST_TEMPLATE = '''"""What the contract allows and refuses."""

def test_a_text_is_kept_once():
    run("tax", "note", text = "hello")
    equal(events(), [("noted", ["tax"])])
    equal(ask("read", who = "tax"), "hello")
    equal(ask("read", who = "land"), None)
    refused("tax", "note", "noted", text = "again")
'''


@click.group()
def contract() -> None:
    """Write, check, test and describe contracts; call and ask deployed ones.

    \b
    Example: muniment contract new duty-rota && muniment contract test duty-rota.star
    """


@contract.command()
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
def new(name: str, folder: Path) -> None:
    """Write a first contract NAME.star and a test of it."""
    from node.contract_kit import SUFFIX, TEST_SUFFIX, check

    target, beside = folder / (name + SUFFIX), folder / (name + TEST_SUFFIX)
    for path in (target, beside):
        if path.exists():
            raise MunimentError(f"{path} is there already")
    target.write_text(_TEMPLATE, "utf-8")
    beside.write_text(_TEST_TEMPLATE, "utf-8")
    try:
        check(target)
    except MunimentError:
        target.unlink()
        beside.unlink()
        raise
    click.echo(f"wrote {target} and {beside}; test it with: muniment contract test {target}")


@contract.command()
@click.argument("name", required=False)
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@json_option
def library(name: str | None, folder: Path, as_json: bool) -> None:
    """List the contracts that come with Muniment, or copy NAME and its test to a folder.

    \b
    Example: muniment contract library poll && muniment contract deploy poll.star --home tax
    """
    from node.contract_kit import LIBRARY, SUFFIX, TEST_SUFFIX, check, contract_name

    paths = sorted(p for p in LIBRARY.glob("*" + SUFFIX) if not p.name.endswith(TEST_SUFFIX))
    known = {contract_name(path): path for path in paths}
    if name is None:
        rows = [{"name": n, "doc": check(path).doc.split("\n")[0]} for n, path in known.items()]
        cells = [(row["name"], row["doc"]) for row in rows]
        show(rows, as_json, lambda _: table(("contract", "what it is"), cells))
        return
    if name not in known:
        raise Refused(f"there is no contract {name} in the library; there are {', '.join(known)}")
    sources = (known[name], known[name].with_name(name + TEST_SUFFIX))
    targets = [folder / source.name for source in sources]
    for target in targets:
        if target.exists():
            raise MunimentError(f"{target} is there already")
    for source, target in zip(sources, targets, strict=True):
        target.write_bytes(source.read_bytes())
    files = [str(target) for target in targets]
    show({"files": files}, as_json, lambda d: click.echo(f"wrote {' and '.join(d['files'])}"))


@contract.command()
@_FILE
@json_option
def check(file: Path, as_json: bool) -> None:
    """Check that FILE.star can be deployed; show its methods."""
    _describe_file(file, as_json)


@contract.command()
@_FILE
@json_option
def test(file: Path, as_json: bool) -> None:
    """Run the tests in NAME_test.star against a ledger in memory."""
    from node.contract_kit import run_tests

    report = run_tests(file)
    failed = [result for result in report.results if result.fault]
    data = {
        "tests": [
            {"name": r.name, "fault": r.fault, "printed": list(r.printed)} for r in report.results
        ],
        "gas": {name: list(found) for name, found in sorted(report.gas.items())},
    }

    def render(d: dict[str, Any]) -> None:
        for row in d["tests"]:
            click.echo(f"{'FAILED' if row['fault'] else 'passed'}  {row['name']}")
            for line in row["printed"]:
                click.echo(f"  | {line}")
            if row["fault"]:
                click.echo(row["fault"])
        if d["gas"]:
            pairs([(name, f"{_span(*found)} gas") for name, found in d["gas"].items()])

    show(data, as_json, render)
    if failed:
        raise MunimentError(f"{len(failed)} of {len(report.results)} tests failed")


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


@contract.command()
@click.argument("name", metavar="FILE.star|NAME")
@click.option("--home", type=click.Path(path_type=Path), envvar="MUNIMENT_HOME",
              help="The node to ask for a deployed contract.")  # fmt: skip
@json_option
def describe(name: str, home: Path | None, as_json: bool) -> None:
    """Show methods and queries of a contract: a file, or by NAME a deployed or the ledger's own.

    \b
    Example: muniment contract describe catalogue
    """
    from node import contract_docs

    own = contract_docs.own(name)
    if own is not None:
        show(contract_docs.describe(own), as_json, _render)
        return
    if name.endswith(".star"):
        _describe_file(Path(name), as_json)
        return
    if home is None:
        raise click.UsageError("a deployed contract is described with --home; a file ends in .star")
    data = ask(home, "contracts", "describe", {"name": name})
    if data is None:
        raise Refused(f"no contract {name} is deployed; list what is: muniment contract list")
    show(data, as_json, _render)


def _describe_file(file: Path, as_json: bool) -> None:
    from contracts.system.contracts import describe as describe_module
    from node.contract_kit import check as check_file

    show(describe_module(check_file(file)), as_json, _render)


def _render(data: dict[str, Any]) -> None:
    click.echo(f"{data['name']}: {data['doc']}")
    for kind in ("methods", "queries"):
        for row in data[kind]:
            click.echo(f"\n{kind[:-1] if kind == 'methods' else 'query'} {row['name']}")
            click.echo("  " + row["doc"].replace("\n", "\n  "))
            if row["arguments"]:
                pairs([("  " + a["name"], a["type"]) for a in row["arguments"]])


def _proposal(
    kind: str, args: dict[str, Any], home: Path, passphrase_file: Path | None,
    options: tuple[bool, bool],
) -> None:  # fmt: skip
    vote, as_json = options
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file)
    show_proposed(put_to_vote(place, passphrase, kind, args, vote=vote), as_json)


_vote = click.option("--vote", is_flag=True, help="Vote yes on it at once.")


@contract.command()
@_FILE
@click.option("--name", help="What to call it; the file's name if not given.")
@click.option("--title", help="What it is, in a few words.")
@_vote
@home_option
@passphrase_option
@json_option
def deploy(
    file: Path, name: str | None, title: str | None, vote: bool, home: Path,
    passphrase_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Propose to deploy FILE.star; it is there once members have voted for it.

    \b
    Example: muniment contract deploy duty-rota.star --title "Who is on duty" --home tax
    """
    args = _code(file, name) | ({} if title is None else {"title": title})
    _proposal("deploy", args, home, passphrase_file, (vote, as_json))


@contract.command()
@_FILE
@click.option("--name", help="Which contract; the file's name if not given.")
@_vote
@home_option
@passphrase_option
@json_option
def upgrade(
    file: Path, name: str | None, vote: bool, home: Path, passphrase_file: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Propose to replace a contract's code by FILE.star; its state stays."""
    _proposal("upgrade", _code(file, name), home, passphrase_file, (vote, as_json))


@contract.command()
@click.argument("name")
@_vote
@home_option
@passphrase_option
@json_option
def retire(name: str, vote: bool, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Propose that the contract NAME takes no more calls."""
    _proposal("retire", {"name": name}, home, passphrase_file, (vote, as_json))


def _code(file: Path, name: str | None) -> dict[str, Any]:
    from node.contract_kit import check as check_file
    from node.contract_kit import contract_name, read_source

    check_file(file)
    return {"name": name or contract_name(file), "source": read_source(file)}


@contract.command("list")
@home_option
@json_option
def list_contracts(home: Path, as_json: bool) -> None:
    """List deployed contracts."""
    rows = ask(home, "contracts", "list", {})
    cells = [(r["name"], r["version"], r["status"], r["title"]) for r in rows]
    show(rows, as_json, lambda _: table(("contract", "version", "status", "title"), cells))


@contract.command()
@click.argument("name")
@click.argument("method")
@click.argument("arguments", metavar="[ARG=VALUE]...", nargs=-1)
@click.option("--seal", type=click.Path(path_type=Path), metavar="FILE.json",
              help="Seal this record and pass its envelope.")  # fmt: skip
@click.option("--forward", metavar="ID", help="Seal the record of this envelope anew instead.")
@click.option("--to", multiple=True, help="A member that the record is sealed to; repeatable.")
@click.option("--into", "word", default="envelope", show_default=True,
              help="The argument that takes the envelope.")  # fmt: skip
@signing_options
def call(
    name: str,
    method: str,
    arguments: tuple[str, ...],
    seal: Path | None,
    forward: str | None,
    to: tuple[str, ...],
    word: str,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Call a METHOD of the contract NAME, signed with the member key.

    A VALUE is JSON if it reads as JSON, else text; hex:00ff is bytes.

    With --seal or --forward a record is sealed to the members given and to a supervisor, anchored
    in the same transaction, and its id passed as an argument.

    \b
    Example: muniment contract call duty-rota take day=20454 shift=night officer=Li --home tax
      muniment contract call e-invoice issue invoice=land/7 buyer=civil \\
        --seal invoice.json --to civil --to tax --home land
    """
    place = Home(home)
    args = parse_arguments(arguments)
    if seal is not None and forward is not None:
        raise click.UsageError("give --seal or --forward, not both")
    passphrase = passphrase_for(place, passphrase_file, operator)
    if seal is None and forward is None:
        state = submit(place, passphrase, name, method, args, operator)
    else:
        from node.cli.sealing import id_from, open_here, read_record, seal_to, submit_sealed

        if seal is not None:
            content = read_record(seal, name)
        else:
            # The sealing key is the member's, under the home's passphrase.
            own = passphrase if operator is None else passphrase_for(place, None)
            _, content = open_here(place, id_from(place, forward or ""), own)
        args[word], anchor = seal_to(place, content, to)
        calls = [anchor, (name, method, args)]
        state = submit_sealed(place, passphrase, [args[word]], calls, operator)
    show(state, as_json, lambda d: pairs([("txid", d["txid"]), ("height", d["height"])]))


@contract.command()
@click.argument("name")
@click.argument("question", metavar="QUERY")
@click.argument("arguments", metavar="[ARG=VALUE]...", nargs=-1)
@home_option
@json_option
def query(name: str, question: str, arguments: tuple[str, ...], home: Path, as_json: bool) -> None:
    """Ask a QUERY of the contract NAME; the answer is JSON, with or without --json."""
    show(ask(home, name, question, parse_arguments(arguments)), True, click.echo)
