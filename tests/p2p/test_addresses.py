from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.addresses import address_of, connect, open_listener, parse_address


@pytest.mark.parametrize(
    "text",
    [
        "/ip4/127.0.0.1/tcp/7000",
        "/ip6/::1/tcp/0",
        "/dns/tax.gov.example/tcp/65535",
        "/dns4/localhost/tcp/1",
        "/dns6/a-b.example./tcp/1",
    ],
)
def test_known_forms(text: str) -> None:
    assert str(parse_address(text)) == text
    assert str(parse_address(text + "/p2p/12D3KooW")) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:7000",
        "/ip4/127.0.0.1/udp/7000",
        "/ip4/localhost/tcp/7000",
        "/ip4/127.0.0.1/tcp/65536",
        "/ip4/127.0.0.1/tcp/-1",
        "/ip4/127.0.0.1/tcp/٣",
        "/ip4/127.0.0.1/tcp/7000/ws",
        "/dns4/a b/tcp/1",
        "/dns4//tcp/1",
        "/dns4/a..b/tcp/1",
    ],
)
def test_others_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_address(text)


@given(st.text())
def test_any_text_gives_an_address_or_value_error(text: str) -> None:
    try:
        parse_address(text)
    except ValueError:
        return


@pytest.mark.parametrize("name", ["dns", "dns4"])
async def test_names_are_resolved(name: str) -> None:
    async with await open_listener(parse_address("/ip4/127.0.0.1/tcp/0")) as listener:
        port = address_of(listener).port
        async with await connect(parse_address(f"/{name}/localhost/tcp/{port}")) as stream:
            assert stream.socket.getpeername()[1] == port
