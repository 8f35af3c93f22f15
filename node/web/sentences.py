"""What the node, its contracts and the desk say, in the visitor's language, by stable codes.

A contract's sentence is translated whole. Of other errors the code is told in the visitor's
language, and what was said exactly, in English, stands behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from contracts.codes import Code
from node.data.types import ENTITIES, TYPES
from node.render import BY_NAME, SENTENCES, render
from node.web.language import Language

Say = Callable[[str], str]
CODES = {
    "error": "something is wrong",
    "not-running": "the node does not answer",
    "lost": "the connection was lost",
    "busy": "there is too much at once",
    "too-long": "the question is too long",
    "parse": "the question cannot be read",
    "invalid-request": "the question is not as it has to be",
    "method": "the node does not know this question",
    "params": "a value is not as it has to be",
    "internal": "the node has made a mistake of its own",
    "store": "the node's database",
    "malformed": "the transaction cannot be read",
    "replayed": "the transaction is in the chain already",
    "mempool-full": "the node can take no more transactions now",
    "signature": "the signature is wrong",
    "skipped": "the node skipped the blocks in which it would have been taken",
    "refused": "it was refused",
    "pending": "it is not final yet",
    "failed": "it has failed",
    "answer": "the owner does not answer this",
    "asking": "the request cannot be put like this",
    "authorise": "the authorisation does not hold",
    "case-file": "the file does not prove what it claims",
    "check": "the file is no proof that can be checked here",
    "collect": "the run cannot go on",
    "content": "the record cannot be sealed",
    "contract": "the contract is at fault",
    "copy": "the copy cannot be used",
    "custody": "the data in custody",
    "decision": "there is no such decision",
    "decode": "it cannot be read",
    "demo": "a step of the demonstration",
    "devnet": "the trial network",
    "disclosure": "the proof does not hold",
    "dispute": "the dispute cannot be opened",
    "envelope": "the envelope cannot be used",
    "escrow": "the data is not what was agreed",
    "evidence": "the file does not prove what it claims",
    "group": "another member's numbers are wrong",
    "home": "the home folder",
    "inbox": "the upload cannot be used",
    "job": "there is no such job, or there are too many",
    "journal": "the journal of votes",
    "journal-damaged": "the journal is damaged",
    "key": "the key cannot be used",
    "mask": "the mask cannot be used",
    "model": "the model cannot be used",
    "network-file": "the network's file cannot be used",
    "not-held": "the proof cannot be made here, or not yet",
    "notice": "the notice could not be sent",
    "perturb": "the network cannot be perturbed like this",
    "presentation": "what is shown does not prove what it claims",
    "export": "the file is not what its signer exported",
    "promise": "a promise does not hold",
    "proof": "the proof does not hold",
    "provision": "the home or network cannot be made like this",
    "quarantine": "the record is not in quarantine, or the correction does not fit",
    "ballot": "the ballot cannot be made or found",
    "box": "the upload cannot be taken",
    "records": "the records cannot be shown",
    "shelf": "what was published cannot be used",
    "remark": "the remark cannot be taken",
    "publication": "the published file does not stand up to the check",
    "question": "the question cannot be asked like this",
    "read": "the source cannot be read on",
    "ready": "the registration waits for a signature",
    "receipt": "the receipt",
    "restart": "the restart cannot be done like this",
    "rules": "the pack of rules cannot be used",
    "scan": "the scan cannot be made",
    "sealed": "the sealed file is damaged",
    "settings": "the settings cannot be used",
    "source": "the source's declaration cannot be used",
    "standard": "the standard cannot be used",
    "start": "the node cannot start",
    "state-corrupt": "the node's state is damaged",
    "state-proof": "the proof of state does not hold",
    "stopped": "it was stopped",
    "sum": "the sum cannot be had",
    "supervise": "the watch cannot start",
    "table": "the table cannot be read",
    "terms": "a condition cannot be read",
    "trace": "the index cannot be used",
    "trial": "the cases cannot be tried",
    "vault": "the vault",
    "version": "the network has gone on to a newer protocol version",
    "worker": "a process that does the work has failed",
}
"""What an error's code means. Those of contracts are in `node.render`."""
TERMS = {
    "audit": "auditing",
    "emergency": "emergency response",
    "enforcement": "law enforcement",
    "open-use": "use of open data",
    "planning": "planning",
    "public-service": "public service",
    "research": "research",
    "statistics": "statistics",
    "supervision": "supervision",
    "consent": "consent of the subjects",
    "contract": "an agreement",
    "open": "open data",
    "public-task": "a public task",
    "statute": "a statute",
}
"""Purposes and bases of the table of access that holds until members vote for another."""
MASKS = {
    "redact": "hidden wholly",
    "null": "left empty",
    "fixed": "one text in place of all",
    "keep-first": "first characters alone",
    "keep-last": "last characters alone",
    "keep-ends": "both ends alone",
    "truncate": "cut short",
    "keep-middle": "middle alone",
    "mask-first": "without the first characters",
    "mask-last": "without the last characters",
    "mask-middle": "without the middle",
    "mask-before": "without what stands before a mark",
    "mask-after": "without what stands after a mark",
    "mask-between": "without what stands between marks",
    "hmac": "keyed digest",
    "pseudonym": "pseudonym",
    "token": "token of the same form",
    "range": "interval",
    "round": "rounded down",
    "offset": "moved number",
    "date-month": "year and month",
    "date-year": "year alone",
    "age-band": "band of ages",
    "date-shift": "moved date",
    "division": "code of the province or city",
    "region": "province, city or county",
    "address": "divisions of an address",
    "name": "surname",
    "resident-id": "ends of a resident number",
    "passport": "ends of a passport number",
    "mobile": "ends of a mobile number",
    "landline": "area code",
    "phone": "part of a telephone number",
    "email": "first character and domain",
    "bank-card": "ends of a card number",
    "plate": "province and office of a plate",
    "ip": "network of an address",
    "mac": "maker of a device",
    "coordinates": "cell of a grid",
    "free-text": "text without what was found in it",
}
"""What masks leave of a value (`contracts.masks.SPECS`)."""
ARGUMENTS = (
    "missing", "unknown argument", "must be true or false", "must be text",
    "must not hold control characters", "must be an integer from {} to {}", "must be {} bytes",
    "must have {} to {} bytes", "must have at most {} bytes", "must be one of {}",
    "must be an array of at most {} items", "must be a map of {}", "must be a map",
    "must not name the sender", "must name at least one",
    "must be an array", "must be at most {} bytes", "must be text of 1 to {} characters",
    "must be a map of what is asked for otherwise", "must be a map of parameters and their values",
    "must be [offset, weekdays, from, to]",
    "must be of a-z, 0-9, '-', '.', '_'", "must be OWNER/NAME of a-z, 0-9, '-', '.', '_'",
)  # fmt: skip
"""What is wrong with an argument of a contract (`contracts.checks`)."""
_PATTERNS = [
    (text, re.compile(re.escape(text).replace(r"\{\}", "(.+)"), re.DOTALL))
    for text in sorted(ARGUMENTS, key=lambda text: (text.count("{}"), -len(text)))  # exact first
]
_IN_WORDS = frozenset((
    Code.BAD_ARGUMENT, Code.CLASS_TOO_LOW, Code.DUTY_LAPSED, Code.KEY_IN_USE, Code.LOCKS_OUT,
    Code.NEEDS_DUTY, Code.NEEDS_ROLE, Code.NO_AGREEMENT, Code.VOTE_CLOSED, Code.WRONG_KIND,
    Code.WRONG_MODE, Code.WRONG_STATUS,
))  # fmt: skip
"""Results whose last detail is a word. Others tell names, which a word may be the same as."""


