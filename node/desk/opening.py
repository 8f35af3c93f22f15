"""Open data: what is published of the own datasets, and what the public says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from node.desk.found import custody, own_dataset
from node.desk.params import ParamError, number, text
from node.publish.press import publish_version
from node.publish.remarks import MAX_ANSWER, Moderator
from node.publish.shelf import Shelf, sweep

if TYPE_CHECKING:
    from node.desk import Desk, Method
    from node.desk.jobs import Progress

KIND = "publish"


def _list(desk: Desk, params: Mapping[str, Any]) -> Any:
    """What is published, after removing what the chain does not call open any more."""
    shelf = Shelf(desk.home.open)
    gone = sweep(shelf, desk.chain.query)
    rows = [
        {"dataset": each.dataset, "version": each.version, "records": each.records,
         "time": each.time, "bytes": sum(file.bytes for file in each.files.values())}
        for each in shelf.all()
    ]  # fmt: skip
    return {"published": rows, "removed": [list(each) for each in gone]}


def _publish(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Write the files of a version that the chain calls published, in a job; returns its id.

    `who` asked for it.
    """
    dataset, who = own_dataset(desk, params), text(params, "who")
    version = number(params, "version", 1)

    def work(progress: Progress) -> Any:
        def told(done: int, of: int) -> None:
            progress(done, of, "reading")

        made = publish_version(desk.home, custody(desk), desk.chain, dataset, version, who, told)
        _moderator(desk).open()
        return {"dataset": made.dataset, "version": made.version, "records": made.records}

    return desk.jobs.start(KIND, dataset, work)


def _withdraw(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Take the files of a version away; whether there were any."""
    return Shelf(desk.home.open).withdraw(own_dataset(desk, params), number(params, "version", 1))


def _moderator(desk: Desk) -> Moderator:
    return Moderator(desk.home.open, desk.master)


def _remarks(desk: Desk, params: Mapping[str, Any]) -> Any:
    return [{"id": name, **asdict(each)} for name, each in _moderator(desk).waiting()]


def _accept(desk: Desk, params: Mapping[str, Any]) -> Any:
    answer = params.get("answer") or ""
    if not isinstance(answer, str) or len(answer) > MAX_ANSWER:
        raise ParamError(f"answer must be a text of at most {MAX_ANSWER} characters")
    _moderator(desk).accept(text(params, "remark"), answer)


def _reject(desk: Desk, params: Mapping[str, Any]) -> Any:
    _moderator(desk).reject(text(params, "remark"))


METHODS: dict[str, Method] = {
    "open.list": _list, "open.publish": _publish, "open.withdraw": _withdraw,
    "remark.list": _remarks, "remark.accept": _accept, "remark.reject": _reject,
}  # fmt: skip
