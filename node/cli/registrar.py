"""Commands of a registrar: who is who, batches of what they authorise, withdrawals."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

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
from node.cli.letters import answer, dismiss, letters
from node.cli.person import person_options
from node.cli.spans import DAY
from node.home import Home, atomic_write

if TYPE_CHECKING:
    from node.exchange.declaration import Declaration
    from node.exchange.registrar import Register

_BATCH = click.argument("batch", type=click.IntRange(1))
_PERSON = click.argument("person")
_KEY = click.option("--key", required=True, metavar="HEX",
                    help="The public key that `muniment subject key` printed.")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Office:
    """A registrar's home with its keys unlocked; the register is held while the command runs.

    `passphrase` is that of the member, or of the operator who signs.
    """

    home: Home
    passphrase: str
    register: Register
    operator: str | None

    @classmethod
    def open(
        cls,
        home: Path,
        passphrase_file: Path | None,
        operator: str | None = None,
        operator_file: Path | None = None,
    ) -> Office:
        from node.exchange.registrar import Register
        from node.keys import load_key, read_passphrase

        place = Home(home)
        passphrase = passphrase_for(place, passphrase_file)
        master = load_key(place.key("vault"), "vault", passphrase)
        register = Register(place.registrar, master)
        click.get_current_context().with_resource(register.alone())
        signs = passphrase if operator is None else read_passphrase(operator_file)
        return cls(place, signs, register, operator)

    def take(self, declaration: Declaration) -> None:
        """Take an authorisation or a withdrawal. Raises AuthoriseError, Refused."""
        from node.exchange.declaration import AUTHORISE

        known = _on_chain(self, declaration.batch)["status"]
        if declaration.kind == AUTHORISE and known != "open":
            raise Refused(f"batch {declaration.batch} is {known}; sign for another one")
        self.register.take(declaration, _now())


def _now() -> int:
    return time.time_ns() // 1_000_000


def _public_key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise click.UsageError("--key has 64 hexadecimal digits, as muniment subject key prints")
    return key


@click.group()
def registrar() -> None:
    """Know the persons behind authorisations, which the chain never does (docs/subjects.md).

    \b
    muniment registrar person 11010119900307123X --key HEX --home civil
    muniment registrar open land/permits --for tax --purpose public-service --field number \\
        --until 2027-01-31 -o form.json --home civil
    muniment registrar take li.json wang.json --home civil
    muniment registrar post 1 --home civil
    muniment registrar withdraw 11010119900307123X --home civil
    muniment registrar refresh --home civil
    muniment registrar letters --home civil
    """


for _command in (letters, answer, dismiss):
    registrar.add_command(_command)


# Persons


@registrar.command()
@_PERSON
@_KEY
@click.option("--of-age", type=DAY, default=0, help="From the day after they sign for themselves.")
@click.option("--guardian", "guardians", multiple=True, help="Who signs for them; repeatable.")
@home_option
@passphrase_option
def person(
    person: str,
    key: str,
    of_age: int,
    guardians: tuple[str, ...],
    home: Path,
    passphrase_file: Path | None,
) -> None:
    """Register a PERSON, by what identifies them in datasets, with the key they showed you.

    Identify the person first: from now on this key speaks for them.
    """
    from node.exchange.registrar import Person

    register = Office.open(home, passphrase_file).register
    if register.find(person) is not None:
        raise Refused("this person is registered; see: muniment registrar lost, guardians, died")
    for each in guardians:
        register.require(each)
    register.put(Person(person, _public_key(key), of_age, guardians))
    click.echo("registered")


@registrar.command()
@_PERSON
@click.argument("guardian", nargs=-1)
@home_option
@passphrase_option
def guardians(
    person: str, guardian: tuple[str, ...], home: Path, passphrase_file: Path | None
) -> None:
    """Name all who sign for PERSON from now on; what others signed is withdrawn."""
    count = Office.open(home, passphrase_file).register.set_guardians(person, guardian)
    _say_withdrawn(count)


@registrar.command()
@_PERSON
@_KEY
@home_option
@passphrase_option
def lost(person: str, key: str, home: Path, passphrase_file: Path | None) -> None:
    """Give PERSON, who has lost their key, another; what the lost one signed is withdrawn."""
    count = Office.open(home, passphrase_file).register.replace_key(person, _public_key(key))
    _say_withdrawn(count)


@registrar.command()
@_PERSON
@home_option
@passphrase_option
def died(person: str, home: Path, passphrase_file: Path | None) -> None:
    """Note that PERSON has died: what they signed, or was signed for them, is withdrawn."""
    _say_withdrawn(Office.open(home, passphrase_file).register.bury(person))


@registrar.command()
@_PERSON
@click.option("--batch", type=click.IntRange(1), help="Only for this batch's purpose.")
@home_option
@passphrase_option
def withdraw(person: str, batch: int | None, home: Path, passphrase_file: Path | None) -> None:
    """Withdraw what PERSON authorised, as they ask at the counter; no key is needed."""
    from node.exchange.registrar import ON_REQUEST

    count = Office.open(home, passphrase_file).register.withdraw(person, batch, ON_REQUEST)
    _say_withdrawn(count)


def _say_withdrawn(count: int) -> None:
    click.echo(f"{count} authorisations withdrawn")
    if count:
        click.echo("tell the chain with: muniment registrar refresh")


@registrar.command("show")
@_PERSON
@home_option
@passphrase_option
@json_option
def show_person(person: str, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Show what is known of PERSON, and what they authorised."""
    register = Office.open(home, passphrase_file).register
    known = register.require(person)
    entries = [
        {"batch": d.scope.batch, "dataset": d.scope.dataset, "recipient": d.scope.recipient,
         "purpose": d.scope.purpose, "withdrawn": e.withdrawn}
        for d, e in register.entries_of(person)
    ]  # fmt: skip
    data = {"person": known.identity, "key": (known.key or b"").hex(), "status": known.status,
            "of_age": known.of_age, "guardians": list(known.guardians),
            "authorisations": entries}  # fmt: skip

    def render(d: dict[str, Any]) -> None:
        pairs([(name, d[name]) for name in ("person", "key", "status")])
        table(("batch", "dataset", "recipient", "purpose", "withdrawn"),
              [[cell or "" for cell in e.values()] for e in entries])  # fmt: skip

    show(data, as_json, render)


