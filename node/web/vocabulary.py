"""Words of the ledger that pages translate as they come; each stands in the catalogues too."""

from __future__ import annotations

from contracts.system import cases, catalogue, custodians, feedback, sanctions, standards
from node import checking, render
from node.contract_docs import said
from node.data.notes import NOTES
from node.data.types import ENTITIES, TYPES
from node.exchange import due, reasons
from node.exchange.declaration import ASK, AUTHORISE, WITHDRAW
from node.exchange.registrar import DIED, KEY_LOST, OF_AGE, ON_REQUEST, SIGNED
from node.parameter_docs import DOCS
from node.trace import words as told
from node.trace.entities import KINDS
from node.watch import words as watched
from node.web import sentences
from node.web.console import governance

WORDS: tuple[str, ...] = (
    # states of a node
    "in sync", "catching up", "recovering", "no quorum", "no source", "stalled",
    # duties
    "admin", "approver", "auditor", "dispatcher", "steward",
    # states of requests and grants
    "open", "in review", "escalated", "granted", "denied", "withdrawn", "paused", "revoked",
    "ended",
    # states of transactions
    "pending", "unknown", "expired",
    # further states of requests, grants and deliveries
    "waiting", "active", "closed", "disputed", "lapsing", "lapsed", "settled",
    # what rules and reviewers say
    "approve", "deny",
    # orders: kinds, how urgent, steps, states of their parts; tiers of members; units of time
    "order", "advisory", "vulnerability", "drill", "emergency", "routine", "urgent",
    "acknowledge", "complete", "confirm", "sent", "acknowledged", "reported", "completed",
    "confirmed", "cancelled", "central", "provincial", "local",
    "seconds", "minutes", "hours", "days",
    # proposals and votes, members and their roles and keys, parameters
    "accepted", "rejected", "executed", "yes", "no", "suspended", "expelled", "retired",
    "archive", "data-centre", "observer", "registrar", "supervisor", "third-party", "validator",
    "member", "node", "sealing", "voting", *governance.KINDS.values(), governance.OTHER_KIND,
    *DOCS.values(), *said(),
    # what waits
    "review", "second", "vote", "withdrawal", "use", "notice", "custody", "challenge", "dispute",
    "intersection", "sum", *due.SENTENCES.values(),
    # jobs of the desk, and what they are at
    "running", "done", "failed", "stopped", "opening", "receiving", "writing",
    "counting",
    # what audits and supervisors found
    "passed", "silent", "for-owner", "for-recipient", "void",
    # states of batches and of uses by law
    "posted", "asked", "allowed", "notified",
    # results of transactions, errors, and what is wrong with arguments
    *render.SENTENCES.values(), render.NEWER, *sentences.CODES.values(), *sentences.ARGUMENTS,
    *sentences.TERMS.values(), *sentences.MASKS.values(),
    # rules of access and what would change what they say
    *reasons.RULES.values(), reasons.POLICY, reasons.NEWER,
    *reasons.CHANGES.values(), reasons.OTHER_FIELDS, reasons.OTHER_BASIS,
    # supervision
    *cases.KINDS, *cases.DISPOSITIONS, "reported", "assigned", "disposed", "closed",
    "opened", "commented", "attached", "reopened", "file", "all",
    *sanctions.MEASURES, "found", "imposed", "dismissed", "appealed", "overturned", "lifted",
    sanctions.GRANTED, sanctions.REJECTED, *feedback.TOPICS, *KINDS,
    *watched.MEANINGS.values(), watched.SELDOM, *watched.FIGURES.values(), watched.ROWS_THROUGH,
    *told.EVENTS.values(),
    # letters of subjects, and why what they authorised is withdrawn
    AUTHORISE, WITHDRAW, ASK, "complain", OF_AGE, DIED, KEY_LOST, ON_REQUEST, SIGNED,
    # what became of asking for a log
    "verified", "wrong", "refused", "silent",
    # sources: kinds, how runs end, what is measured, what work of the desk does
    "folder", "sql", "http", "inbox", "registered", "unchanged", "ready", "stopped", "failed",
    "accepted", "running", "done", "reading", "checking",
    "completeness", "validity", "uniqueness", "timeliness", "consistency", "comparing",
    # what is wrong with records, what was found in fields, what fields are
    *NOTES.values(), *ENTITIES.values(), *(each.en for each in TYPES.values()),
    # datasets: how often, who keeps them, what is compared
    *standards.CLASSES, *catalogue.FREQUENCIES, *custodians.MODES, "offered", "erased",
    "title", "rows", "level", "class", "standard", "licence", "frequency", "commitment",
    "added", "removed", "changed", "alike",
    # what files prove
    *checking.KINDS, *checking.STEPS, *checking.FACTS, "proving",
)  # fmt: skip
