"""Where libp2p is bent: each place names its reason, and has a test that fails without it.

Everything below relies on the insides of one libp2p version, which is checked on import. The
parts used are TCP connections, multistream-select, Noise and yamux. libp2p's swarm and host
are not: made for open networks, they end the process when a stream handler raises, free
inbound slots only at shutdown, block a peer for a minute after a failed dial, and may hang on
disconnect. `p2p.link` and `p2p.libp2p_transport` have that place.
"""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Protocol

import trio
from libp2p.io.exceptions import ConnectionClosedError, IOException
from libp2p.protocol_muxer.exceptions import MultiselectCommunicatorError
from libp2p.utils import encode_delim

LIBP2P_VERSION = "0.8.1"

MAX_NEGOTIATION_BYTES = 1024
_RECEIVE_BYTES = 1 << 16


class WrongLibp2pError(ImportError):
    """Another libp2p is installed than the one that this code was written against."""


def check_version(installed: str) -> None:
    """Raise WrongLibp2pError unless `installed` is the pinned version."""
    if installed != LIBP2P_VERSION:
        raise WrongLibp2pError(f"libp2p {LIBP2P_VERSION} is needed, {installed} is installed")


check_version(version("libp2p"))


def quiet_libp2p(level: int = logging.CRITICAL) -> None:
    """Set the level of libp2p's loggers, which report each lost connection as an error.

    Call it after the root logger is configured and after libp2p is imported, which sets its
    own levels.
    """
    for name in ("libp2p", "libp2p.network.auto_connector", "libp2p.stream_muxer"):
        logging.getLogger(name).setLevel(level)


class ByteStream(Protocol):
    """What libp2p's layers are stacked on; a read returns some bytes, none only at the end."""

    async def read(self, n: int | None = None) -> bytes: ...

    async def write(self, data: bytes) -> None: ...


class BufferedTCP:
    """A TCP connection as libp2p reads and writes it.

    libp2p's own asks the kernel twice for each Noise message, two bytes and then the rest;
    and its `read_exactly` gives up after 100 short reads, so that a 64 KB message in small
    segments breaks the connection. Here one receive serves many reads, and a read returns
    all it was asked for.
    """

    __slots__ = ("_buffer", "_start", "stream")

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._buffer = b""
        self._start = 0

    async def read(self, n: int | None = None) -> bytes:
        """Return `n` bytes (at most 64 KB), fewer only at the end of the connection."""
        wanted = _RECEIVE_BYTES if n is None else min(n, _RECEIVE_BYTES)
        while len(self._buffer) - self._start < wanted:
            try:
                received = await self.stream.receive_some(_RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ConnectionClosedError(str(error), transport="tcp") from error
            if not received:
                wanted = len(self._buffer) - self._start
                if wanted == 0:
                    raise ConnectionClosedError("end of connection", transport="tcp")
                break
            self._buffer = self._buffer[self._start :] + received
            self._start = 0
            if n is None:
                wanted = len(self._buffer)
        start = self._start
        self._start = start + wanted
        return self._buffer[start : self._start]

    async def write(self, data: bytes) -> None:
        """Send all of `data`; callers take turns."""
        try:
            await self.stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError(str(error), transport="tcp") from error

    async def close(self) -> None:
        await trio.aclose_forcefully(self.stream)

    def get_remote_address(self) -> tuple[str, int] | None:
        try:
            host, port = self.stream.socket.getpeername()[:2]
        except OSError:
            return None
        return str(host), int(port)


class Negotiator:
    """The messages of multistream-select, bounded.

    libp2p's own takes messages of any length from anybody, and raises UnicodeDecodeError,
    which nothing above expects, on bytes that are not UTF-8.
    """

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream

    async def write(self, msg_str: str) -> None:
        try:
            await self.stream.write(encode_delim(msg_str.encode()))
        except IOException as error:
            raise MultiselectCommunicatorError("connection lost") from error

    async def read(self) -> str:
        try:
            size = await self._read_size()
            message = bytearray()
            while len(message) < size:
                piece = await self.stream.read(size - len(message))
                if not piece:
                    raise MultiselectCommunicatorError("connection ended")
                message += piece
            text = message.decode()
        except (IOException, UnicodeDecodeError) as error:
            raise MultiselectCommunicatorError(str(error)) from error
        if not text.endswith("\n"):
            raise MultiselectCommunicatorError("message without its newline")
        return text[:-1]

    async def _read_size(self) -> int:
        """Read a varint of at most two bytes (multiformats unsigned varint)."""
        size = 0
        for shift in (0, 7):
            piece = await self.stream.read(1)
            if not piece:
                raise MultiselectCommunicatorError("connection ended")
            size |= (piece[0] & 0x7F) << shift
            if piece[0] < 0x80:
                if size > MAX_NEGOTIATION_BYTES:
                    break
                return size
        raise MultiselectCommunicatorError("message too long")
