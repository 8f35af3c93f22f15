"""Who opens the home's vault: an operator, by name and key, or else the system's user."""

from __future__ import annotations

import time
from collections.abc import Callable
from getpass import getuser
from pathlib import Path
from typing import Any, TypeVar

import click

from node.cli.common import Refused, connect, operator_signer
from node.home import Home

_F = TypeVar("_F", bound=Callable[..., Any])
KEY_DIGITS = 16
READERS = ("steward", "auditor")
"""Duties that go with reading plain values."""


def person_options(function: _F) -> _F:
    """Add --as and --as-passphrase-file; --passphrase-file stays that of the home's vault."""
    function = click.option(
        "--as-passphrase-file",
        "operator_file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Read the passphrase of --as from this file (mode 0600) instead of asking.",
    )(function)
    return click.option(
        "--as",
        "operator",
        metavar="OPERATOR",
        help="Act as this operator, whose key is in HOME/operators.",
    )(function)


def person(home: Path, operator: str | None, file: Path | None) -> str:
    """Return whom the access log names. Raises Refused if an operator may not read plain values.

    The operator's key is unlocked, and the chain must know it with one of READERS.
    """
    if operator is None:
        return getuser()
    from contracts.system.operators import duties_at
    from node.keys import read_passphrase

    key = operator_signer(Home(home), read_passphrase(file), operator).public_key.hex()
    with connect(home) as client:
        args = {"member": client.call("status")["name"], "operator": operator}
        known = client.call("state.query", contract="operators", method="get", args=args)
    if known is None or known["key"] != key or known["status"] != "active":
        raise Refused(f"the chain does not know this key as an active operator {operator}")
    if not duties_at(known, time.time_ns() // 1_000_000).intersection(READERS):
        raise Refused(
            f"{operator} needs the duty {' or '.join(READERS)}, not lapsed, to read plain values"
        )
    return f"{operator} {key[:KEY_DIGITS]}"
