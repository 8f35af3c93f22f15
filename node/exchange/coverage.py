"""Whose records go out under a grant that counts only what subjects authorise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from node.data.chain import Chain
from node.data.commitment import Field
from node.exchange.authorise import Authorisations, OpenEnvelope

log = structlog.get_logger("exchange")


class Coverage:
    """The authorisations for one grant, as the chain has them. For one thread at a time."""

    def __init__(
        self,
        chain: Chain,
        open_envelope: OpenEnvelope,
        grant: dict[str, Any],
        now_ms: Callable[[], int],
    ) -> None:
        self._chain, self._open, self._now_ms = chain, open_envelope, now_ms
        self._grant: int = grant["id"]
        self._scope = (grant["subjects"]["scope"], grant["recipient"], grant["purpose"])
        self._found = self._load()

    def _load(self) -> Authorisations:
        chain = self._chain
        found = Authorisations.load(
            chain.chain_id, chain.query, self._open, self._scope, self._now_ms()
        )
        for fault in found.faults:
            log.warning("authorises nothing", grant=self._grant, why=fault)
        return found

    def covers(self, values: Sequence[Field]) -> bool:
        """Whether a record may go out; `values` are all its fields."""
        return self._found.covers(values)

    @property
    def fields(self) -> tuple[int, ...]:
        """The fields that name subjects."""
        return tuple(sorted({batch.scope.field for batch in self._found.batches}))

    def refresh(self) -> bool:
        """Take in what was posted, withdrawn or ended meanwhile; returns whether anything was."""
        if self._found.is_current(self._chain.query, self._scope, self._now_ms()):
            return False
        self._found = self._load()
        return True
