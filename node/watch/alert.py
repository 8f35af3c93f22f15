"""An alert, and why it was raised."""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """A feature that made an alert: its value, what is usual, and how far from that it is.

    `far` counts usual spreads; where a rule looks at no history, it is value over limit.
    """

    feature: str
    value: float
    usual: float
    far: float


class Alert(NamedTuple):
    """`subject` is the dataset or member that it is about beside `member`, or empty.

    `severity` goes from 1 to 4; `far` is how far beyond its threshold the detector was, 1 at it.
    """

    detector: str
    member: str
    subject: str
    severity: int
    height: int
    time: int
    far: float
    reasons: tuple[Reason, ...]

    @property
    def key(self) -> str:
        """The same for what would be the same trouble."""
        return f"{self.detector}/{self.member}/{self.subject}".rstrip("/")