# Batches


@registrar.command("open")
@click.argument("dataset")
@click.option("--for", "recipient", required=True, help="The member that is to get records.")
@click.option("--purpose", required=True)
@click.option("--field", required=True, help="The field that says whose a record is.")
@click.option("--until", type=DAY, required=True)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@home_option
@passphrase_option
@person_options
@json_option
def open_batch(
    dataset: str,
    recipient: str,
    purpose: str,
    field: str,
    until: int,
    output: Path,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    operator_file: Path | None,
    as_json: bool,
) -> None:
    """Open a batch for a DATASET, recipient and purpose; write the form that subjects sign."""
    from node.exchange.consent import Scope
    from node.network import load_genesis

    office = Office.open(home, passphrase_file, operator, operator_file)
    found = query(home, "catalogue", {"dataset": dataset})
    standard = query(home, "standards", {"id": found["standard"][0],
                                         "version": found["standard"][1]})["standard"]  # fmt: skip
    names = [each["name"] for each in standard["fields"]]
    if field not in names:
        raise Refused(f"{dataset} has no field {field!r}; it has {', '.join(names)}")
    args = {"dataset": dataset, "recipient": recipient, "purpose": purpose,
            "field": names.index(field), "until": until}  # fmt: skip
    state = submit(office.home, office.passphrase, "subjects", "open", args, office.operator)
    number = next(data[0] for _, name, data in state["events"] if name == "opened")
    row = ask(home, "subjects", "batch", {"batch": number})
    chain_id = load_genesis(office.home.genesis).genesis.chain_id
    draft = office.register.open_batch(Scope.of(chain_id, row))
    atomic_write(output, draft.form.to_json().encode(), 0o644)
    data = {"batch": number, "form": str(output), **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))


