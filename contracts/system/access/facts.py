"""What a request says, and what the ledger knows that a decision on it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consensus.codec import DecodeError, Value, expect_list
from contracts import checks
from contracts.api import Args, Checker, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import catalogue, members, permits, sanctions, standards, statutes
from contracts.system.access import rules
from contracts.system.access.rules import DAY_MS
from contracts.system.standards import FieldGrade

OPERATORS = ("eq", "ge", "gt", "in", "le", "lt", "ne", "prefix")
AGGREGATE = "aggregate"
KINDS = (AGGREGATE, "lookup", "table")
MODES = ("audited", "linked")
MAX_FILTERS = 16
MAX_DAYS = 36_500
INDEX = checks.integer(0, standards.MAX_FIELDS - 1)
_TIME = checks.integer(0, 1 << 53)


def indices(value: Value, what: str) -> object:
    """Places of fields in the standard, sorted and distinct."""
    rows: Any = checks.list_of(INDEX, standards.MAX_FIELDS)(value, what)
    if rows != sorted(set(rows)):
        raise DecodeError(f"{what}: must be sorted and distinct")
    return value


def _filters(value: Value, what: str) -> object:
    """[place of a field, operator] of each condition; what it compares with is in the envelope."""
    for row in expect_list(value, what, max_length=MAX_FILTERS):
        index, operator = expect_list(row, what, 2)
        INDEX(index, what)
        checks.one_of(*OPERATORS)(operator, what)
    return value


REQUEST: Mapping[str, Checker] = {
    "dataset": checks.owned_id,
    "version": checks.optional(checks.integer(1, 1 << 32)),
    "fields": indices,
    "filter": _filters,
    "envelope": checks.optional(checks.data(32)),
    "purpose": checks.slug,
    "basis": checks.slug,
    "kind": checks.one_of(*KINDS),
    "key": checks.optional(INDEX),
    "mode": checks.one_of(*MODES),
    "from": _TIME,
    "until": _TIME,
    "rows": checks.integer(1, catalogue.MAX_ROWS),
    "retention_days": checks.integer(1, MAX_DAYS),
    "onward": checks.boolean,
    "hours": checks.optional(rules.hours),
    "statute": checks.optional(checks.slug),
}
"""A request. `version` null asks for the series; `statute` names the law of a basis by law.

`rows` counts calls where `kind` is lookup, and answers where it is aggregate: then no record is
delivered, and `fields` are those that questions may be about.
"""
MAY_LACK = frozenset(("statute",))
"""Arguments that are null where they are left out."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision depends on. `time` is block time in ms UTC.

    `trained` says whether a person in training and bound to confidentiality asks; `is_crossing`
    whether data would leave the owner's country, `is_in_force` whether the statute named is.
    """

    time: int
    args: Args
    owner: Any
    recipient: Any
    registration: Any
    fields: tuple[FieldGrade, ...]
    table: Any
    table_digest: bytes
    permit: Any
    sanction: Any
    trained: bool
    is_in_force: bool

    @property
    def exposed(self) -> tuple[int, ...]:
        """Places of the fields that the recipient learns of: delivered, filtered by, looked up."""
        asked = {*self.args["fields"], *(index for index, _ in self.args["filter"])}
        if self.args["key"] is not None:
            asked.add(self.args["key"])
        return tuple(sorted(asked))

    @property
    def days(self) -> int:
        """For how long is asked, in days, rounded up."""
        length: int = self.args["until"] - self.args["from"]
        return -(-length // DAY_MS)

    @property
    def is_crossing(self) -> bool:
        home = members.country_of(self.owner["jurisdiction"])
        places = (self.recipient["jurisdiction"], self.recipient["storage"])
        return any(members.country_of(place) != home for place in places if place is not None) or (
            home is not None and self.recipient["jurisdiction"] is None
        )


def gather(state: StateReader, recipient: str, args: Args, trained: bool, time: int) -> Facts:
    """Read what a decision needs, a fixed number of keys. Fails if the request makes no sense."""
    dataset = args["dataset"]
    registration = catalogue.get(state, dataset, args["version"])
    if registration is None:
        fail(Code.NOT_FOUND, dataset)
    if registration["status"] != "active":
        fail(Code.RETIRED, dataset)
    if catalogue.is_destroyed(state, dataset, registration["version"]):
        fail(Code.DESTROYED, registration["version"])
    identity, number, _ = registration["standard"]
    fields = standards.get_fields(state, identity, number)
    digest, table = rules.current(state)
    asking = members.peek(state, recipient)
    if asking is None:
        fail(Code.NOT_FOUND, recipient)
    facts = Facts(
        time,
        args,
        members.peek(state, registration["owner"]),
        asking,
        registration,
        fields,
        table,
        digest,
        permits.permit_of(state, recipient, time),
        sanctions.in_force(state, recipient, time),
        trained,
        args["statute"] is not None and statutes.is_in_force(state, args["statute"], time),
    )
    _check(facts)
    return facts


def _check(facts: Facts) -> None:
    """What no policy could decide on is refused."""
    args = facts.args
    if facts.exposed and facts.exposed[-1] >= len(facts.fields):
        fail(Code.BAD_ARGUMENT, f"fields: the standard has {len(facts.fields)}, counted from 0")
    if (args["kind"] == "lookup") != (args["key"] is not None):
        fail(Code.BAD_ARGUMENT, "key: a look-up has one, others have none")
    basis = rules.named(facts.table["bases"], args["basis"])
    if args["statute"] is not None and basis is not None and not basis["notice"]:
        fail(Code.BAD_ARGUMENT, f"statute: the basis {args['basis']} stands on none")
    if not args["fields"] and args["kind"] != "lookup":
        fail(Code.BAD_ARGUMENT, "fields: must be at least one")
    if args["filter"] and args["kind"] == AGGREGATE:
        fail(Code.BAD_ARGUMENT, "filter: answers are about all records")
    if args["filter"] and args["envelope"] is None:
        fail(Code.BAD_ARGUMENT, "envelope: holds what a filter compares with, so it is needed")
    if args["until"] <= max(args["from"], facts.time):
        fail(Code.BAD_ARGUMENT, "until: must lie after the beginning, and in the future")
