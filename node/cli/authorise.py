"""Commands around authorisations: of subjects, of owners, and of recipients who have to erase."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.collect import chain_of, unlocked
from node.cli.common import (
    Refused,
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
    submit,
    table,
    where,
)
from node.cli.spans import DAY
from node.home import Home, atomic_write

if TYPE_CHECKING:
    from node.exchange.authorise import Authorisations
    from node.exchange.erasure import Row

_NUMBER = click.argument("number", metavar="OBLIGATION", type=click.IntRange(1))
_DATASET = click.argument("dataset")
_FOR = click.option("--for", "recipient", required=True, help="The member that gets records.")
_PURPOSE = click.option("--purpose", required=True)
_OUTPUT = click.option("-o", "--output", required=True, type=click.Path(path_type=Path))


@click.group()
def authorise() -> None:
    """Authorise the use of one's own data, and see what subjects authorised (docs/subjects.md).

    \b
    A subject:    muniment authorise sign li.key form.json --identity 11010119900307123X -o li.json
                  muniment authorise ask li.key form.json --identity ... --letter -o letter.json
    An owner:     muniment authorise coverage land/permits --for tax --purpose audit --home land
    A recipient:  muniment authorise due --home tax
    """


# Subjects; they need no node


def _subject_options(function: Any) -> Any:
    for option in (
        click.argument("key_file", metavar="KEYFILE", type=click.Path(path_type=Path)),
        click.argument("form", metavar="FORM", type=click.Path(path_type=Path)),
        click.option("--identity", required=True, help="Whose record it is, as datasets have it."),
        click.option("--guardian", help="The identity of who signs for them, if another person."),
        click.option("--letter", is_flag=True, help="For the registrar's portal, which answers."),
        click.option("--yes", is_flag=True, help="Sign without asking."),
        _OUTPUT,
        passphrase_option,
    )[::-1]:
        function = option(function)
    return function


@authorise.command()
@_subject_options
def sign(
    key_file: Path, form: Path, identity: str, guardian: str | None, letter: bool, yes: bool,
    output: Path, passphrase_file: Path | None,
) -> None:  # fmt: skip
    """Show what FORM of a registrar asks for and sign it, with a key made for this one signature.

    Give the file to the registrar only: it says who you are.
    """
    _declare("authorise", key_file, form, identity, guardian, letter, yes, output, passphrase_file)


@authorise.command()
@_subject_options
def withdraw(
    key_file: Path, form: Path, identity: str, guardian: str | None, letter: bool, yes: bool,
    output: Path, passphrase_file: Path | None,
) -> None:  # fmt: skip
    """Sign that what was authorised on FORM is withdrawn. A registrar also takes it without key."""
    _declare("withdraw", key_file, form, identity, guardian, letter, yes, output, passphrase_file)


@authorise.command("ask")
@_subject_options
def ask_who(
    key_file: Path, form: Path, identity: str, guardian: str | None, letter: bool, yes: bool,
    output: Path, passphrase_file: Path | None,
) -> None:  # fmt: skip
    """Sign the question who asked for, had and was refused the record that FORM is about.

    The registrar answers it with: muniment trace subject --asked FILE
    """
    _declare("ask", key_file, form, identity, guardian, letter, yes, output, passphrase_file)


@authorise.command()
@_subject_options
@click.option("--words", required=True, help="What is wrong, in your own words.")
def complain(
    key_file: Path, form: Path, identity: str, guardian: str | None, letter: bool, yes: bool,
    output: Path, passphrase_file: Path | None, words: str,
) -> None:  # fmt: skip
    """Sign a complaint about the use of the record that FORM is about; always a letter.

    It asks who had the record, too, and the registrar answers in its own words.

    \b
    Example: muniment authorise complain li.key form.json --identity 11010119900307123X \\
               --words "I never agreed to the audit" -o letter.json
    """
    if not words.strip():
        raise click.UsageError("--words is empty")
    _declare("ask", key_file, form, identity, guardian, True, yes, output, passphrase_file, words)


def _declare(
    kind: str, key_file: Path, form: Path, identity: str, guardian: str | None, letter: bool,
    yes: bool, output: Path, passphrase_file: Path | None, words: str = "",
) -> None:  # fmt: skip
    """Sign a declaration, or a `letter` with it and a complaint's `words`."""
    from node.exchange.consent import refer
    from node.exchange.declaration import Form, declare
    from node.exchange.declaration import words as words_of
    from node.exchange.letter import write
    from node.keys import load_key, read_passphrase

    found = Form.load(form)
    if not yes:
        text = words_of(kind, found.scope, refer(found.key, identity))
        more = f"\nWith the words: {words}" if words else ""
        click.confirm(f"For {identity}:\n{text}{more}\nSign this?", abort=True, err=True)
    seed = load_key(key_file, "subject", read_passphrase(passphrase_file))
    made = declare(kind, found, seed, identity, guardian or identity)
    if not letter:
        atomic_write(output, made.to_json().encode(), 0o600)
        click.echo(f"wrote {output}; hand it to {found.scope.registrar}, and to nobody else")
        return
    sealed, code = write(found, made, seed, words)
    atomic_write(output, sealed.to_json().encode(), 0o600)
    click.echo(
        f"wrote {output}; hand it in at the portal of {found.scope.registrar}, under My data"
    )
    click.echo(f"its answer is read there with this code, and by nobody without it:\n{code}")


