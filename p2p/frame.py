"""Wire frames: u32 length of the payload (big-endian), u8 kind, payload."""

from __future__ import annotations

from p2p.transport import MAX_KIND, MAX_PAYLOAD_BYTES

LENGTH_BYTES = 4
HEADER_BYTES = LENGTH_BYTES + 1
HEARTBEAT_KIND = 0


class ProtocolError(Exception):
    """A peer sent what no honest node sends."""


def encode_frame(kind: int, payload: bytes) -> bytes:
    """Return the wire form. ValueError when kind or size is out of range: that is our bug."""
    if not 0 <= kind <= MAX_KIND:
        raise ValueError(f"frame kind {kind} is not within 0..{MAX_KIND}")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"frame of {len(payload)} bytes exceeds {MAX_PAYLOAD_BYTES}")
    return b"%b%c%b" % (len(payload).to_bytes(4, "big"), kind, payload)


HEARTBEAT = encode_frame(HEARTBEAT_KIND, b"")


class FrameDecoder:
    """Cuts a byte stream into frames.

    Holds at most one incomplete frame; a length above the limit is refused as soon as the
    four bytes of it are there, before anything of the payload is kept.
    """

    __slots__ = ("_buffer", "_max_payload_bytes", "_wanted")

    def __init__(self, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        self._buffer = bytearray()
        self._max_payload_bytes = max_payload_bytes
        self._wanted = LENGTH_BYTES

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the (kind, payload) pairs that `data` completes, in order.

        Raises ProtocolError on an oversized frame; the decoder is of no use afterwards.
        """
        buffer = self._buffer
        if buffer or len(data) < self._wanted:
            buffer += data
            if len(buffer) < self._wanted:
                return []  # a large frame is looked at again only when all of it is there
            data = bytes(buffer)
            buffer.clear()
        frames: list[tuple[int, bytes]] = []
        start, end = 0, len(data)
        self._wanted = LENGTH_BYTES
        while end - start >= LENGTH_BYTES:
            length = int.from_bytes(data[start : start + LENGTH_BYTES], "big")
            if length > self._max_payload_bytes:
                raise ProtocolError(f"frame of {length} bytes exceeds {self._max_payload_bytes}")
            body = start + HEADER_BYTES
            if end < body + length:
                self._wanted = HEADER_BYTES + length
                break
            frames.append((data[start + LENGTH_BYTES], data[body : body + length]))
            start = body + length
        buffer += data[start:]
        return frames
