"""Who keeps a dataset for its owner: what contracts read and check of agreements on custody.

In *escrow* the custodian holds ciphertext and never delivers; a *delegate* gets the keys of
versions, sees plain data, and delivers in the owner's name. Important and core data, and what is
about persons (L3 and L4), stay in the owner's country: it is computed from members' jurisdictions
and storage sites, and one that is not known counts as foreign.
"""

from __future__ import annotations

from typing import Any

from contracts import checks
from contracts.api import Args, Context, Reader, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import members

NAME = "custody"
OWN, ESCROW, DELEGATE = "own", "escrow", "delegate"
MODES = (OWN, ESCROW, DELEGATE)
OFFERED, ACTIVE, ENDED, ERASED = "offered", "active", "ended", "erased"
PERSONAL_LEVEL = 3
MAX_CUSTODIANS = 16
"""Members that ever keep one dataset."""
AGREEMENT = b"agreement/"
_OF = b"of/"


def require_agreement(ctx: Context, number: int, *statuses: str) -> dict[str, Any]:
    found: dict[str, Any] | None = get_agreement(ctx.overlay, number)
    if found is None:
        fail(Code.NOT_FOUND, f"agreement {number}")
    if found["status"] not in statuses:
        fail(Code.WRONG_STATUS, [f"agreement {number}", found["status"]])
    return found


def require_domestic(ctx: Context, dataset: str, custodian: str, level: int, grade: str) -> None:
    """Fail if data of this sharing level and class would leave its owner's country."""
    if level < PERSONAL_LEVEL and grade == "general":
        return
    home = members.country_of(members.require(ctx, dataset.partition("/")[0])["jurisdiction"])
    keeper = members.require(ctx, custodian)
    places = [members.country_of(keeper[name]) for name in ("jurisdiction", "storage")]
    if home is None or places != [home, home]:
        fail(Code.FOREIGN_CUSTODY, custodian)


def require_mode(ctx: Context, args: Args) -> None:
    """Fail unless a registration's custody is agreed with somebody who may keep such data."""
    mode, dataset = args["custody"], args["dataset"]
    time = ctx.block.timestamp
    found = agreements(ctx.overlay, dataset)
    agreed = [each for each in found if each["mode"] == mode and is_active(each, time)]
    if not agreed:
        fail(Code.NO_AGREEMENT, mode)
    for agreement in agreed:
        require_domestic(ctx, dataset, agreement["custodian"], args["level"], args["class"])


def of(dataset: str) -> bytes:
    """What the keys of a dataset's agreements begin with; the custodian's name follows."""
    return _OF + dataset.encode("ascii") + b"|"


def get_agreement(state: StateReader, number: int) -> Any:
    """Return an agreement (a map), or None."""
    return Reader(state, NAME).get(AGREEMENT + checks.number_key(number))


def find(state: StateReader, dataset: str, custodian: str) -> Any:
    """Return the latest agreement on a dataset with a member, or None."""
    number = Reader(state, NAME).get(of(dataset) + custodian.encode("ascii"))
    return None if number is None else get_agreement(state, number)


def is_active(agreement: dict[str, Any] | None, time: int) -> bool:
    """Whether an agreement holds at `time` (ms UTC)."""
    return agreement is not None and agreement["status"] == ACTIVE and time < agreement["until"]


def agreements(state: StateReader, dataset: str) -> list[dict[str, Any]]:
    """Return the latest agreement on a dataset with each member, by name."""
    reader = Reader(state, NAME)
    rows = reader.scan(of(dataset), limit=MAX_CUSTODIANS)
    return [reader.get(AGREEMENT + checks.number_key(number)) for _, number in rows]
