"""A first draft of a standard from a table that a steward hands in; the table is not kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.data.findings import Detectors
from node.data.inbox import Inbox
from node.data.infer import profile
from node.data.standard import draft
from node.desk.params import ParamError, text

if TYPE_CHECKING:
    from node.desk import Desk, Method
    from node.desk.jobs import Progress


def _draft(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Start to draft the standard `id` for `who` from an upload that is for no source.

    The upload is destroyed then. Returns the job's id; its result has the `document`.
    """
    identity, who = text(params, "id", 128), text(params, "who")
    inbox = Inbox(desk.home, desk.master)
    found = inbox.find(text(params, "upload"))
    if found.source:
        raise ParamError(f"{found.id} was handed in for {found.source}")

    def work(progress: Progress) -> Any:
        try:
            progress(0, 0, "reading")
            detectors = Detectors.of(desk.home, desk.chain.query, desk.master)
            with inbox.opened(found) as descriptor:
                seen = profile(Path(found.name), detectors, descriptor)
        finally:
            inbox.remove(found.id)
        made = draft(identity, Path(found.name).stem, seen.guesses, 1)
        return {"document": json.dumps(made, indent=2, ensure_ascii=False)}

    return desk.jobs.start("draft", f"{who} {found.id}", work)


METHODS: dict[str, Method] = {"standard.draft": _draft}
