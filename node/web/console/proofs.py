"""Proofs in the page: a given file is checked step by step; receipts are exported, signed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from consensus.codec import DecodeError, decode, expect_bytes, expect_list
from node import checking, receipt
from node.errors import MunimentError
from node.trace import export
from node.trace.export import Content
from node.web.console.fields import MAX_FILE_BYTES, ROOM
from node.web.forms import whole
from node.web.site import Site, Visit, page

ROOMY = {"/evidence/verify": ROOM + MAX_FILE_BYTES}
"""A proof, and the data that it is of."""
_FILE = re.compile(r"[0-9]{20}-[0-9a-f]{16}", re.ASCII)
_MOMENTS = ("time", "timestamp", "signed at")


class ProofsError(MunimentError):
    """An export that cannot be made or found."""

    code = "proofs"


def routes(site: Site) -> list[BaseRoute]:
    prepared = "/evidence/export/{job}"
    return [
        page(site, "/evidence/verify", _ask),
        page(site, "/evidence/verify", _verify, methods=("POST",), files=2),
        page(site, "/evidence/export", _choose),
        page(site, "/evidence/export", _prepare, methods=("POST",)),
        page(site, prepared, _show),
        page(site, prepared, _sign, methods=("POST",)),
    ]


# Checking


def _ask(visit: Visit) -> Response:
    return _checked(visit)


def _verify(visit: Visit) -> Response:
    """Check a file against the genesis that this console was started with."""
    given, beside = visit.files.get("file"), visit.files.get("data")
    if given is None or not given.data:
        return _checked(visit, 400, problem=visit.say("Choose a file."))
    if max(len(given.data), len(beside.data) if beside else 0) > MAX_FILE_BYTES:
        most = visit.language.size(MAX_FILE_BYTES)
        sentence = visit.say("A file has at most %s here; larger ones: muniment verify") % most
        return _checked(visit, 413, problem=sentence)
    other = (beside.name, beside.data) if beside and beside.data else None
    try:
        found = checking.check(given.data, visit.site.genesis, other)
    except MunimentError as error:
        return _checked(visit, 400, name=given.name, problem=visit.told(error))
    return _checked(visit, name=given.name, found=found)


def _checked(visit: Visit, status: int = 200, **more: Any) -> Response:
    shown: dict[str, Any] = {"found": None, "name": "", "problem": "", **more}
    found = shown["found"]
    lines = found.lines if found else ()
    groups = [(list(names), list(rows)) for names, rows in groupby(lines, key=tuple)]
    return visit.page("verify.html", status, groups=groups, moments=_MOMENTS, most=MAX_FILE_BYTES,
                      **shown)  # fmt: skip


# Exporting


def _choose(visit: Visit, problem: str = "", status: int = 200) -> Response:
    kept = visit.call("status")
    given = dict(visit.form) or {
        "dataset": visit.option("dataset"), "from": str(kept["kept"]["results_from"]),
        "to": str(max(1, kept["height"] - 1)), "title": "",
    }  # fmt: skip
    return visit.page("export.html", status, given=given, problem=problem)


def _prepare(visit: Visit) -> Response:
    """Let the desk gather the receipts; what it found is shown before it is signed."""
    if visit.session is None:
        raise ProofsError("nobody is logged in")
    form = visit.form
    dataset = form.get("dataset", "").strip()[:200]
    try:
        bounds = {name: _height(visit, form.get(name, "")) for name in ("from", "to")}
        made = visit.desk("export.prepare", operator=visit.session.operator, dataset=dataset,
                          title=form.get("title", "").strip(), **bounds)  # fmt: skip
    except MunimentError as error:
        return _choose(visit, visit.told(error), 400)
    return visit.see(f"/evidence/export/{made}")


def _height(visit: Visit, text: str) -> int:
    height = whole(text)
    if height is None:
        raise ProofsError(visit.say("Heights are whole numbers."))
    return height


def _job(visit: Visit) -> Mapping[str, Any]:
    """The job of the path, if the visitor has started it. Raises ProofsError, NodeError."""
    job = visit.job(visit.param("job"))
    mine = visit.session is not None and job["about"].split(" ")[0] == visit.session.operator
    if job["kind"] != "receipts" or not mine:
        raise ProofsError(visit.say("There is no such export of yours."))
    return job


def _show(visit: Visit) -> Response:
    job = _job(visit)
    content, rows = None, list[dict[str, Any]]()
    if job["state"] == "done":
        content, _ = _read(visit, job)
        rows = export.lines([receipt.verify(each, visit.site.genesis)
                             for each in content.receipts])  # fmt: skip
    return visit.page("export_sign.html", job=job, content=content, rows=rows)


def _sign(visit: Visit) -> Response:
    """Sign exactly what was shown, and hand the file out."""
    job = _job(visit)
    if visit.session is None or job["state"] != "done":
        return visit.problem(visit.say("This export is not ready."))
    content, proof = _read(visit, job)
    if content.operator != visit.session.operator:
        raise ProofsError(visit.say("There is no such export of yours."))
    if visit.form.get("digest") != content.digest.hex():
        return visit.problem(visit.say("This is not what was shown."))
    genesis = visit.site.genesis
    data = export.sign(content, visit.session.signer, genesis.chain_id, proof)
    export.verify(data, genesis)  # its key may have been replaced since
    return visit.file(f"{content.member}-{content.operator}-{content.time}.export", data)


def _read(visit: Visit, job: Mapping[str, Any]) -> tuple[Content, bytes]:
    """What the desk has prepared: the content, and the proof of the operator's key."""
    name = job["result"]["file"]
    path = visit.site.home.prepared / name
    try:
        if not _FILE.fullmatch(name):
            raise OSError
        row = expect_list(decode(path.read_bytes(), max_bytes=2 * MAX_FILE_BYTES), "export", 2)
        signed, proof = (expect_bytes(each, "part", max_length=MAX_FILE_BYTES) for each in row)
        return Content.decode(signed), proof
    except (OSError, DecodeError) as error:
        gone = visit.say("This export is not kept any more; prepare it again.")
        raise ProofsError(gone) from error
