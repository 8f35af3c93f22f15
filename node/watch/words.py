"""What detectors and figures mean, in words for people."""

from __future__ import annotations

MEANINGS = {
    "asked-lately": "many more requests in three days than usual",
    "bulk": "one delivery of many more rows than is usual for who takes what",
    "circle": "about the same rows went round these members",
    "deliveries": "many more deliveries in a day than usual",
    "denied": "many requests were denied",
    "downs": "the node's connections were lost again and again",
    "drift": "the node's clock has moved",
    "enumeration": "so many look-ups of one session found nothing that the contract noticed",
    "equivocation": "the validator signed votes that contradict each other",
    "failures": "many calls of various sorts failed",
    "forbidden": "calls that the sender may not make",
    "invalid-messages": "the node sent what this network does not understand",
    "lag": "the node has fallen behind",
    "late-votes": "certificates are made without the validator's vote more often than usual",
    "lookups": "many more look-ups in a day than usual",
    "lowered": "labels of the member's own datasets were lowered again and again",
    "mismatched-roots": "the node calls another block final",
    "misses": "many look-ups found nothing, as when keys are tried",
    "missed-turns": "the validator led its turns without a block",
    "new-hands": "an operator takes datasets under standing grants that it never took before",
    "new-owners": "data of owners that the member never dealt with, the more sensitive the graver",
    "off-hours": "acts at hours at which the operator, the member and offices seldom act",
    "overdue-erasure": "copies were to be erased by now, and nobody has said that they are",
    "pieces": "one dataset was asked for in pieces that need no review",
    "requests": "many more requests in a day than usual",
    "rows": "many more rows in a day than usual",
    "sensitive": "many more deliveries of sensitive data in a day than usual",
    "together": "several figures of one day are each somewhat unusual",
    "trickle": "a lasting rise of one operator's deliveries of a sensitive dataset",
    "unfinished": "many deliveries were opened and not brought to their end",
}
SELDOM = "events that the member seldom causes"
"""What any other detector means, which is named after an event."""
FIGURES = {
    "asked-lately": "requests in three days",
    "circles": "rounds of about the same rows",
    "delivery-rows": "rows of one delivery",
    "deliveries": "deliveries in a day",
    "denied": "denied requests in a day",
    "downs": "measure of lost connections",
    "drift": "movement of the clock in tenths of a second",
    "equivocation": "contradicting votes",
    "failures": "failed calls in a day",
    "forbidden": "forbidden calls in a day",
    "invalid-messages": "refused messages",
    "lag": "measure of heights behind",
    "late-votes": "share of certificates without its vote",
    "lookups": "look-ups in a day",
    "lowered": "lowered labels in five days",
    "mismatched-roots": "differing blocks",
    "misses": "look-ups that found nothing",
    "missed-turns": "measure of turns without a block",
    "new-hands": "datasets new to the operator in three days",
    "new-owners": "owners never dealt with, by level, in three days",
    "off-hours": "acts at seldom hours in a day",
    "overdue-erasure": "copies overdue for erasure",
    "pieces": "pieces asked for in four days",
    "requests": "requests in a day",
    "rows": "rows in a day",
    "sensitive": "deliveries of sensitive data in a day",
    "sensitive-deliveries": "deliveries of the sensitive dataset since the rise began",
    "unfinished": "unfinished deliveries in three days",
}
THROUGH, ROWS_THROUGH = "through.", "rows through %s"
"""What a circle's figures begin with, one for each member that the rows went through."""


def figure_text(name: str) -> tuple[str, str]:
    """What a figure of an alert counts, and the member that it goes through, if any.

    The name itself where it is that of an event.
    """
    if name.startswith(THROUGH):
        return ROWS_THROUGH, name.removeprefix(THROUGH)
    return FIGURES.get(name, name), ""
