"""Commands for requests: ask for another member's data, and decide on what others ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from node.cli.common import (
    Refused,
    acting_option,
    ask,
    home_option,
    json_option,
    own_name,
    pairs,
    passphrase_for,
    passphrase_option,
    show,
    signing_options,
    submit,
    submit_calls,
    where,
)
from node.cli.requests_shown import (
    NUMBER,
    find_request,
    now_ms,
    print_request,
    query_of,
    show_briefs,
    show_decision,
    show_reasons,
)
from node.cli.reviewing import approve, deny, deputy
from node.cli.sealing import read_text, text_options
from node.home import Home

_F = TypeVar("_F", bound=Callable[..., Any])
_WHERE_HELP = "Only such records: \"city = 'Beijing' and year >= 2020\"; its values travel sealed."


@click.group()
def request() -> None:
    """Ask for another member's data, and decide on what others ask for.

    \b
    muniment request new land/parcels parcel area --purpose planning --basis contract \\
        --rows 5000 --days 90 --where "city = 'Beijing'" --text "Plan of 2027" --home tax
    muniment inbox --home land
    muniment request approve 1 --home land
    muniment request explain 1 --home tax
    """


def _term_options(needed: bool) -> Callable[[_F], _F]:
    """Add the options that say what is asked for; all may be left out where it is a change."""
    options = (
        click.option("--version", type=click.IntRange(1), help="One version; else the series."),
        click.option("--purpose", required=needed, help="See: muniment policy rules"),
        click.option("--basis", required=needed, help="consent, contract, public-task, statute..."),
        click.option("--statute", metavar="SLUG", help="The law of the basis statute."),
        click.option("--rows", type=click.IntRange(1), required=needed,
                     help="How many records, calls of a look-up, or answers."),
        click.option("--days", type=click.IntRange(1), required=needed, help="For how long."),
        click.option("--from", "begin", metavar="DATE", help="UTC; at once if left out."),
        click.option("--where", "conditions", multiple=True, metavar="CONDITION",
                     help=_WHERE_HELP),
        click.option("--lookup", "key", metavar="FIELD",
                     help="Ask for single records by this field."),
        click.option("--aggregate", is_flag=True, default=None,
                     help="Ask for noisy answers about these fields: muniment compute ask"),
        click.option("--audited/--linked", default=None, help="How delivery is proved."),
        click.option("--retention-days", type=click.IntRange(1),
                     help="How long it may be kept; as long as it is granted if left out."),
        click.option("--onward/--not-onward", default=None, help="It may be passed on."),
        click.option("--hours", metavar="HOURS", help="For example 'mon-fri 08:00-18:00 +08:00'."),
    )  # fmt: skip

    def add(function: _F) -> _F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def _terms(given: dict[str, Any], fields: Sequence[str], found: Any) -> tuple[dict[str, Any], Any]:
    """Return the arguments that options give (None: not given), and the conditions."""
    from node.exchange.asking import DAY_MS, parse_hours, parse_moment
    from node.exchange.terms import parse_where

    conditions = [each for text in given["conditions"] for each in parse_where(text)]
    begin = now_ms() if given["begin"] is None else parse_moment(given["begin"])
    days, audited, key = given["days"], given["audited"], given["key"]
    terms = {
        "fields": found.places(fields) if fields else None,
        "filter": found.filter(conditions) if conditions else None,
        "purpose": given["purpose"],
        "basis": given["basis"],
        "statute": given["statute"],
        "kind": "aggregate" if given["aggregate"] else None if key is None else "lookup",
        "key": None if key is None else found.place(key),
        "mode": None if audited is None else ("audited" if audited else "linked"),
        "from": begin if days is not None or given["begin"] is not None else None,
        "until": None if days is None else begin + days * DAY_MS,
        "rows": given["rows"],
        "retention_days": given["retention_days"],
        "onward": given["onward"],
        "hours": None if given["hours"] is None else parse_hours(given["hours"]),
    }
    return {word: value for word, value in terms.items() if value is not None}, conditions


def _submit_sealed(
    place: Home, passphrase: str, call: tuple[str, dict[str, Any]], within: dict[str, Any],
    owner: str, words: str | None, conditions: Sequence[Any], operator: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Submit a call of `access`; words and values of conditions go sealed to the owner.

    The envelope's id stands in `within`, which is the call's arguments or a part of them.
    """
    from node.cli.sealing import seal_to, submit_sealed
    from node.envelopes.content import Content
    from node.exchange.terms import KIND, sealed

    method, args = call
    if words is None and not conditions:
        return submit_calls(place, passphrase, [("access", method, args)], operator)
    content = Content.create(KIND, sealed(words, conditions))
    envelope, anchor = seal_to(place, content, (owner,))
    within["envelope"] = envelope
    calls = [anchor, ("access", method, args)]
    return submit_sealed(place, passphrase, [envelope], calls, operator)


