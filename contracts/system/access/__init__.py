"""Access: members ask for each other's data, rules decide, people review, grants bind.

What decides stands in `decide`, on the facts of `facts` by the governed table of `rules` and the
owner's `policies`; `process` carries a decision out; `requests`, `reviews`, `grants` and `series`
hold what members do.
"""

from __future__ import annotations

from contracts import checks
from contracts.api import ACTING, APPROVER, Context, Contract, QuerySignature, Signature
from contracts.system.access import grants, policies, requests, reviews, series
from contracts.system.access.facts import MAY_LACK, REQUEST
from contracts.system.access.grants import (
    check_usable,
    check_version,
    get_grant,
    give_back,
    reserve,
    settle,
    spend,
)
from contracts.system.access.process import REVIEW
from contracts.system.access.rules import NAME, query_rules
from contracts.system.access.store import grant_number


def _on_due(ctx: Context, key: bytes) -> None:
    number = grant_number(key)
    if number is not None:
        grants.expire(ctx, number)
    elif key.startswith(REVIEW):
        reviews.on_deadline(ctx, key)


_NUMBER = checks.integer(1, 1 << 53)
_TIME = checks.integer(0, 1 << 53)
_BY_REQUEST = {"request": _NUMBER}
_BY_GRANT = {"grant": _NUMBER}
_STANDARD = {"standard": checks.data(32)}
_CHANGES = {**_BY_REQUEST, "changes": requests.changes, **_STANDARD}
_MEANT = frozenset(_STANDARD)
_ASKED = _MEANT | MAY_LACK

CONTRACT = Contract(
    NAME,
    methods={
        "request": Signature(requests.make, {**REQUEST, **_STANDARD}, _ASKED, ACTING),
        "amend": Signature(requests.amend, _CHANGES, _MEANT, ACTING),
        "clone": Signature(requests.clone, _CHANGES, _MEANT, ACTING),
        "withdraw": Signature(requests.withdraw, _BY_REQUEST, duties=ACTING),
        "review": Signature(
            reviews.review,
            {
                **_BY_REQUEST,
                "revision": checks.integer(1, 1 << 32),
                "outcome": checks.one_of(reviews.APPROVED, reviews.REFUSED),
                "masks": reviews.masks,
                "reason": checks.data(32),
            },
            frozenset(("masks", "reason")),
            duties=(APPROVER,),
        ),
        "set_deputy": Signature(
            reviews.set_deputy,
            {"deputy": checks.optional(checks.slug), "until": _TIME},
            duties=(APPROVER,),
        ),
        "set_policy": Signature(
            policies.set_policy,
            {"prefix": policies.prefix, "source": checks.optional(policies.source)},
            duties=(APPROVER,),
        ),
        "revoke": Signature(
            grants.revoke, {**_BY_GRANT, "reason": checks.slug}, duties=(APPROVER,)
        ),
        "resume": Signature(series.resume, _BY_GRANT, duties=(APPROVER,)),
    },
    queries={
        "request": QuerySignature(requests.query_request, _BY_REQUEST),
        "list": QuerySignature(
            requests.query_list,
            {"member": checks.slug, "before": _NUMBER},
            frozenset(("before",)),
        ),
        "preview": QuerySignature(
            requests.query_preview,
            {"recipient": checks.slug, "time": _TIME, "trained": checks.boolean, **REQUEST},
            MAY_LACK,
        ),
        "explain": QuerySignature(requests.query_explain, {**_BY_REQUEST, "time": _TIME}),
        "grant": QuerySignature(grants.query_grant, _BY_GRANT),
        "usable": QuerySignature(grants.query_usable, {**_BY_GRANT, "time": _TIME}),
        "waiting": QuerySignature(
            reviews.query_waiting, {"member": checks.slug, "time": _TIME}
        ),
        "deputy": QuerySignature(reviews.query_deputy, {"member": checks.slug}),
        "policies": QuerySignature(policies.query_policies, {"owner": checks.slug}),
        "rules": QuerySignature(query_rules, {}),
    },
    on_due=_on_due,
)  # fmt: skip

__all__ = [
    "CONTRACT", "NAME", "check_usable", "check_version", "get_grant", "give_back", "reserve",
    "settle", "spend",
]  # fmt: skip
