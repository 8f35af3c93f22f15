from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.frame import FrameDecoder, ProtocolError, encode_frame
from p2p.transport import MAX_PAYLOAD_BYTES

frames = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=20)


@given(frames, st.lists(st.integers(1, 400)))
def test_round_trip_in_any_pieces(sent: list[tuple[int, bytes]], cuts: list[int]) -> None:
    wire = b"".join(encode_frame(kind, payload) for kind, payload in sent)
    decoder = FrameDecoder()
    received: list[tuple[int, bytes]] = []
    for cut in [*cuts, len(wire) + 1]:
        received += decoder.feed(wire[:cut])
        wire = wire[cut:]
    assert received == sent


@given(st.lists(st.binary(max_size=100), max_size=10))
def test_any_bytes_give_frames_or_protocol_error(pieces: list[bytes]) -> None:
    decoder = FrameDecoder(max_payload_bytes=1000)
    for piece in pieces:
        try:
            received = decoder.feed(piece)
        except ProtocolError:
            return
        assert all(0 <= kind <= 255 and len(payload) <= 1000 for kind, payload in received)


def test_length_is_refused_before_the_payload_comes() -> None:
    with pytest.raises(ProtocolError, match="exceeds 1000"):
        FrameDecoder(max_payload_bytes=1000).feed((1001).to_bytes(4, "big"))


def test_largest_frame_passes_byte_by_byte_at_its_borders() -> None:
    wire = encode_frame(9, bytes(MAX_PAYLOAD_BYTES))
    decoder = FrameDecoder()
    for index in range(6):
        assert decoder.feed(wire[index : index + 1]) == []
    assert decoder.feed(wire[6:-1]) == []
    assert decoder.feed(wire[-1:]) == [(9, bytes(MAX_PAYLOAD_BYTES))]


@pytest.mark.parametrize(("kind", "size"), [(-1, 0), (256, 0), (1, MAX_PAYLOAD_BYTES + 1)])
def test_what_cannot_be_decoded_is_not_encoded(kind: int, size: int) -> None:
    with pytest.raises(ValueError, match="frame"):
        encode_frame(kind, bytes(size))
