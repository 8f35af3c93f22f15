from __future__ import annotations

from typing import Any

from node.watch.health import Observer
from node.watch.item import FAULT, HEALTH_MS, Health, Item

NAMES = ("city", "land", "sea", "tax")
START = 1_800_000_000_000


class View:
    """What land's node sees: block by block, each by the leader of a view."""

    def __init__(self) -> None:
        self.observer = Observer("land")
        self.observer.set_validators(0, NAMES)
        self.height = 0
        self.reports: dict[str, Health] = {}

    def block(self, view: int, *, signers: tuple[str, ...] | None = NAMES, time: int = 0) -> None:
        """The block of a view; without signers it is made final by a later one."""
        self.height += 1
        block = {
            "height": self.height, "digest": f"{self.height:02x}", "time": START + time,
            "epoch": 0, "proposer": NAMES[view % 4], "view": None if signers is None else view,
            "signers": signers,
        }  # fmt: skip
        for item in self.observer.see_block(block, START + time - 40):
            health = Health(*item.data)
            self.reports[health.member] = health

    def peers(self, **changes: Any) -> list[Item]:
        row = {
            "name": "tax", "connected": True, "height": self.height, "tip": f"{self.height:02x}",
            "last_fault": "",
        } | changes  # fmt: skip
        return self.observer.see_peers([row], self.height, START)


def test_views_without_a_block_are_their_leaders() -> None:
    view = View()
    for number in (4, 5, 6, 8, 9):  # tax does not use view 7
        view.block(number)
    view.block(10, signers=None)
    view.block(12, time=HEALTH_MS)  # nor view 11
    tax, sea, city = (view.reports[name] for name in ("tax", "sea", "city"))
    assert (tax.turns, tax.missed) == (2, 2)
    assert (sea.turns, sea.missed) == (2, 0)
    assert (city.turns, city.missed, city.drift_ms) == (2, 0, 40)
    assert "land" not in view.reports


def test_votes_that_are_not_in_certificates_are_counted() -> None:
    view = View()
    view.block(4)
    view.block(5, signers=("city", "land", "sea"))
    view.block(6, signers=None)
    view.block(7, time=HEALTH_MS)
    assert (view.reports["tax"].absent, view.reports["tax"].blocks) == (1, 3)
    assert view.reports["city"].absent == 0


def test_losses_and_lag_are_of_the_time_since_the_last_report() -> None:
    view = View()
    for number in range(4, 9):
        view.block(number)
    view.peers(height=2, tip="02")
    view.peers(connected=False, height=None, tip=None)
    view.peers()
    view.peers(connected=False)
    view.block(9, time=HEALTH_MS)
    assert (view.reports["tax"].downs, view.reports["tax"].lag) == (2, 3)
    view.block(10, time=2 * HEALTH_MS)
    assert (view.reports["tax"].downs, view.reports["tax"].lag) == (0, 0)


def test_another_block_at_a_height_is_told_at_once_and_once() -> None:
    view = View()
    view.block(4)
    [item] = view.peers(tip="ff")
    assert (item.name, Health(*item.data)) == (FAULT, Health("tax", mismatched=1))
    assert view.peers(tip="ff") == []
    assert view.peers(height=9, tip="ff") == []  # not known here yet


def test_a_peer_that_is_cut_off_sent_something_invalid() -> None:
    view = View()
    view.peers()
    assert view.peers(connected=False, last_fault="the other side closed") == []
    [item] = view.peers(connected=False, last_fault="cut off: unknown frame kind 99")
    assert Health(*item.data) == Health("tax", invalid=1)
    assert view.peers(connected=False, last_fault="cut off: unknown frame kind 99") == []