# Owners


def load_authorisations(
    home: Path, passphrase: str, dataset: str, recipient: str, purpose: str
) -> Authorisations:
    """Open the batches that hold now for a dataset of this home. Raises MunimentError."""
    from node.cli.sealing import opener
    from node.exchange.authorise import Authorisations
    from node.network import load_genesis

    place = Home(home)
    return Authorisations.load(
        load_genesis(place.genesis).genesis.chain_id,
        lambda contract, method, args: ask(home, contract, method, args),
        opener(place, passphrase),
        (dataset, recipient, purpose),
        time.time_ns() // 1_000_000,
    )


@authorise.command()
@_DATASET
@_FOR
@_PURPOSE
@click.option("--version", type=click.IntRange(1), help="By default the latest.")
@home_option
@passphrase_option
@json_option
def coverage(
    dataset: str,
    recipient: str,
    purpose: str,
    version: int | None,
    home: Path,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Count the records of your DATASET that subjects authorise, and those left out."""
    from getpass import getuser

    from node.data.custody import Custody

    passphrase = passphrase_for(Home(home), passphrase_file)
    found = load_authorisations(home, passphrase, dataset, recipient, purpose)
    number = version or query(home, "catalogue", {"dataset": dataset})["latest"]
    held = Custody(Home(home), *chain_of(home, passphrase_file))
    opened = held.open(dataset, number)
    held.log.note(getuser(), dataset, number, (1, opened.head.rows), "authorise coverage")
    covered = sum(map(found.covers, opened.rows()))
    left_out = opened.head.rows - len(opened.erased()) - covered
    data = {
        "dataset": dataset, "version": number, "batches": [b.scope.batch for b in found.batches],
        "covered": covered, "left_out": left_out, "forged": sum(b.forged for b in found.batches),
        "faults": list(found.faults),
    }  # fmt: skip
    show(data, as_json, lambda d: pairs(list(d.items())))


@authorise.command()
@_DATASET
@_FOR
@_PURPOSE
@click.option("--identity", required=True, help="Whose record was delivered.")
@_OUTPUT
@home_option
@passphrase_option
def prove(
    dataset: str,
    recipient: str,
    purpose: str,
    identity: str,
    output: Path,
    home: Path,
    passphrase_file: Path | None,
) -> None:
    """Write the proof that one record may be delivered now, for the supervisor or its subject."""
    passphrase = passphrase_for(Home(home), passphrase_file)
    found = load_authorisations(home, passphrase, dataset, recipient, purpose)
    atomic_write(output, found.prove(identity).encode(), 0o600)
    click.echo(f"wrote {output}")


@authorise.command()
@click.argument("file", type=click.Path(path_type=Path))
@home_option
@json_option
def verify(file: Path, home: Path, as_json: bool) -> None:
    """Check a proof of `authorise prove` against the chain as this node has it."""
    from consensus.codec import DecodeError
    from node.exchange.authorise import Proof
    from node.network import load_genesis

    try:
        proof = Proof.decode(file.read_bytes())
    except (OSError, DecodeError) as error:
        raise Refused(f"{file} is no proof of an authorisation: {error}") from error
    row = ask(home, "subjects", "batch", {"batch": proof.batch})
    if row is None:
        raise Refused(f"there is no batch {proof.batch}")
    proof.check(load_genesis(Home(home).genesis).genesis.chain_id, row)
    scope = {name: row[name] for name in ("dataset", "recipient", "purpose", "until")}
    data = {"batch": proof.batch, "reference": proof.entry.reference.hex(), **scope}
    show(data, as_json, lambda d: pairs(list(d.items())))


# What a withdrawal obliges to


@authorise.command()
@home_option
@json_option
def due(home: Path, as_json: bool) -> None:
    """List what withdrawals oblige this member to: to tell the recipient, or to erase."""
    import config

    name = config.load(Home(home).settings).node.name
    rows: list[dict[str, Any]] = []
    args: dict[str, Any] = {"member": name}
    while page := ask(home, "subjects", "obligations", args):
        rows += page
        args["after"] = page[-1]["id"]
    titles = ("no", "dataset", "recipient", "to do", "by", "envelope")
    cells = [(r["id"], r["dataset"], r["recipient"],
              "tell" if r["status"] == "telling" else "erase",
              moment(r["due"])[:16] + (" overdue" if r["overdue"] else ""),
              (r["envelope"] or "")[:16]) for r in rows]  # fmt: skip
    show(rows, as_json, lambda _: table(titles, cells))


@authorise.command()
@_NUMBER
@click.option("--rows", "file", type=click.Path(path_type=Path), help="JSON: [[delivery, row]...]; "
              "without it those of what exchange serve has delivered.")  # fmt: skip
@home_option
@passphrase_option
@json_option
def tell(
    number: int, file: Path | None, home: Path, passphrase_file: Path | None, as_json: bool
) -> None:
    """Tell the recipient in a sealed envelope which delivered rows are withdrawn."""
    from node.cli.sealing import seal_to, submit_sealed
    from node.exchange.erasure import order_record, read_rows

    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file)
    found = _obligation(home, number)
    rows = _rows_to_tell(place, passphrase, found) if file is None else read_rows(file)
    envelope, anchor = seal_to(place, order_record(number, rows), [found["recipient"]])
    call = ("subjects", "tell", {"obligation": number, "envelope": envelope})
    state = submit_sealed(place, passphrase, [envelope], [anchor, call], None)
    data = {"obligation": number, "rows": len(rows), **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))


def _rows_to_tell(place: Home, passphrase: str, obligation: dict[str, Any]) -> list[Row]:
    from getpass import getuser

    from node.cli.sealing import opener
    from node.exchange.erasure import rows_to_tell

    chain, master = unlocked(place.path, passphrase)
    unseal, now_ms = opener(place, passphrase), time.time_ns() // 1_000_000
    return rows_to_tell(place, chain, master, unseal, obligation, getuser(), now_ms)


@authorise.command()
@_NUMBER
@home_option
@passphrase_option
@json_option
def rows(number: int, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Show which rows of which deliveries an obligation asks to erase."""
    found = _told_rows(home, number, passphrase_for(Home(home), passphrase_file))
    show(found, as_json, lambda _: table(("delivery", "row"), found))


@authorise.command()
@_NUMBER
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
@passphrase_option
@json_option
def erased(number: int, yes: bool, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Erase the rows of an obligation from what was fetched here, and attest that they are gone."""
    from node.exchange.erasure import erase_rows

    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file)
    found = _told_rows(home, number, passphrase)
    if not yes and found:
        click.confirm(
            f"{len(found)} rows are erased from what was fetched; they are to be gone from exports "
            "and backups too. Attest?",
            abort=True, err=True,
        )  # fmt: skip
    erase_rows(place, *unlocked(home, passphrase), found)
    state = submit(place, passphrase, "subjects", "erased", {"obligation": number})
    data = {"obligation": number, "rows": len(found), **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))


def _obligation(home: Path, number: int) -> dict[str, Any]:
    found = ask(home, "subjects", "obligation", {"obligation": number})
    if found is None:
        raise Refused(f"there is no obligation {number}; see: muniment authorise due")
    return dict(found)


def _told_rows(home: Path, number: int, passphrase: str) -> list[list[int]]:
    from node.cli.sealing import open_here
    from node.exchange.erasure import rows_of

    found = _obligation(home, number)
    if found["envelope"] is None:
        raise Refused(f"{found['owner']} has not told which rows obligation {number} concerns")
    _, content = open_here(Home(home), bytes.fromhex(found["envelope"]), passphrase)
    return rows_of(number, content)


# By law


@authorise.group()
def law() -> None:
    """Use data under a statute that members have enacted, with notice to subjects afterwards.

    \b
    muniment authorise law invoke tax-act-12 land/permits --purpose audit --registrar civil \\
        --until 2027-01-31 --home tax
    muniment authorise law allow 1 --notice 2026-12-31 --home court
    """


@law.command()
@click.argument("statute")
@_DATASET
@_PURPOSE
@click.option("--registrar", required=True, help="Who is to notify those concerned.")
@click.option("--until", type=DAY, required=True)
@signing_options
def invoke(
    statute: str,
    dataset: str,
    purpose: str,
    registrar: str,
    until: int,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Ask to use DATASET under STATUTE; a supervisor reviews it."""
    args = {"statute": statute, "dataset": dataset, "purpose": purpose, "registrar": registrar,
            "until": until}  # fmt: skip
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    state = submit(place, passphrase, "subjects", "invoke", args, operator)
    number = next(data[0] for _, name, data in state["events"] if name == "invoked")
    show({"use": number, **where(state)}, as_json, lambda d: pairs(list(d.items())))


@law.command()
@click.argument("use", type=click.IntRange(1))
@click.option("--notice", type=DAY, required=True, help="By when subjects have to be notified.")
@signing_options
def allow(
    use: int,
    notice: int,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Allow a USE, as a supervisor that is not concerned."""
    _review(home, passphrase_file, {"use": use, "notice": notice}, operator, as_json)


@law.command()
@click.argument("use", type=click.IntRange(1))
@signing_options
def refuse(
    use: int,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Refuse a USE."""
    _review(home, passphrase_file, {"use": use, "notice": None}, operator, as_json)


def _review(
    home: Path, passphrase_file: Path | None, args: dict[str, Any], operator: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    state = submit(place, passphrase, "subjects", "review", args, operator)
    show(where(state), as_json, lambda d: pairs(list(d.items())))


@law.command("list")
@home_option
@json_option
def list_uses(home: Path, as_json: bool) -> None:
    """List uses under statutes, and when notice is due."""
    rows: list[dict[str, Any]] = []
    args: dict[str, Any] = {}
    while page := ask(home, "subjects", "uses", args):
        rows += page
        args["after"] = page[-1]["id"]
    titles = ("no", "statute", "dataset", "recipient", "purpose", "status", "notice by")
    cells = [(r["id"], r["statute"], r["dataset"], r["recipient"], r["purpose"], r["status"],
              "" if r["notice"] is None else moment(r["notice"])[:10]
              + (" overdue" if r["overdue"] else "")) for r in rows]  # fmt: skip
    show(rows, as_json, lambda _: table(titles, cells))
