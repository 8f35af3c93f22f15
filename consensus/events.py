"""What goes into the Simplex machine and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.block import Block
from consensus.messages import Certificate, Evidence, Message, Proposal, Question, Vote


@dataclass(frozen=True, slots=True)
class Now:
    """Readings of both clocks in ms: monotonic for timers, wall (UTC) for timestamps."""

    monotonic: int
    wall: int


# Inputs


@dataclass(frozen=True, slots=True)
class Start:
    """Enter the first view; given once, after `restore`."""


@dataclass(frozen=True, slots=True)
class Receive:
    """A decoded message of this epoch from `peer` (its node key)."""

    peer: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class Built:
    """The block asked for by Build."""

    view: int
    block: Block


@dataclass(frozen=True, slots=True)
class Checked:
    """The verdict on a proposal whose bodies are all held; None means admissible."""

    view: int
    digest: bytes
    fault: str | None


@dataclass(frozen=True, slots=True)
class Executed:
    """`block` and all its ancestors are executed and durably stored."""

    block: Block


@dataclass(frozen=True, slots=True)
class Work:
    """Whether transactions wait to be put into a block."""

    waiting: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; due when the clock reaches `Machine.deadline`."""


Event = Start | Receive | Built | Checked | Executed | Work | Tick


# Effects, in the order in which they must be carried out


@dataclass(frozen=True, slots=True)
class Persist:
    """Append to the journal; durable before any later effect leaves the process."""

    record: Vote | Certificate | Proposal


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to all validators."""

    message: Vote | Certificate | Proposal | Question


@dataclass(frozen=True, slots=True)
class Send:
    """Send `message` to the validators with these indices."""

    signers: tuple[int, ...]
    message: Message


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a peer's question."""

    peer: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class Build:
    """Make a block for `view` on `parent`; its size limits are halved `halvings` times."""

    view: int
    parent: Block
    halvings: int


@dataclass(frozen=True, slots=True)
class Check:
    """Fetch missing bodies, decide whether the proposal is admissible, answer with Checked."""

    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Execute:
    """Execute the certified block, store it durably, answer with Executed.

    `block` is None when only its certificate is known: `holders` (signer indices) have it.
    """

    view: int
    digest: bytes
    block: Block | None
    holders: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Finalized:
    """The block with the certificate's digest, and all its ancestors, are final."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Accuse:
    """A validator contradicted itself."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Blame:
    """`peer` (its node key) sent what no honest node of this epoch does."""

    peer: bytes
    problem: str


@dataclass(frozen=True, slots=True)
class Amnesia:
    """Votes of the own key were met that the journal does not know: observing from now on."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A finalization above every forgotten vote was seen: voting again."""


Effect = (
    Persist
    | Broadcast
    | Send
    | Reply
    | Build
    | Check
    | Execute
    | Finalized
    | Accuse
    | Blame
    | Amnesia
    | Recovered
)
