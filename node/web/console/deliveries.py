"""Deliveries: those under way and past, fetching as a job of the desk, single look-ups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from consensus.codec import DecodeError
from contracts import checks
from contracts.api import STEWARD
from contracts.system.deliveries import CLOSED
from contracts.system.deliveries.header import Header
from node import proving
from node.errors import MunimentError
from node.exchange import evidence
from node.exchange.asking import AskingError
from node.web.console.exchange import PAGE, before_of
from node.web.console.grants import (
    SYNTAXES,
    find_grant,
    is_serving,
    jobs_of,
    latest_under,
    show_grant,
)
from node.web.console.supervision import reading, settled_by
from node.web.forms import number_of
from node.web.site import MissingError, Site, Visit, page

_KEY = b"deliveries/delivery/"


def routes(site: Site) -> list[BaseRoute]:
    grant, delivery = "/exchange/grants/{number:int}/", "/exchange/deliveries/{number:int}"
    posts = {"fetch": _fetch, "export": _export, "look-up": _look_up, "stop": _stop}
    return [
        page(site, "/exchange/deliveries", _list),
        page(site, delivery, _show),
        page(site, delivery + "/proof", _proof),
        page(site, delivery + "/evidence", _evidence),
        *(page(site, grant + name, handler, methods=("POST",), duties=(STEWARD,))
          for name, handler in posts.items()),
    ]  # fmt: skip


# Looking


def _list(visit: Visit) -> Response:
    """The latest deliveries under the grants of a page of requests, the latest first."""
    args = {"member": visit.site.member, **before_of(visit)}
    requests = visit.query("access", "list", args)
    granted = [row["id"] for row in requests if row["status"] == "granted"]
    numbers = sorted((n for grant in granted for n in latest_under(visit, grant)), reverse=True)
    rows = [visit.query("deliveries", "get", {"delivery": each}) for each in numbers[:PAGE]]
    is_owner = any(row["owner"] == visit.site.member for row in requests)
    more = requests[-1]["id"] if len(requests) == PAGE else None
    return visit.page("deliveries.html", rows=rows, more=more,
                      unserved=is_owner and not is_serving(visit))  # fmt: skip


def find_delivery(visit: Visit) -> Any:
    """The delivery that the path names. Raises MissingError."""
    args = {"delivery": int(visit.param("number"))}
    return visit.find("deliveries", "get", args, visit.say("There is no such delivery."))


def _show(visit: Visit) -> Response:
    found = find_delivery(visit)
    copy, problem = _copy_of(visit, found)
    return visit.page("delivery.html", it=found, header=header_of(found), copy=copy,
                      problem=problem, syntaxes=SYNTAXES, serving=is_serving(visit))  # fmt: skip


def header_of(delivery: Mapping[str, Any]) -> Header | None:
    """The last header that stands on the chain."""
    try:
        return Header.decode(bytes.fromhex(delivery["header"] or ""))
    except DecodeError:
        return None


def _copy_of(visit: Visit, delivery: Mapping[str, Any]) -> tuple[Any, str]:
    """What is here of a delivery to this member, and why that cannot be said."""
    if delivery["recipient"] != visit.site.member or delivery["kind"] != "table":
        return None, ""
    try:
        found = visit.desk("delivery.copies", grant=delivery["grant"])
    except MunimentError as error:
        return None, visit.told(error)
    return next((row for row in found["copies"] if row["delivery"] == delivery["id"]), None), ""


def _proof(visit: Visit) -> Response:
    found = find_delivery(visit)
    key = _KEY + checks.number_key(found["id"])
    data = bytes.fromhex(visit.call("state.prove", key=key.hex())["proof"])
    return visit.file(f"delivery-{found['id']}.state", data)


def _evidence(visit: Visit) -> Response:
    """One file that binds a closed delivery to request, decision, masks and output."""
    found = find_delivery(visit)
    number = found["id"]
    with reading(visit) as index:
        txid = settled_by(index, "delivery", number)
    if found["status"] != CLOSED or txid is None:
        raise MissingError(visit.say("Evidence is of a delivery that was closed."))
    with visit.site.link.client() as client:
        data = proving.of_delivery(client, number, txid)
    evidence.verify(data, visit.site.genesis)
    return visit.file(f"delivery-{number}.evidence", data)


# Doing


def _fetch(visit: Visit) -> Response:
    found = find_grant(visit)
    rows = visit.form.get("rows", "").strip()
    if rows and number_of(rows) is None:
        raise AskingError(visit.say("Records are a whole number above 0."))
    syntax, server = visit.form.get("syntax", ""), visit.form.get("server", "")[:64]
    visit.desk(
        "delivery.fetch", grant=found["id"], rows=number_of(rows), who=visit.operator,
        server=server or None, syntax=syntax if syntax in SYNTAXES else None,
    )  # fmt: skip
    return visit.see(f"/exchange/grants/{found['id']}")


def _export(visit: Visit) -> Response:
    found = find_grant(visit)
    delivery, syntax = number_of(visit.form.get("delivery", "")), visit.form.get("syntax", "")
    if delivery is None:
        raise MissingError(visit.say("There is no such delivery."))
    visit.desk(
        "delivery.export", grant=found["id"], delivery=delivery, who=visit.operator,
        syntax=syntax if syntax in SYNTAXES else SYNTAXES[0],
    )  # fmt: skip
    return visit.see(f"/exchange/grants/{found['id']}")


def _look_up(visit: Visit) -> Response:
    """Ask by one key, or end the session; the answer is on this page only."""
    found = find_grant(visit)
    key = "" if "close" in visit.form else visit.form.get("key", "")[:1_024].strip()
    if not key and "close" not in visit.form:
        raise AskingError(visit.say("Which key is looked up?"))
    try:
        answer = visit.desk("delivery.look_up", grant=found["id"], key=key)
    except MunimentError as error:
        return show_grant(visit, 400, key=key, problem=visit.told(error))
    return show_grant(visit, key=key, answer=answer if key else None)


def _stop(visit: Visit) -> Response:
    found = find_grant(visit)
    for job in jobs_of(visit, found["id"]):
        if job["state"] == "running":
            visit.desk("job.stop", job=job["id"])
    return visit.see(f"/exchange/grants/{found['id']}")
