"""Rules of access, and what would change what they say, in sentences for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

RULES = {
    "open": "L1 data is open to every member",
    "automatic": "L2 data is granted without review",
    "restricted": "L3 data needs its owner's review, and default masks apply",
    "authorised": "L4 data needs its owner's review, and default masks apply",
    "subjects": "only records whose subjects have authorised it, or a use by law",
    "own-data": "a member does not ask for its own data",
    "owner-not-active": "the owner's membership is suspended or ended",
    "sanction": "the recipient is under a sanction",
    "untrained": "from L3 on a person with a duty that needs training has to ask",
    "unknown-purpose": "the purpose is not in the table of access",
    "unknown-basis": "the basis is not in the table of access",
    "purpose-level": "the purpose does not allow data of this level",
    "basis-level": "the basis does not allow data of this level",
    "subjects-not-asked": "the basis neither asks subjects nor stands on a statute",
    "no-statute": "a basis by law names its statute",
    "statute-not-in-force": "members have not enacted this statute, or it is not in force any more",
    "basis-review": "the basis needs a review",
    "too-many-days": "the time asked for is longer than this level allows",
    "too-many-rows": "more rows are asked for than this level allows",
    "too-many-retention": "it would be kept longer than this level allows",
    "onward": "from L3 on data is not passed on",
    "office-hours": "only within office hours",
    "k-anonymity": "only groups of subjects alike",
    "core-data": "core data needs its owner and the central tier",
    "important-downwards": "important data to a lower tier needs its owner's review",
    "third-party": "third parties need a supervisor's review and audited delivery",
    "no-permit": "the third party has no permit for this purpose",
    "cross-border": "data that leaves the country needs the central tier's review",
    "core-abroad": "core data does not leave the country",
    "filter-audited": "a filtered delivery is audited",
    "level-audited": "data of this level is delivered audited",
    "k-audited": "groups of subjects alike are delivered audited",
    "masked-filter": "a field that is masked cannot be filtered by",
    "k-lookup": "a look-up tells of single records, which the purpose rules out",
    "authorised-aggregate": "subjects authorise records to be delivered, not answers about many",
    "reviewers": "reviewers have added masks",
    "refused": "a reviewer has refused",
    "no-answer": "no review was given in time",
    "reshaped": "the dataset has another standard than when the request was made",
    "policy-fault": "the owner's own policy fails on it, which denies",
    "policy-silent": "the owner's own policy has nothing to add",
}
CHANGES = {
    "fields": "leave out {}",
    "filter": "do not filter by {}",
    "purpose": "one of the purposes {}",
    "basis": "one of the bases {}",
    "statute": "a statute that is in force: muniment gov list",
    "days": "at most {} days",
    "rows": "at most {} rows",
    "retention": "kept for at most {} days",
    "onward": "without onward use",
    "training": "a steward or approver asks, or the member's own key signs",
    "permit": "a supervisor's permit for {}",
    "wait": "wait until it has ended",
    "kind": "a {} in place of it",
    "dataset": "another dataset",
    "policy": "see muniment policy show, or talk to the owner",
}
OTHER_FIELDS, OTHER_BASIS = "other fields", "another basis"
POLICY, NEWER = "the owner's own policy", "a rule of a newer release"


def basis_text(terms: Mapping[str, Any]) -> str:
    """The basis of a request or grant, with the statute that it names."""
    return f"{terms['basis']} {terms['statute'] or ''}".rstrip()


def rule_text(rule: str) -> str:
    """What a rule says."""
    if rule.startswith("policy."):
        return POLICY
    return RULES.get(rule, NEWER)


def change_text(
    change: Sequence[Any] | None, names: Sequence[str], say: Callable[[str], str] = str
) -> str:
    """What would change it; `names` are the fields', in order. Empty if nothing would.

    `say` puts sentences into another language.
    """
    if change is None:
        return ""
    what, to = str(change[0]), change[1]
    if what in ("fields", "filter"):
        to = [names[index] if index < len(names) else f"field {index}" for index in to]
        if not to:
            return say(OTHER_FIELDS)
    if what == "basis" and not to:
        return say(OTHER_BASIS)
    return say(CHANGES.get(what, what)).format(", ".join(map(str, to)))
