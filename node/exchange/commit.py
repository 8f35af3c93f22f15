"""The owner's work before an audited delivery's first chunk: prepare it, enter its mark, commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from consensus.codec import decode
from node.data.chain import Chain
from node.data.vault import Version
from node.data.watermark.candidate import Candidate, mark_id, mark_key
from node.data.watermark.kept import Marked, Marks
from node.exchange.authorise import OpenEnvelope
from node.exchange.copies import erase
from node.exchange.coverage import Coverage
from node.exchange.filters import Filter
from node.exchange.prepare import Preparation, Terms
from node.exchange.prepared import Prepared
from node.exchange.source import grant_key, masks_of
from node.exchange.terms import read_values
from node.exchange.watch import NotServedError
from node.home import Home

log = structlog.get_logger("exchange")


@dataclass(frozen=True, slots=True)
class Committer:
    """Prepares one member's audited deliveries. `master` opens its vault."""

    home: Home
    chain: Chain
    master: bytes
    open_envelope: OpenEnvelope

    def commit(
        self, delivery: dict[str, Any], grant: dict[str, Any], version: Version,
        coverage: Coverage | None, now_ms: int,
    ) -> tuple[Prepared, int]:  # fmt: skip
        """Return what goes out, and a height at which its root stands on the chain.

        Prepared once, and committed to once. Raises NotServedError if it is lost.
        """
        folder, audit = self.home.prepared / str(delivery["id"]), delivery["audit"]
        if not (folder / "plan").exists() and audit is None:
            terms = self._terms(delivery, grant, version, coverage)
            Preparation(folder, self.master, version, terms).run()
        if not (folder / "plan").exists():
            raise NotServedError("lost", "what was prepared is lost; let the delivery lapse")
        prepared = Prepared(folder, self.master)
        if audit is None:
            return prepared, self._commit(delivery, grant, version, prepared, now_ms)
        if audit["root"] != prepared.root.hex():
            raise NotServedError("lost", "another root stands on the chain; let the delivery lapse")
        return prepared, 0

    def _terms(
        self, delivery: dict[str, Any], grant: dict[str, Any], version: Version,
        coverage: Coverage | None,
    ) -> Terms:  # fmt: skip
        chain, standard = self.chain, decode(version.standard)
        assert isinstance(standard, dict)
        fields: Any = standard["fields"]
        chosen = None
        if grant["filter"]:
            content = self.open_envelope(bytes.fromhex(grant["envelope"]))
            record = dict(zip(content.names, content.values, strict=True))
            chosen = Filter(grant["filter"], read_values(record, len(grant["filter"])), fields)
        mark = mark_key(self.master, chain.chain_id, delivery["id"]) if grant["watermark"] else None
        table = chain.query("access", "rules", {}) if grant["k"] else None
        return Terms(
            grant, delivery["reserved"], grant_key(self.master, chain.chain_id, grant["id"]), mark,
            chosen, coverage, alike_of(grant, fields, table) if table else (),
        )  # fmt: skip

    def _commit(
        self, delivery: dict[str, Any], grant: dict[str, Any], version: Version,
        prepared: Prepared, now_ms: int,
    ) -> int:  # fmt: skip
        number, mark = delivery["id"], None
        if sum(prepared.marked.values()):
            key = mark_key(self.master, self.chain.chain_id, number)
            columns = version.head.columns
            plan = tuple((columns[index], use) for index, use in masks_of(grant))
            Marks(self.home, self.master).add(
                Marked(Candidate(number, key, plan), grant["id"], delivery["dataset"],
                       delivery["version"], delivery["recipient"], now_ms)
            )  # fmt: skip
            mark = mark_id(key)
        elif grant["watermark"]:
            log.warning("not traceable: no mask leaves room for a mark", delivery=number)
        args = {"delivery": number, "root": prepared.root, "rows": prepared.rows,
                "map": prepared.digest, "mark": mark}  # fmt: skip
        height: int = self.chain.submit("deliveries", "root", args)["height"]
        log.info("prepared", delivery=number, rows=prepared.rows, marked=prepared.marked)
        return height

    def erase_audited(self, dispute_ms: int, now_ms: int) -> list[int]:
        """Erase what was prepared for deliveries that are over, and audited or beyond dispute."""
        gone = []
        for folder in self._folders():
            found = self.chain.query("deliveries", "get", {"delivery": int(folder.name)})
            if found["ended"] is None:
                continue
            audit = found["audit"]
            is_passed = audit is not None and audit["outcome"] == "passed"
            if is_passed or now_ms > found["ended"] + dispute_ms:
                erase(folder)
                gone.append(found["id"])
        return gone

    def _folders(self) -> list[Path]:
        return sorted(path for path in self.home.prepared.glob("*") if path.name.isdigit())


def alike_of(
    grant: dict[str, Any], fields: list[dict[str, Any]], table: dict[str, Any]
) -> tuple[int, ...]:
    """Return the delivered fields that tell persons apart, in which k of them must be alike.

    Those of a type that the governed table combines, and those that are masked.
    """
    types = {kind for entry in table["combinations"] for kind in entry["types"]}
    return tuple(index for index, mask in grant["fields"] if mask or fields[index]["type"] in types)
