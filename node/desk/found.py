"""What methods of the desk share: things that parameters name, and what works on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from node.data import source as sources
from node.data.collect import Collector
from node.data.custody import Custody
from node.desk.params import ParamError, number, text
from node.exchange.fetch import Fetcher

if TYPE_CHECKING:
    from node.data.source import Source
    from node.desk import Desk


def find(desk: Desk, params: Mapping[str, Any], contract: str, method: str, name: str) -> Any:
    """What a contract has under the number that the parameter `name` gives. Raises ParamError."""
    asked = number(params, name, 1)
    found = desk.chain.query(contract, method, {name: asked})
    if found is None:
        raise ParamError(f"there is no {name} {asked}")
    return found


def own_dataset(desk: Desk, params: Mapping[str, Any]) -> str:
    """The dataset of this member that the parameters name. Raises ParamError."""
    name = text(params, "dataset")
    if not name.startswith(f"{desk.member}/"):
        raise ParamError(f"{name} is not a dataset of {desk.member}")
    return name


def own_source(desk: Desk, params: Mapping[str, Any]) -> Source:
    """The declared source that the parameters name. Raises ParamError, SourceError."""
    name = text(params, "source", 64)
    if name not in sources.names(desk.home.sources):
        raise ParamError(f"there is no source {name!r}")
    return sources.load(desk.home.sources, name)


def dataset_of(desk: Desk, source: Source) -> str:
    """The dataset that a source makes."""
    return f"{desk.member}/{source.dataset or source.name}"


def custody(desk: Desk) -> Custody:
    return Custody(desk.home, desk.chain, desk.master)


def collector(desk: Desk, source: Source) -> Collector:
    return Collector(desk.home, source, desk.chain, desk.master)


def fetcher(desk: Desk) -> Fetcher:
    return Fetcher(desk.home, desk.chain, desk.master)
