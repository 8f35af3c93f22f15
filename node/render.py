"""Result codes in sentences for people. The chain knows only the numbers."""

from __future__ import annotations

from collections.abc import Callable

from consensus.codec import Value
from contracts.codes import NAMES, Code

SENTENCES: dict[Code, str] = {
    Code.OK: "done",
    Code.UNKNOWN_SENDER: "the sender is not a member of this network",
    Code.SENDER_NOT_ACTIVE: "the sender's membership is suspended or ended",
    Code.WRONG_KEY: "the key is not, or no longer, the sender's",
    Code.EXPIRED: "valid_until {} has passed; sign it again",
    Code.TOO_FAR_AHEAD: "valid_until must be at most {}",
    Code.TOO_LARGE: "the transaction exceeds the limit of {}",
    Code.UNKNOWN_CONTRACT: "there is no contract named {}",
    Code.UNKNOWN_METHOD: "the contract has no method named {}",
    Code.BAD_ARGUMENT: "wrong argument: {}",
    Code.TOO_MANY_EVENTS: "more than {} events in one transaction",
    Code.OUT_OF_GAS: "the contracts need more than the {} units of gas a transaction may use",
    Code.BLOCK_OUT_OF_GAS: "the block's gas was spent, {} units were left; send it again",
    Code.CONTRACT_FAULT: "the contract is faulty: {}",
    Code.REFUSED_BY_CONTRACT: "refused by the contract {}",
    Code.UNKNOWN_OPERATOR: "the member has no such operator",
    Code.OPERATOR_NOT_ACTIVE: "the operator's duties are revoked",
    Code.NEEDS_DUTY: "the operator needs the duty {}",
    Code.DUTY_LAPSED: "training or confidentiality has lapsed for the duty {}; renew it",
    Code.NEEDS_SECOND: "this needs two persons: prepare it, and let another confirm it",
    Code.NOT_OWNER: "{} belongs to another member",
    Code.EXISTS: "{} exists already",
    Code.NOT_FOUND: "{} does not exist",
    Code.WRONG_VERSION: "versions are consecutive and the latest is {}",
    Code.WRONG_DIGEST: "the digest given is not that of standard {}",
    Code.LEVEL_TOO_LOW: "the sharing level must be at least {}, as the standard's fields have it",
    Code.CLASS_TOO_LOW: "the data class must be at least {}, as the standard's fields have it",
    Code.RETIRED: "{} is retired",
    Code.DESTROYED: "version {} is destroyed already",
    Code.NOT_LATER: "an anchor at {} entries stands already",
    Code.LOCKS_OUT: "this would lock the alliance out: {}",
    Code.NOT_VOTER: "{} has no vote: active members with the validator role have",
    Code.ALREADY_VOTED: "{} has voted on this proposal already",
    Code.VOTE_CLOSED: "the vote on this proposal is closed: {}",
    Code.TOO_MANY_PROPOSALS: "there are {} open proposals already, which is the most there may be",
    Code.KEY_IN_USE: "the {} key is, or was, somebody's already; make a new one",
    Code.WRONG_STATUS: "the status does not allow it: {}",
    Code.WRONG_TIER: "a member's tier must be below its parent's: {}",
    Code.OWN_REQUEST: "{} cannot decide on its own request",
    Code.TOO_MANY_OPERATORS: "a member may name {} operators at most",
    Code.TOO_MANY_REQUESTS: "{} requests wait for a second person already",
    Code.NO_CONTRADICTION: "the two votes are not a contradiction signed by that key",
    Code.BAD_SOURCE: "the contract's source is refused: {}",
    Code.TOO_MANY_CONTRACTS: "there are {} contracts already, which is the most there may be",
    Code.NOT_ACTIVE: "{} is not an active member",
    Code.NO_SUPERVISOR: "an envelope is sealed to a supervisor too, and none of the parties is one",
    Code.NOT_PARTY: "{} is not among the envelope's parties",
    Code.GRANT_NOT_BEGUN: "{} is not in force yet",
    Code.GRANT_EXPIRED: "{} has expired; ask anew with: muniment request clone",
    Code.GRANT_ENDED: "{} is revoked or was given back",
    Code.GRANT_PAUSED: "{} is paused: the dataset has changed its standard, level or class",
    Code.OFF_HOURS: "{} may not be used at this hour",
    Code.QUOTA_EXCEEDED: "the grant's quota has {} left",
    Code.NO_PERMIT: "{} has no permit for this purpose, which a third party needs",
    Code.SANCTIONED: "{} is under a sanction",
    Code.NOT_REVIEWER: "{} is not who this request waits for",
    Code.TOO_MANY_WAITING: "{} requests of this member wait for a review already",
    Code.TOO_MANY_POLICIES: "a member may have {} policies at most",
    Code.NEEDS_NEW_REQUEST: "the grant cannot go on as it is ({}); ask anew",
    Code.NOT_REGISTRAR: "{} is no registrar here: one has that role and is not concerned itself",
    Code.NEEDS_ROLE: "this needs a member with the role {} that is not concerned itself",
    Code.NOT_IN_FORCE: "{} is not in force",
    Code.NO_USE_BY_LAW: "no use by law that a supervisor allowed covers this, or notice is overdue",
    Code.NO_AGREEMENT: "no agreement on custody as {} is in force",
    Code.FOREIGN_CUSTODY: "{} may not keep this: such data stays in its owner's country",
    Code.TOO_MANY_CUSTODIANS: "a dataset may have had {} custodians at most",
    Code.TOO_LATE: "the answer was due by height {}",
    Code.BAD_ENVELOPE: "the envelope {} is not anchored by the sender to the member it is for",
    Code.NOT_SERVER: "{} does not serve this",
    Code.BAD_HEADER: "the header is not that of this delivery, or wrongly signed: {}",
    Code.NOT_LAST: "header {} is not the last one; let the delivery lapse with it",
    Code.WRONG_MODE: "the grant is for another mode or kind of delivery; its mode is {}",
    Code.NOT_YET_DRAWN: "the secret is shown after block {}, which draws with it",
    Code.NOT_YET_SILENT: "the owner has until {} to open the sample",
    Code.NO_BUDGET: "{} has no privacy budget; its owner opens one: muniment compute open",
    Code.BUDGET_EXCEEDED: "the dataset's privacy budget has {} millionths of epsilon left",
    Code.SHARE_EXCEEDED: "the recipient's share has {} millionths of epsilon left",
    Code.ALREADY_ASKED: "this question has been asked of this version, and has one answer: {}",
    Code.WRONG_KIND: "a grant of the kind {} is not for this",
    Code.TERM_OVER: "the term for this step was over at {}, in ms UTC",
    Code.NOT_IN_SUM: "{} is not among the members of this sum",
    Code.NOT_SUPERIOR: "{} does not stand below the sender in the tree of members",
    Code.NOT_RECIPIENT: "the order does not concern {}",
    Code.NOT_SUPERVISOR: "{} is not a supervisor",
    Code.OWN_CASE: "{} cannot decide on, or rate, what is its own",
    Code.NOT_PARTY_OF_CASE: "{} is no supervisor, has not opened the case, and is not its subject",
    Code.TOO_MANY_STEPS: "a case has {} steps at most",
    Code.TOO_MANY_ALERTS: "a supervisor raises {} alerts a day at most",
    Code.APPEAL_OVER: "the time to appeal is over, or it was appealed already: {}",
    Code.TOO_MANY_PLANS: "a member may have {} emergency plans at most",
}
NEWER = "failed with code {} of a newer protocol version"
BY_NAME = {name: code for code, name in NAMES.items()}


def render(code: int, details: Value, say: Callable[[str], str] = str) -> str:
    """Return the sentence for a result code and its details, in the language of `say`."""
    try:
        known = Code(code)
    except ValueError:
        return say(NEWER).format(code)
    if type(details) is list:
        details = ": ".join(str(part) for part in details if part is not None)
    return say(SENTENCES[known]).format(details)


def name_of(code: int) -> str:
    """Return the stable name of a result code."""
    try:
        return NAMES[Code(code)]
    except ValueError:
        return f"code-{code}"
