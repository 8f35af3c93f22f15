"""From facts to a decision: rules say what they want, and what they say is combined.

Deny wins over review, review over approve; reviewers and masks unite, hours all have to hold, and
the largest k counts. So adding a rule never loosens a decision, and their order only settles which
of several reasons is named. Everything here is a function of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from consensus.codec import DecodeError, Value, encode
from consensus.crypto import sha256
from consensus.genesis import TIERS
from contracts.masks import REDACT, Use, strictest, use
from contracts.system.access import rules
from contracts.system.access.facts import AGGREGATE, Facts
from contracts.system.access.rules import CENTRAL, OWNER, SUPERVISOR
from contracts.system.standards import CLASSES

IMPORTANT, CORE = 1, 2
AUTHORISED = 4
"""The level whose records need their subjects' authorisation."""
RESTRICTED = 3
Change = tuple[str, tuple[int | str, ...]]
"""What would change a verdict: which part of the request or of its maker, and to what."""


class Outcome(IntEnum):
    """What a rule, or all of them, say; the greater one wins."""

    APPROVE = 0
    REVIEW = 1
    DENY = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says. `masks` are pairs of a field's place and a mask."""

    rule: str
    outcome: Outcome = Outcome.APPROVE
    change: Change | None = None
    reviewers: frozenset[str] = frozenset()
    masks: frozenset[tuple[int, Use]] = frozenset()
    hours: frozenset[tuple[int, int, int, int]] = frozenset()
    k: int = 0
    is_audited: bool = False
    is_authorised: bool = False
    is_noticed: bool = False


@dataclass(frozen=True, slots=True)
class Grade:
    """How sensitive a request is: level, class as an index, and the rules that raised either."""

    level: int
    grade: int
    raised: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What all rules say together. `policy` is the digest of the rules that were asked."""

    grade: Grade
    verdicts: tuple[Verdict, ...]
    combined: Verdict
    mode: str
    policy: bytes

    @property
    def outcome(self) -> Outcome:
        return self.combined.outcome

    @property
    def rule(self) -> str:
        """The rule that decided."""
        return self.combined.rule


def decide(
    facts: Facts, grade: Grade, more: Sequence[Verdict] = (), digests: Sequence[bytes] = ()
) -> Decision:
    """Decide on a request. `more` are verdicts of the owner's policies, which have `digests`."""
    verdicts = [verdict for rule in _RULES for verdict in rule(facts, grade)]
    verdicts += more
    verdicts += _consequences(facts, combine(verdicts))
    combined = combine(verdicts)
    is_audited = combined.is_audited or facts.args["mode"] == "audited"
    listed: list[Value] = [*digests]
    policy = sha256(encode([facts.table_digest, listed]))
    mode = "audited" if is_audited else "linked"
    return Decision(grade, tuple(verdicts), combined, mode, policy)


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Unite verdicts; the rule and change are those of the first that is as strict as all."""
    found = tuple(verdicts)
    strictest = max(found, key=lambda verdict: verdict.outcome)
    return Verdict(
        strictest.rule,
        strictest.outcome,
        strictest.change,
        frozenset().union(*(v.reviewers for v in found)),
        frozenset().union(*(v.masks for v in found)),
        frozenset().union(*(v.hours for v in found)),
        max(v.k for v in found),
        any(v.is_audited for v in found),
        any(v.is_authorised for v in found),
        any(v.is_noticed for v in found),
    )


# Levels


def grade_of(facts: Facts) -> Grade:
    """The maximum over the fields that are learned of, combinations, volume, and the dataset.

    A dataset that its owner has registered above its standard's fields raises all of them.
    """
    exposed = [facts.fields[index] for index in facts.exposed]
    level = max((each.level for each in exposed), default=1)
    grade = max((each.grade for each in exposed), default=0)
    types = {each.type for each in exposed}
    raises = [
        (entry["name"], entry["level"], CLASSES.index(entry["class"]))
        for entry in facts.table["combinations"]
        if len(types.intersection(entry["types"])) >= entry["least"]
    ]
    whole, registration = facts.fields, facts.registration
    if registration["level"] > max(each.level for each in whole):
        raises.append(("dataset-level", registration["level"], 0))
    if CLASSES.index(registration["class"]) > max(each.grade for each in whole):
        raises.append(("dataset-class", 1, CLASSES.index(registration["class"])))
    reached = max([level, *(to for _, to, _ in raises)])
    raises += [
        (entry["name"], entry["level"], CLASSES.index(entry["class"]))
        for entry in facts.table["volumes"]
        if reached >= entry["at"] and facts.args["rows"] >= entry["rows"]
    ]
    raised = [name for name, to, of in raises if to > level or of > grade]
    return Grade(
        max([level, *(to for _, to, _ in raises)]),
        max([grade, *(of for _, _, of in raises)]),
        tuple(raised),
    )


def _above(facts: Facts, level: int) -> tuple[int, ...]:
    """Places of the fields that are learned of and are above `level`."""
    return tuple(index for index in facts.exposed if facts.fields[index].level > level)


# The default policy: each rule yields what it has to say


def default_mask(name: str | None) -> Use:
    """A standard's mask, which stands there without parameters; redacted if it is not known."""
    try:
        return use(name or "")
    except DecodeError:
        return REDACT