@request.command()
@click.argument("dataset")
@click.argument("fields", metavar="[FIELD]...", nargs=-1)
@_term_options(needed=True)
@text_options
@click.option("--dry-run", is_flag=True, help="Only show what would be decided.")
@click.option("--anyway", is_flag=True, help="Send it though it would be denied.")
@signing_options
def new(
    dataset: str, fields: tuple[str, ...], version: int | None, text: str | None,
    file: Path | None, dry_run: bool, anyway: bool, home: Path, passphrase_file: Path | None,
    operator: str | None, as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Ask for FIELDs of DATASET, all if none is named; what would be decided is shown first.

    \b
    muniment request new land/parcels area --purpose planning --basis contract --rows 100 --days 30
    muniment request new civil/licences status --lookup licence_no --purpose public-service \\
        --basis contract --rows 1000 --days 365 --home tax
    """
    from node.exchange.asking import Dataset, is_trained

    place = Home(home)
    words = read_text(text, file, is_needed=False)
    found = Dataset.find(query_of(home), dataset, version)
    terms, conditions = _terms(given, fields or tuple(found.names), found)
    args = {
        "dataset": dataset, "version": version, "filter": [], "envelope": None, "kind": "table",
        "key": None, "mode": "linked", "retention_days": given["days"], "onward": False,
        "hours": None, **terms,
    }  # fmt: skip
    envelope = bytes(32) if conditions or words else None
    own, now = own_name(place), now_ms()
    trained = operator is None or is_trained(query_of(home), own, operator, now)
    preview = {"recipient": own, "time": now, "trained": trained}
    expected = ask(home, "access", "preview", {**args, **preview, "envelope": envelope})
    data: dict[str, Any] = {"decision": expected}
    is_sent = not dry_run and (anyway or expected["outcome"] != "DENY")
    if is_sent:
        passphrase = passphrase_for(place, passphrase_file, operator)
        owner = found.registration["owner"]
        args["standard"] = found.digest
        state = _submit_sealed(
            place, passphrase, ("request", args), args, owner, words, conditions, operator
        )
        number = next(event[2][0] for event in state["events"] if event[1] == "requested")
        made = ask(home, "access", "request", {"request": number})
        data |= {"request": number, "status": made["status"], **where(state)}

    def render(d: dict[str, Any]) -> None:
        show_decision(d["decision"], found.names)
        if is_sent:
            pairs([(word, d[word]) for word in ("request", "status", "txid", "height")])

    show(data, as_json, render)
    if not is_sent and not dry_run:
        raise Refused("not sent, since it would be denied; --anyway puts it on record")


@request.command("list")
@click.option("--before", type=click.IntRange(1), help="Only requests below this number.")
@home_option
@json_option
def list_requests(before: int | None, home: Path, as_json: bool) -> None:
    """List this member's requests and those for its data, the latest first."""
    args: dict[str, Any] = {"member": own_name(Home(home))}
    if before is not None:
        args["before"] = before
    rows = ask(home, "access", "list", args)
    show(rows, as_json, lambda _: show_briefs(rows))


@request.command("show")
@NUMBER
@click.option("--sealed", is_flag=True, help="Also the text and the values that travel sealed.")
@home_option
@passphrase_option
@json_option
def show_request(
    number: int, sealed: bool, home: Path, passphrase_file: Path | None, as_json: bool
) -> None:
    """Show the request ID: what is asked for, how it stands, who has reviewed it."""
    from node.exchange.asking import fields_of

    found = find_request(home, number)
    if sealed:
        found["sealed"] = _open(Home(home), passphrase_file, found["args"])
    names = [field["name"] for field in fields_of(query_of(home), found["standard"])]
    show(found, as_json, lambda d: print_request(d, names))


def _open(place: Home, passphrase_file: Path | None, args: dict[str, Any]) -> dict[str, Any]:
    """The text and the filter's values of a request. Raises EnvelopeError."""
    from node.cli.sealing import open_here
    from node.exchange.terms import read_values

    if args["envelope"] is None:
        return {"text": None, "filter": []}
    passphrase = passphrase_for(place, passphrase_file)
    _, content = open_here(place, bytes.fromhex(args["envelope"]), passphrase)
    record = dict(zip(content.names, content.values, strict=True))
    return {"text": record.get("text"), "filter": read_values(record, len(args["filter"]))}


@request.command()
@NUMBER
@home_option
@json_option
def explain(number: int, home: Path, as_json: bool) -> None:
    """Say which rules decided on the request ID, and what would change that."""
    from node.exchange.asking import fields_of
    from node.render import render

    find_request(home, number)
    data = ask(home, "access", "explain", {"request": number, "time": now_ms()})
    asked, now = data["request"], data["now"]
    names = [field["name"] for field in fields_of(query_of(home), asked["standard"])]

    def print_it(_: dict[str, Any]) -> None:
        pairs([
            ("request", f"{number}: {asked['status']} ({asked['rule']})"),
            ("decided", f"{asked['outcome'].lower()}, L{asked['level']}, at height "
                        f"{asked['height']}"),
            ("policy", asked["policy"]),
        ])  # fmt: skip
        show_reasons(asked["reasons"], names)
        if now is None:
            dataset = asked["args"]["dataset"]
            click.echo(f"Today it could not be decided: {render(data['fault'], dataset)}.")
        elif (now["outcome"], now["reasons"]) != (asked["outcome"], asked["reasons"]):
            click.echo(f"Today it would be {now['outcome'].lower()} ({now['rule']}):")
            show_reasons(now["reasons"], names)

    show(data, as_json, print_it)


def _change(
    method: str, number: int, fields: tuple[str, ...], home: Path, passphrase_file: Path | None,
    operator: str | None, as_json: bool, version: int | None, text: str | None,
    file: Path | None, given: dict[str, Any],
) -> None:  # fmt: skip
    """Amend or clone a request with what options give."""
    from node.exchange.asking import Dataset

    place = Home(home)
    before = find_request(home, number)["args"]
    version = before["version"] if version is None else version
    found = Dataset.find(query_of(home), before["dataset"], version)
    changes, conditions = _terms(given, fields, found)
    if version != before["version"]:
        changes["version"] = version
    words = read_text(text, file, is_needed=False)
    if words is not None and before["filter"] and not conditions:
        raise click.UsageError("a new text takes the values of --where with it; give both")
    if not changes and words is None:
        raise click.UsageError("say what is to be changed; see --help")
    args = {"request": number, "changes": changes}
    if fields or conditions or given["key"] is not None:
        args["standard"] = found.digest
    passphrase = passphrase_for(place, passphrase_file, operator)
    owner = found.registration["owner"]
    state = _submit_sealed(
        place, passphrase, (method, args), changes, owner, words, conditions, operator
    )
    made = next((e[2][0] for e in state["events"] if e[1] == "requested"), number)
    status = ask(home, "access", "request", {"request": made})["status"]
    data = {"request": made, "status": status, **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))


