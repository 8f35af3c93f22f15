"""Parameters of the network with what they are for, and changes of them put to the vote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from consensus.codec import DecodeError
from consensus.validators import FAULT_MODELS, Parameters
from node.parameter_docs import DOCS
from node.web.console.fields import FormError, or_again
from node.web.console.governance import DECIDE, put_forward
from node.web.forms import whole
from node.web.sentences import of_error
from node.web.site import Site, Visit, page

_PARAMETERS = "/governance/parameters"


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, _PARAMETERS, _show),
        page(site, _PARAMETERS, or_again(_propose, _page), methods=("POST",), duties=DECIDE),
    ]


def _show(visit: Visit) -> Response:
    return _page(visit, {})


def _page(visit: Visit, given: Mapping[str, str], problem: str = "") -> Response:
    current = visit.call("validators.get")["parameters"]
    following = visit.query("members", "parameters")
    return visit.page(
        "parameters.html", 400 if problem else 200, current=current, following=following,
        given=given, problem=problem, docs=DOCS, models=FAULT_MODELS,
        bounds={name: Parameters.bounds(name) for name in current},
        may=not visit.duties.isdisjoint(DECIDE),
    )  # fmt: skip


def _propose(visit: Visit) -> Response:
    """Raises MunimentError."""
    changes, following = _changes(visit)
    words = [(name, f"{following[name]} → {value}") for name, value in changes.items()]
    return put_forward(visit, "parameters", {"changes": changes}, words, _PARAMETERS)


def _changes(visit: Visit) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the form changes of what is decided already, and that. Raises FormError."""
    following = visit.query("members", "parameters")
    changes: dict[str, Any] = {}
    for name, value in following.items():
        text = visit.form.get(name, "").strip()
        if name == "version" or text in ("", str(value)):
            continue
        if name == "fault_model":
            changes[name] = text
        else:
            changes[name] = _number(visit, name, text)
    if not changes:
        raise FormError(visit.say("Nothing is to be changed."))
    try:
        Parameters.from_value({**following, **changes})
    except DecodeError as error:
        sentence = of_error(visit.language, error.code, str(error))
        raise FormError(sentence) from error
    return changes, following


def _number(visit: Visit, name: str, text: str) -> int:
    """Raises FormError."""
    low, high = Parameters.bounds(name) or (0, 0)
    value = whole(text)
    if value is None or not low <= value <= high:
        low_text, high_text = visit.language.number(low), visit.language.number(high)
        sentence = visit.say("%s must be a whole number from %s to %s.")
        raise FormError(sentence % (name, low_text, high_text))
    return value