def _deny(rule: str, what: str, *to: int | str) -> Verdict:
    return Verdict(rule, Outcome.DENY, (what, to))


def _review(rule: str, *reviewers: str, change: Change | None = None) -> Verdict:
    return Verdict(rule, Outcome.REVIEW, change, frozenset(reviewers))


def _standing(facts: Facts, grade: Grade) -> Iterator[Verdict]:
    if facts.recipient["name"] == facts.owner["name"]:
        yield _deny("own-data", "dataset")
    if facts.owner["status"] != "active":
        yield _deny("owner-not-active", "wait")
    if facts.sanction is not None:
        measure, _, until = facts.sanction
        if measure == "suspend" or (measure == "restrict" and grade.level >= RESTRICTED):
            yield _deny("sanction", "wait", until)
    if grade.level >= RESTRICTED and not facts.trained:
        yield _deny("untrained", "training")


def _terms(facts: Facts, grade: Grade) -> Iterator[Verdict]:
    """Purpose and basis are known, and allow the level."""
    for word, entries in (("purpose", facts.table["purposes"]), ("basis", facts.table["bases"])):
        fit = tuple(entry["name"] for entry in entries if entry["level"] >= grade.level)
        entry = rules.named(entries, facts.args[word])
        if entry is None:
            yield _deny(f"unknown-{word}", word, *fit)
        elif entry["level"] < grade.level:
            yield _deny(f"{word}-level", word, *fit)


def _limits(facts: Facts, grade: Grade) -> Iterator[Verdict]:
    args, table, place = facts.args, facts.table, grade.level - 1
    for word, asked, allowed in (
        ("days", facts.days, table["days"][place]),
        ("rows", args["rows"], table["rows"][place]),
        ("retention", args["retention_days"], table["retention_days"][place]),
    ):
        if asked > allowed:
            yield _deny(f"too-many-{word}", word, allowed)
    if args["onward"] and grade.level >= RESTRICTED:
        yield _deny("onward", "onward")


def _level(facts: Facts, grade: Grade) -> Iterator[Verdict]:
    """L1 is open, L2 automatic; above, the owner reviews, and default masks apply."""
    if grade.level < RESTRICTED:
        yield Verdict("open" if grade.level == 1 else "automatic")
        return
    below = ("fields", _above(facts, RESTRICTED - 1))
    name = "authorised" if grade.level == AUTHORISED else "restricted"
    # Of an aggregate no value goes out: its noise stands in for masks.
    masks = frozenset(
        (index, default_mask(facts.fields[index].mask))
        for index in facts.args["fields"]
        if facts.args["kind"] != AGGREGATE and _has_mask(facts, index)
    )
    yield Verdict(name, Outcome.REVIEW, below, frozenset((OWNER,)), masks)


def _basis(facts: Facts, grade: Grade) -> Iterator[Verdict]:
    basis = rules.named(facts.table["bases"], facts.args["basis"])
    if basis is None:
        return
    if basis["notice"]:
        if facts.args["statute"] is None:
            yield _deny("no-statute", "statute")
        elif not facts.is_in_force:
            yield _deny("statute-not-in-force", "statute")
    if grade.level < RESTRICTED:
        return
    if basis["reviewers"]:
        yield _review("basis-review", *basis["reviewers"], change=("basis", ()))
    if grade.level == AUTHORISED:
        if not (basis["subjects"] or basis["notice"]):
            yield _deny("subjects-not-asked", "basis")
        yield Verdict("subjects", is_authorised=basis["subjects"], is_noticed=basis["notice"])


def _purpose(facts: Facts, grade: Grade) -> Iterator[Verdict]:
    """Office hours and k-anonymity, as the purpose has them."""
    purpose = rules.named(facts.table["purposes"], facts.args["purpose"])
    if purpose is None:
        return
    if grade.level >= facts.table["office_level"] and not purpose["any_hour"]:
        yield Verdict("office-hours", hours=frozenset((tuple(facts.table["office_hours"]),)))
    if purpose["k"] and grade.level >= RESTRICTED:
        yield Verdict("k-anonymity", k=purpose["k"])


