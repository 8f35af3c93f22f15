"""Blocks, transactions and receipts: where every fact has its proof."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.web.console import places, proofs
from node.web.forms import whole
from node.web.preferences import own_path
from node.web.sentences import of_error, of_result
from node.web.site import Area, MissingError, Site, Visit, page

AREAS = (Area("/evidence", "Evidence"),)
ROOMY = proofs.ROOMY
_TXID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HEIGHT = re.compile(r"[0-9]{1,15}", re.ASCII)
LATEST = 20
PAGE = 100


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, "/evidence", _search),
        *proofs.routes(site),
        page(site, "/blocks/{height}", _block),
        page(site, "/tx/{txid}", _transaction),
        page(site, "/tx/{txid}/receipt", _receipt),
    ]


def _search(visit: Visit) -> Response:
    wanted = visit.option("q").strip().lower()
    if _TXID.fullmatch(wanted):
        return visit.see(f"/tx/{wanted}")
    if _HEIGHT.fullmatch(wanted):
        return visit.see(f"/blocks/{int(wanted)}")
    status = visit.call("status")
    top, low = status["height"], status["kept"]["results_from"]
    heights = range(top, max(low, top - LATEST, 1) - 1, -1)
    blocks = [visit.call("block.get", height=height, most=0) for height in heights]
    problem = visit.say("This is neither a height nor a transaction's id.") if wanted else ""
    return visit.page("evidence.html", wanted=wanted, blocks=blocks, problem=problem)


def _block(visit: Visit) -> Response:
    height = visit.param("height")
    if not _HEIGHT.fullmatch(height):
        raise MissingError(visit.say("This is no block's height."))
    first = whole(visit.option("first")) or 0
    block = visit.call("block.get", height=int(height), first=first, most=PAGE)
    more = first + PAGE if first + PAGE < block["count"] else 0
    top = visit.call("status")["height"]
    return visit.page("block.html", block=block, top=top, first=first, more=more)


def _txid(visit: Visit) -> str:
    """The transaction's id that the path has. Raises MissingError."""
    txid = visit.param("txid")
    if not _TXID.fullmatch(txid):
        raise MissingError(visit.say("This is no transaction's id."))
    return txid


def _transaction(visit: Visit) -> Response:
    txid = _txid(visit)
    to = own_path(visit.option("to")) if visit.option("to") else ""
    tx = visit.call("tx.get", txid=txid)
    about = []
    if tx.get("events"):
        members = [row["name"] for row in visit.query("members", "list")]
        about = places.links_of(tx["events"], members)
    sentence = _became(visit, tx)
    return visit.page("transaction.html", tx=tx, to=to, sentence=sentence, about=about)


def _became(visit: Visit, tx: dict[str, Any]) -> str:
    """Why a transaction failed, or is not on the chain."""
    state = tx["state"]
    if state == "final":
        return of_result(visit.say, tx["code"], tx["details"]) if "code" in tx else ""
    return of_error(visit.language, state, tx.get("reason") or visit.say(state))


def _receipt(visit: Visit) -> Response:
    txid = _txid(visit)
    data = bytes.fromhex(visit.call("receipt.get", txid=txid)["receipt"])
    return visit.file(f"{txid}.receipt", data)
