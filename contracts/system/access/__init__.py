"""Access: members ask for each other's data, rules decide, people review, grants bind.

What decides stands in `decide`, on the facts of `facts` by the governed table of `rules`; `process`
carries a decision out; `requests`, `reviews` and `grants` hold what members do.
"""

from __future__ import annotations

from contracts import checks
from contracts.api import ACTING, APPROVER, Context, Contract, QuerySignature, Signature
from contracts.system.access import grants, requests, reviews
from contracts.system.access.facts import REQUEST, boolean
from contracts.system.access.grants import check_usable, get_grant, reserve, settle
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
_CHANGES = {**_BY_REQUEST, "changes": requests.changes}

CONTRACT = Contract(
    NAME,
    methods={
        "request": Signature(requests.make, REQUEST, duties=ACTING),
        "amend": Signature(requests.amend, _CHANGES, duties=ACTING),
        "clone": Signature(requests.clone, _CHANGES, duties=ACTING),
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
        "revoke": Signature(
            grants.revoke, {"grant": _NUMBER, "reason": checks.slug}, duties=(APPROVER,)
        ),
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
            {"recipient": checks.slug, "time": _TIME, "trained": boolean, **REQUEST},
        ),
        "explain": QuerySignature(requests.query_explain, {**_BY_REQUEST, "time": _TIME}),
        "grant": QuerySignature(grants.query_grant, {"grant": _NUMBER}),
        "usable": QuerySignature(grants.query_usable, {"grant": _NUMBER, "time": _TIME}),
        "waiting": QuerySignature(
            reviews.query_waiting, {"member": checks.slug, "time": _TIME}
        ),
        "deputy": QuerySignature(reviews.query_deputy, {"member": checks.slug}),
        "rules": QuerySignature(query_rules, {}),
    },
    on_due=_on_due,
)  # fmt: skip

__all__ = ["CONTRACT", "NAME", "check_usable", "get_grant", "reserve", "settle"]