@registrar.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@home_option
@passphrase_option
@json_option
def take(files: tuple[Path, ...], home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Take what subjects signed, authorisations and withdrawals; refuses what is not theirs."""
    from node.errors import MunimentError
    from node.exchange.declaration import Declaration

    office = Office.open(home, passphrase_file)
    results = []
    for file in files:
        try:
            declaration = Declaration.load(file)
            office.take(declaration)
            results.append((str(file), declaration.kind, ""))
        except MunimentError as error:
            results.append((str(file), "refused", error.message))
    data = [dict(zip(("file", "result", "why"), row, strict=True)) for row in results]
    show(data, as_json, lambda _: table(("file", "result", "why"), results))
    refused = [row for row in results if row[1] == "refused"]
    if refused:
        raise Refused(f"{len(refused)} of {len(results)} were refused: {refused[0][2]}")


@registrar.command()
@_BATCH
@home_option
@passphrase_option
@person_options
@json_option
def post(
    batch: int,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    operator_file: Path | None,
    as_json: bool,
) -> None:
    """Post a batch: its roots to the chain, its authorisations in sealed envelopes to the owner."""
    office = Office.open(home, passphrase_file, operator, operator_file)
    known = _on_chain(office, batch)
    if known["status"] != "open":
        raise Refused(f"batch {batch} is {known['status']}")
    state = _publish(office, batch, 0)
    draft = office.register.load(batch)
    data = {"batch": batch, "authorisations": len(draft.entries), **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))


@registrar.command()
@click.option("--all", "every", is_flag=True, help="Revise batches in which nothing changed too.")
@home_option
@passphrase_option
@person_options
@json_option
def refresh(
    every: bool,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    operator_file: Path | None,
    as_json: bool,
) -> None:
    """Tell the chain of withdrawals, and withdraw what guardians signed for those now of age.

    Run it by the clock, with --all: then others cannot tell when somebody withdrew, nor where.
    """
    office = Office.open(home, passphrase_file, operator, operator_file)
    office.register.review_wards(_now())
    revised = []
    for number in office.register.batches():
        draft = office.register.load(number)
        known = _on_chain(office, number)
        is_live = known["status"] == "posted" and known["until"] > _now()
        if is_live and (every or draft.is_behind or known["revision"] != draft.revision):
            _publish(office, number, known["revision"])
            revised.append(number)
    data = {"revised": revised}
    show(data, as_json, lambda _: click.echo(f"{len(revised)} batches revised"))


def _on_chain(office: Office, number: int) -> dict[str, Any]:
    found = ask(office.home.path, "subjects", "batch", {"batch": number})
    if found is None:
        raise Refused(f"there is no batch {number}")
    return dict(found)


def _publish(office: Office, number: int, known: int) -> dict[str, Any]:
    """Seal a batch, or its states, to the owner and tell the chain; `known` is its revision."""
    from node.cli.sealing import seal_to, submit_sealed

    made = office.register.prepare(number, known)
    contents = [made.states] if known else [*made.parts, made.states]
    sealed = [seal_to(office.home, each, [made.draft.scope.owner]) for each in contents]
    envelopes = [envelope for envelope, _ in sealed]
    args: dict[str, Any] = {"batch": number, "states": made.states_root, "envelope": envelopes[-1]}
    if known:
        method, args = "revise", {**args, "revision": known + 1}
    else:
        method = "post"
        args = {**args, "count": made.count, "root": made.root, "parts": envelopes[:-1]}
    calls = [*(anchor for _, anchor in sealed), ("subjects", method, args)]
    state = submit_sealed(office.home, office.passphrase, envelopes, calls, office.operator)
    office.register.save(made.draft)
    return state


@registrar.command()
@_BATCH
@click.option("--yes", is_flag=True, help="Do not ask.")
@signing_options
def end(
    batch: int,
    yes: bool,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """End a batch with all its authorisations, for good."""
    if not yes:
        click.confirm(f"End batch {batch} with all that it authorises?", abort=True, err=True)
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    state = submit(place, passphrase, "subjects", "end", {"batch": batch}, operator)
    show(where(state), as_json, lambda d: pairs(list(d.items())))


@registrar.command()
@click.option("--days", type=click.IntRange(0), required=True, help="Over for so long.")
@home_option
@passphrase_option
@json_option
def prune(days: int, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Destroy what the register holds of batches that have been over for some DAYS.

    Who authorised what can then not be shown any more: mind the terms for complaints.
    """
    office = Office.open(home, passphrase_file)
    pruned = [
        number
        for number in office.register.batches()
        if office.register.load(number).scope.until + days * 86_400_000 < _now()
    ]
    for number in pruned:
        office.register.forget(number)
    show({"pruned": pruned}, as_json, lambda _: click.echo(f"{len(pruned)} batches destroyed"))


@registrar.command("list")
@home_option
@passphrase_option
@json_option
def list_batches(home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """List the batches of this register, with how many authorised and withdrew."""
    office = Office.open(home, passphrase_file)
    rows = []
    for number in office.register.batches():
        draft, known = office.register.load(number), _on_chain(office, number)
        rows.append({
            "batch": number, "dataset": draft.scope.dataset, "recipient": draft.scope.recipient,
            "purpose": draft.scope.purpose, "until": draft.scope.until, "status": known["status"],
            "revision": known["revision"], "authorised": len(draft.entries),
            "withdrawn": len(draft.withdrawn), "untold": draft.is_behind,
        })  # fmt: skip
    titles = ("no", "dataset", "recipient", "purpose", "until", "status", "authorised", "withdrawn")
    cells = [(r["batch"], r["dataset"], r["recipient"], r["purpose"], moment(r["until"])[:10],
              r["status"], r["authorised"], r["withdrawn"]) for r in rows]  # fmt: skip
    show(rows, as_json, lambda _: table(titles, cells))


@registrar.command()
@click.argument("use", type=click.IntRange(1))
@signing_options
def notified(
    use: int, home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool
) -> None:
    """Attest that those concerned by a USE under a statute have been notified of it."""
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    state = submit(place, passphrase, "subjects", "notified", {"use": use}, operator)
    show(where(state), as_json, lambda d: pairs(list(d.items())))
