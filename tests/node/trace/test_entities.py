"""What events are about."""

from __future__ import annotations

from typing import Any

import pytest

from node.trace.entities import entities_of

MEMBERS = {"tax", "civil", "land"}


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (("catalogue", "registered", ["tax/permits", 1, "ab"]), {"dataset:tax/permits"}),
        (("standards", "published", ["tax/permit", 1, "ab"]), {"standard:tax/permit"}),
        (
            ("access", "granted", [7, "tax", "civil", "tax/permits"]),
            {"grant:7", "member:tax", "member:civil", "dataset:tax/permits"},
        ),
        (
            ("deliveries", "opened", [3, 7, "civil", "tax", 1]),
            {"delivery:3", "grant:7", "member:civil", "member:tax"},
        ),
        (("deliveries", "overdue", [7, 12]), {"grant:7"}),
        (
            ("budgets", "reserved", ["tax/permits", 1, "civil", 5, 9, 7]),
            {"dataset:tax/permits", "member:civil", "grant:7"},
        ),
        (
            ("intersections", "asked", [2, "civil", "civil/firms", 1, "tax/permits", 1, 7, "ab"]),
            {"intersection:2", "member:civil", "dataset:civil/firms", "dataset:tax/permits",
             "grant:7"},
        ),
        (("sums", "failed", [4, ["land"]]), {"sum:4", "member:land"}),
        (("sanctions", "found", [1, "land", "leak", 2, 9]),
         {"violation:1", "member:land", "case:9"}),
        (("dispatch", "escalated", [4, "acknowledge", 0, [["land", "tax"]]]),
         {"order:4", "member:land", "member:tax"}),
        (("contracts", "deployed", ["poll", 1, "ab"]), {"contract:poll"}),
        (("envelopes", "anchored", ["00ff", "tax", ["tax"]]), {"envelope:00ff", "member:tax"}),
        (("governance", "parameters", {"delta_ms": 5}), set()),
        (("members", "addresses", ["tax", ["/dns4/a/b"]]), {"member:tax"}),
        (("x", "y", None), set()),
        (("x", "y", ["nobody/thing", "a/b/c", "tax/b/c", "urgent"]), set()),
        (("x", "y", [[[[[["tax"]]]]]]), set()),
    ],
)  # fmt: skip
def test_entities_of_events(event: tuple[str, str, Any], found: set[str]) -> None:
    assert entities_of(*event, MEMBERS) == found


def test_who_signed_is_an_entity_too() -> None:
    assert entities_of("x", "y", [], MEMBERS, "tax/li") == {"member:tax"}
