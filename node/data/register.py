"""What goes on the chain of a new version, once: DCAT 3 fields, grades, quality, commitment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consensus.codec import Value, decode, encode
from contracts.system.standards import CLASSES
from node.data import vault
from node.data.chain import Chain
from node.data.findings import Finding
from node.data.rules import Rules
from node.data.run import Run
from node.data.source import Source
from node.data.standard import grade
from node.errors import MunimentError
from node.home import atomic_write

FULL = 10_000
"""Basis points of a whole."""
_MEDIA = {"sql": "application/sql", "http": "application/json"}
_FORMATS = {
    "csv": "text/csv", "tsv": "text/tab-separated-values", "json": "application/json",
    "jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.ms-excel",
}  # fmt: skip


class UnsignedError(MunimentError):
    """A version stands ready, and its registration waits for a person's signature."""

    code = "ready"


@dataclass(frozen=True, slots=True)
class Report:
    """A version's quality, kept with it: names and counts, never values.

    `rules` names the pack that the findings go by.
    """

    quality: dict[str, int]
    read: int
    accepted: int
    refused: int
    repeated: int
    nulls: tuple[tuple[str, int], ...]
    findings: tuple[Finding, ...]
    rules: str = ""

    @classmethod
    def build(
        cls,
        counts: dict[str, Any],
        findings: list[Finding],
        refused: int,
        repeated: int,
        rules: str,
    ) -> Report:
        """Work out the five dimensions in basis points; what was not measured counts as whole."""
        read = counts.get("accepted", 0) + refused
        quality = {
            "completeness": _share(counts.get("filled", 0), counts.get("cells", 0)),
            "validity": _share(counts.get("accepted", 0), read),
            "uniqueness": _share(read - repeated, read),
            "timeliness": _share(counts.get("fresh", 0), counts.get("dated", 0)),
            "consistency": _share(counts.get("consistent", 0), counts.get("compared", 0)),
        }
        nulls = tuple((str(n), int(c)) for n, c in counts.get("nulls", ()))
        accepted = int(counts.get("accepted", 0))
        return cls(quality, read, accepted, refused, repeated, nulls, tuple(findings), rules)

    def save(self, path: Path) -> None:
        nulls: Value = [list(pair) for pair in self.nulls]
        found: Value = [[f.field, f.entity, f.level, f.count, f.why] for f in self.findings]
        row = [dict(self.quality), self.read, self.accepted, self.refused, self.repeated, nulls,
               found, self.rules]  # fmt: skip
        atomic_write(path, encode(row), 0o600)

    @classmethod
    def load(cls, path: Path) -> Report | None:
        """Return a version's report, if it has one."""
        if not path.exists():
            return None
        row: Any = decode(path.read_bytes())
        quality, read, accepted, refused, repeated, nulls, found, rules = row
        pairs, findings = tuple(map(tuple, nulls)), tuple(Finding(*each) for each in found)
        return cls(quality, read, accepted, refused, repeated, pairs, findings, rules)

    def level(self, decided: Mapping[str, int]) -> int:
        """The highest sharing level that was found, where the steward has not decided otherwise."""
        found = (each.level for each in self.findings if each.field not in decided)
        return max((1, *decided.values(), *found))


def _share(part: int, whole: int) -> int:
    return FULL if not whole else part * FULL // whole


def registration(
    head: vault.Head,
    standard: dict[str, Any],
    source: Source,
    report: Report,
    decided: Mapping[str, int],
    size: int,
    known: dict[str, Any] | None,
    rules: Rules,
) -> dict[str, Any]:
    """Return the arguments of `catalogue.register`; `known` is the version before, if any."""
    least, data_class = grade(standard)
    level = max(least, report.level(decided))
    data_class = raise_class(data_class, level, head.rows, rules)
    lowered = lowered_fields(report, decided, head.columns)
    return {
        **({"lowered": lowered} if lowered else {}),
        "dataset": head.dataset,
        "version": head.version,
        "title": source.title,
        "keywords": list(source.keywords),
        "theme": None if known is None else known["theme"],
        "licence": None if known is None else known["licence"],
        "frequency": source.frequency,
        "spatial": None if known is None else known["spatial"],
        "temporal": None,
        "media_type": media_type(source),
        "standard": [standard["id"], standard["version"], head.standard],
        "level": level,
        "class": data_class,
        "rows": head.rows,
        "bytes": size,
        "suite": "sha256-v1",
        "commitment": head.commitment,
        "quality": dict(report.quality),
        "derived_from": [],
        "custody": source.custody,
    }


def lowered_fields(
    report: Report, decided: Mapping[str, int], columns: Sequence[str]
) -> list[dict[str, int]]:
    """Return the fields that a steward put below what was found: the supervisor hears of them."""
    found: dict[str, int] = {}
    for each in report.findings:
        found[each.field] = max(found.get(each.field, 1), each.level)
    return [
        {"field": place, "found": found[name], "level": decided[name]}
        for place, name in enumerate(columns)
        if name in decided and decided[name] < found.get(name, 1)
    ]


def raise_class(data_class: str, level: int, rows: int, rules: Rules) -> str:
    """Return the data class after the rules on volume: much of what is sensitive is important."""
    found = [data_class]
    for rule in rules.body["volumes"]:
        if level >= rule["level"] and rows >= rule["rows"]:
            found.append(rule["class"])
    return max(found, key=CLASSES.index)


def media_type(source: Source) -> str:
    """Return the media type of what is collected."""
    suffix = Path(source.path if source.kind == "file" else source.pattern).suffix.lstrip(".")
    kind = source.format or suffix.lower()
    return _MEDIA.get(source.kind) or _FORMATS.get(kind, "application/octet-stream")


def register(run: Run, chain: Chain, args: dict[str, Any]) -> dict[str, Any] | None:
    """Return where the registration stands, ours or of a run before that was killed.

    None if another registration took the version's number.
    """
    for attempt in range(2):
        found = _registered(chain, args)
        if found is not None:
            return found if found else None
        try:
            return chain.submit("catalogue", "register", args)
        except MunimentError as error:
            if not attempt and _registered(chain, args) is not None:
                continue
            if error.code == "failed":  # for good; anything else may yet become final
                run.withdraw("ready")
            raise
    return None


def is_registered(chain: Chain, args: dict[str, Any]) -> bool:
    """Whether the chain has this registration."""
    return bool(_registered(chain, args))


def _registered(chain: Chain, args: dict[str, Any]) -> dict[str, Any] | None:
    """None: the version is free. Empty: it is another's. Else: it is this one."""
    wanted = {"dataset": args["dataset"], "version": args["version"]}
    found = chain.query("catalogue", "get", wanted)
    if found is None:
        return None
    if found["commitment"] != args["commitment"].hex():
        return {}
    return {"txid": "", "height": found["height"]}