def _class(facts: Facts, grade: Grade) -> Iterator[Verdict]:
    if grade.grade == CORE:
        yield _review("core-data", OWNER, CENTRAL)
    is_below = TIERS.index(facts.recipient["tier"]) > TIERS.index(facts.owner["tier"])
    if grade.grade == IMPORTANT and is_below and grade.level > 1:
        yield _review("important-downwards", OWNER)


def _third_party(facts: Facts, grade: Grade) -> Iterator[Verdict]:
    if "third-party" not in facts.recipient["roles"] or grade.level == 1:
        return
    purpose = facts.args["purpose"]
    if facts.permit is None or purpose not in facts.permit["scenarios"]:
        yield _deny("no-permit", "permit", purpose)
    change = ("fields", _above(facts, 1))
    yield Verdict("third-party", Outcome.REVIEW, change, frozenset((SUPERVISOR,)), is_audited=True)


def _border(facts: Facts, grade: Grade) -> Iterator[Verdict]:
    if not facts.is_crossing or grade.level == 1:
        return
    if grade.grade == CORE:
        yield _deny("core-abroad", "fields")
    yield _review("cross-border", CENTRAL)


def _mode(facts: Facts, grade: Grade) -> Iterator[Verdict]:
    """What is filtered, or so sensitive, is never delivered as leaves that could be joined."""
    if facts.args["filter"]:
        yield Verdict("filter-audited", is_audited=True)
    if grade.level >= facts.table["audited"]:
        yield Verdict("level-audited", is_audited=True)


def _consequences(facts: Facts, combined: Verdict) -> Iterator[Verdict]:
    """What follows from what the rules say together."""
    masked = {index for index, _ in combined.masks}
    hidden = sorted({i for i, _ in facts.args["filter"] if i in masked or _has_mask(facts, i)})
    if hidden:
        yield _deny("masked-filter", "filter", *hidden)
    if combined.is_authorised and facts.args["kind"] == AGGREGATE:
        yield _deny("authorised-aggregate", "fields", *_above(facts, AUTHORISED - 1))
    if combined.k and facts.args["kind"] != AGGREGATE:
        if facts.args["kind"] == "lookup":
            yield _deny("k-lookup", "kind", "table")
        yield Verdict("k-audited", is_audited=True)


def _has_mask(facts: Facts, index: int) -> bool:
    """Whether a field would be masked by default if it were delivered."""
    found = facts.fields[index]
    return found.level >= RESTRICTED and found.mask is not None


_Rule = Callable[[Facts, Grade], Iterator[Verdict]]
_RULES: tuple[_Rule, ...] = (
    _standing, _terms, _third_party, _border, _limits, _class, _level, _basis, _purpose, _mode,
)  # fmt: skip
"""In the order in which reasons are named."""


# As the chain keeps it


def plan_of(facts: Facts, decision: Decision) -> dict[str, Value]:
    """Return what a grant adds to its request.

    `fields` are [place, mask] of each delivered field: null is exact, of several the strictest.
    """
    args, combined = facts.args, decision.combined
    windows = {*combined.hours, *([tuple(args["hours"])] if args["hours"] is not None else [])}
    is_marked = decision.mode == "audited" and args["kind"] == "table" and bool(combined.masks)
    return {
        "fields": [[index, _mask_of(combined, index)] for index in args["fields"]],
        "hours": [list(window) for window in sorted(windows)],
        "k": combined.k,
        "mode": decision.mode,
        "watermark": is_marked,
        "subjects": {"scope": args["dataset"]} if combined.is_authorised else None,
        "notice": combined.is_noticed,
        "level": decision.grade.level,
        "class": CLASSES[decision.grade.grade],
        "standard": list(facts.registration["standard"]),
        "policy": decision.policy,
        "rule": decision.rule,
    }


def _mask_of(combined: Verdict, index: int) -> Value:
    found = strictest([mask for place, mask in combined.masks if place == index])
    return None if found is None else found.to_value()


def reasons_of(decision: Decision) -> list[Value]:
    """[rule, outcome, what would change it] of every rule that had something to say."""
    return [
        [each.rule, each.outcome.name, None if each.change is None else _listed(each.change)]
        for each in decision.verdicts
    ]


def _listed(change: Change) -> list[Value]:
    what, to = change
    return [what, list(to)]