def _changing(function: _F) -> _F:
    """Add what `amend` and `clone` take."""
    for option in (
        NUMBER, click.argument("fields", metavar="[FIELD]...", nargs=-1),
        _term_options(needed=False), text_options, home_option, passphrase_option, acting_option,
        json_option,
    )[::-1]:  # fmt: skip
        function = option(function)
    return function


@request.command()
@_changing
def amend(
    number: int, fields: tuple[str, ...], version: int | None, text: str | None,
    file: Path | None, home: Path, passphrase_file: Path | None, operator: str | None,
    as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Change the request ID, which waits; it is decided anew.

    \b
    Example: muniment request amend 1 --rows 500 --home tax
    """
    _change("amend", number, fields, home, passphrase_file, operator, as_json, version, text,
            file, given)  # fmt: skip


@request.command()
@_changing
def clone(
    number: int, fields: tuple[str, ...], version: int | None, text: str | None,
    file: Path | None, home: Path, passphrase_file: Path | None, operator: str | None,
    as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Ask for what the own request ID asked for, with changes; without --days until the same day.

    \b
    Example: muniment request clone 1 --days 90 --home tax
    """
    _change("clone", number, fields, home, passphrase_file, operator, as_json, version, text,
            file, given)  # fmt: skip


@request.command()
@NUMBER
@signing_options
def withdraw(
    number: int, home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool
) -> None:
    """Take the own request ID back, or give its grant back."""
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    state = submit(place, passphrase, "access", "withdraw", {"request": number}, operator)
    show({"request": number, **where(state)}, as_json, lambda d: pairs(list(d.items())))


for review in (approve, deny, deputy):
    request.add_command(review)
