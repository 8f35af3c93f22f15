"""Own datasets: what is kept of their versions, veiled records, what differs, what is destroyed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

from node.data import source as sources
from node.data.preview import compare_versions, levels_of, veil
from node.data.source import Source
from node.desk.found import collector, custody, dataset_of, own_dataset
from node.desk.params import ParamError, number, text
from node.desk.sources import report_of
from node.errors import MunimentError

if TYPE_CHECKING:
    from node.desk import Desk, Method
    from node.desk.jobs import Progress

PREVIEW = 10
"""Records of a preview."""
DIFFERENT = 50
"""Records of a comparison that are shown."""
MAX_REASON = 2_000


def _held(desk: Desk, params: Mapping[str, Any]) -> Any:
    """What this home has of a dataset: versions, quality and findings, decisions on fields.

    `destroyed` are versions that the chain calls destroyed, and that are still here.
    """
    dataset, version = own_dataset(desk, params), number(params, "version", 1)
    kept, source = custody(desk), _source(desk, dataset)
    versions = sorted(held for _, held in kept.held(dataset))
    return {
        "versions": versions, "source": source.name if source else None,
        "report": report_of(desk, dataset, version),
        "decisions": [asdict(each) for each in _decisions(desk, source)],
        "destroyed": [held for held in versions if kept.destroyed(dataset, held)[0]],
    }  # fmt: skip


def _decisions(desk: Desk, source: Source | None) -> list[Any]:
    return [] if source is None else collector(desk, source).decisions.all()


def _preview(desk: Desk, params: Mapping[str, Any]) -> Any:
    """The first records of a version, veiled by level. That `who` looked enters the access log."""
    dataset, version = own_dataset(desk, params), number(params, "version", 1)
    who, kept = text(params, "who"), custody(desk)
    opened, levels = kept.open(dataset, version), levels_of(kept, dataset, version)
    rows = [[veil(value, level) for value, level in zip(values, levels, strict=True)]
            for values in islice(opened.rows(), PREVIEW)]  # fmt: skip
    kept.log.note(who, dataset, version, (1, max(1, len(rows))), "preview")
    columns = [{"name": name, "level": level}
               for name, level in zip(opened.head.columns, levels, strict=True)]  # fmt: skip
    return {"version": version, "columns": columns, "rows": rows, "of": opened.head.rows}


def _compare(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Start to compare two versions, with veiled values; returns the job's id."""
    dataset = own_dataset(desk, params)
    numbers = number(params, "old", 1), number(params, "new", 1)

    def work(progress: Progress) -> Any:
        progress(0, 0, "comparing")
        found = compare_versions(desk.home, custody(desk), desk.master, dataset, numbers,
                                 DIFFERENT, plain=False)  # fmt: skip
        return {"old": numbers[0], "new": numbers[1], **asdict(found)}

    return desk.jobs.start("compare", f"{dataset} {numbers[0]} {numbers[1]}", work)


def _decide(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Note a level for a field (empty: all together) from the source's next version on."""
    dataset, level = own_dataset(desk, params), number(params, "level", 1, 4)
    reason, field = text(params, "reason", MAX_REASON), params.get("field")
    source = _source(desk, dataset)
    if source is None:
        raise ParamError(f"no source here makes {dataset}")
    name = text(params, "field") if field else ""
    run = collector(desk, source)
    run.decisions.decide(name, level, reason, run.field_names())


def _carry_out(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Erase here what the chain calls destroyed of a dataset; returns the versions touched."""
    dataset, kept = own_dataset(desk, params), custody(desk)
    return [held for _, held in list(kept.held(dataset)) if kept.carry_out(dataset, held)]


def _source(desk: Desk, dataset: str) -> Source | None:
    """The source that makes a dataset, if one is declared."""
    for name in sources.names(desk.home.sources):
        try:
            source = sources.load(desk.home.sources, name)
        except MunimentError:
            continue
        if dataset == dataset_of(desk, source):
            return source
    return None


METHODS: dict[str, Method] = {
    "dataset.held": _held,
    "dataset.preview": _preview,
    "dataset.compare": _compare,
    "dataset.decide": _decide,
    "dataset.carry_out": _carry_out,
}