def of_result(say: Say, code: int, details: Any) -> str:
    """The sentence of a transaction's result; `details` as the RPC gives them."""
    parts = [*details] if isinstance(details, list) else [details]
    if code in _IN_WORDS and parts and isinstance(parts[-1], str):
        parts[-1] = _detail(say, parts[-1])
    return render(code, parts, say)


def of_error(language: Language, code: str, message: str) -> str:
    """An error's sentence; one that the pages themselves made is in the language already."""
    if language.code == "en" or message[:1] > "\u2e80":
        return message
    say = language.say
    if code in BY_NAME:
        before, _, after = SENTENCES[BY_NAME[code]].partition("{}")
        if message.startswith(before) and message.endswith(after):
            return of_result(say, BY_NAME[code], message[len(before) : len(message) - len(after)])
    if code not in CODES:
        return message
    if message == CODES[code]:
        return say(message)
    return say("%s (%s)") % (say(CODES[code]), message)


def of_term(language: Language, name: str) -> str:
    """A purpose or basis; one that members have added to the table is called as they call it."""
    return name if language.code == "en" or name not in TERMS else language.say(TERMS[name])


def of_mask(language: Language, name: str) -> str:
    """A mask by what it leaves, with the name that commands know it by."""
    if language.code == "en" or name not in MASKS:
        return name
    return f"{language.say(MASKS[name])} {name}"


def of_entity(say: Say, entity: str) -> str:
    """What detectors have found, alone or joined by +."""
    return " + ".join(say(ENTITIES.get(each, each)) for each in entity.split("+"))


def of_field(say: Say, name: str) -> str:
    """What a field of a standard is, by its semantic type."""
    return say(TYPES[name].en) if name in TYPES else name


def of_type(language: Language, text: str) -> str:
    """What an argument of a contract may be, as `contract_docs.type_of` says it."""
    if language.code == "en":
        return text
    bare = text.removesuffix(", or null")
    told = _fault(language.say, f"must be {bare}")
    return told if bare == text else language.say("%s, or null") % told


def _detail(say: Say, text: str) -> str:
    """What stands within a sentence: an argument and what is wrong with it, duties, a state."""
    name, colon, fault = text.partition(": ")
    if colon:
        return f"{name}: {_fault(say, fault)}"
    return say(" or ").join(say(word) if word else "" for word in text.split(" or "))


def _fault(say: Say, text: str) -> str:
    for template, pattern in _PATTERNS:
        if found := pattern.fullmatch(text):
            return say(template).format(*found.groups())
    return text
