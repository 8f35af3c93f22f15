from __future__ import annotations

from contextlib import ExitStack

import pytest
import trio
import trio.testing

from p2p.gate import Gate, GateClosedError
from p2p.limits import Limits


async def test_handshakes_under_way_are_bounded() -> None:
    gate = Gate(Limits(max_handshakes=2))
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(gate.handshake("a"))
        with pytest.raises(GateClosedError), gate.handshake("b"):
            pytest.fail("let in")
    with gate.handshake("b"):
        await trio.lowlevel.checkpoint()


async def test_one_address_does_not_take_all_handshakes() -> None:
    gate = Gate(Limits(max_handshakes_per_address=1))
    with gate.handshake("a"):
        with pytest.raises(GateClosedError), gate.handshake("a"):
            pytest.fail("let in")
        with gate.handshake("b"):
            await trio.lowlevel.checkpoint()


async def test_connections_of_one_address_are_bounded() -> None:
    gate = Gate(Limits(max_connections_per_address=2))
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(gate.connection("a"))
        with pytest.raises(GateClosedError), gate.connection("a"):
            pytest.fail("let in")
        with gate.connection("b"):
            await trio.lowlevel.checkpoint()
    with gate.connection("a"):
        await trio.lowlevel.checkpoint()


async def test_failures_count_for_a_minute(autojump_clock: trio.testing.MockClock) -> None:
    gate = Gate(Limits(max_failures_per_minute=3))
    for _ in range(3):
        with pytest.raises(EOFError), gate.connection("a"), gate.handshake("a"):
            raise EOFError
    with pytest.raises(GateClosedError), gate.connection("a"):
        pytest.fail("let in")
    with gate.connection("b"):
        await trio.sleep(61)
    with gate.connection("a"):
        await trio.lowlevel.checkpoint()


async def test_table_of_addresses_is_bounded() -> None:
    gate = Gate(Limits(max_addresses_watched=10))
    with gate.connection("kept"):
        for number in range(100):
            with gate.connection(str(number)):
                await trio.lowlevel.checkpoint()
        assert len(gate._sources) <= 11
        assert "kept" in gate._sources
