"""Multiaddrs of the kinds that members use, and connecting to them."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

import trio

_MAX_HOST_NAME = 253  # RFC 1035
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")
_FAMILIES = {
    "ip4": socket.AF_INET,
    "dns4": socket.AF_INET,
    "ip6": socket.AF_INET6,
    "dns6": socket.AF_INET6,
    "dns": socket.AF_UNSPEC,
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where to dial or listen: `/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT`."""

    protocol: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"/{self.protocol}/{self.host}/tcp/{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        return _FAMILIES[self.protocol]


def parse_address(text: str) -> Address:
    """Parse a multiaddr; a trailing `/p2p/ID` is ignored. ValueError says what is wrong."""
    parts = text.split("/")
    if len(parts) == 7 and parts[5] == "p2p":
        parts = parts[:5]
    if len(parts) != 5 or parts[0] or parts[1] not in _FAMILIES or parts[3] != "tcp":
        raise ValueError(f"{text!r} is not an address like /ip4/10.0.0.1/tcp/7000")
    protocol, host, port = parts[1], parts[2], parts[4]
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 1 << 16):
        raise ValueError(f"{text!r} has no port within 0..65535")
    if protocol == "ip4":
        ipaddress.IPv4Address(host)
    elif protocol == "ip6":
        ipaddress.IPv6Address(host)
    elif not _is_host_name(host):
        raise ValueError(f"{text!r} has no valid host name")
    return Address(protocol, host, int(port))


def _is_host_name(text: str) -> bool:
    labels = text.removesuffix(".").split(".")
    return len(text) <= _MAX_HOST_NAME and all(_LABEL.fullmatch(label) for label in labels)


def address_of(listener: trio.SocketListener) -> Address:
    """Return what a listener is bound to, its real port included."""
    host, port = listener.socket.getsockname()[:2]
    return Address("ip6" if listener.socket.family == socket.AF_INET6 else "ip4", host, port)


async def open_listener(address: Address) -> trio.SocketListener:
    """Bind and listen. Raises OSError; a port that is in use is always an error.

    libp2p's own listener sets SO_REUSEPORT, with which a second daemon would start without
    a word and take half of the connections.
    """
    found = await trio.socket.getaddrinfo(
        address.host, address.port, family=address.family, type=socket.SOCK_STREAM
    )
    family, kind, protocol, _, target = found[0]
    sock = trio.socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        await sock.bind(target)
        sock.listen(128)
        return trio.SocketListener(sock)
    except BaseException:
        sock.close()
        raise


async def connect(address: Address) -> trio.SocketStream:
    """Resolve and connect, each resolved address in turn. Raises OSError of the last."""
    found = await trio.socket.getaddrinfo(
        address.host, address.port, family=address.family, type=socket.SOCK_STREAM
    )
    fault: OSError = OSError(f"{address} resolves to nothing")
    for family, kind, protocol, _, target in found:
        sock = trio.socket.socket(family, kind, protocol)
        try:
            await sock.connect(target)
            return trio.SocketStream(sock)
        except OSError as error:
            sock.close()
            fault = error
        except BaseException:
            sock.close()
            raise
    raise fault
