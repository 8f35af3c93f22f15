"""From a TCP connection to a multiplexed one with an admitted peer, as libp2p negotiates it.

multistream-select agrees on Noise, then, inside it, on yamux
(https://github.com/libp2p/specs/blob/master/connections/README.md).
"""

from __future__ import annotations

import trio
from libp2p.custom_types import TProtocol
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.protocol_muxer.multiselect import Multiselect
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_ID
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_ID

from p2p.admission import AdmittingNoise, NotAdmittedError
from p2p.identity import key_of, peer_id_of
from p2p.libp2p_shim import BufferedTCP, ByteStream, Negotiator
from p2p.mux import Mux

NEGOTIATION_S = 10


async def secure_outbound(stream: trio.SocketStream, noise: AdmittingNoise, peer: bytes) -> Mux:
    """Become a connection to `peer`, or raise."""
    raw = RawConnection(BufferedTCP(stream), True)
    await propose(raw, NOISE_ID)
    secured = await noise.secure_outbound(raw, peer_id_of(peer))
    await propose(secured, TProtocol(YAMUX_ID))
    return Mux(secured, is_initiator=True)


async def secure_inbound(stream: trio.SocketStream, noise: AdmittingNoise) -> tuple[bytes, Mux]:
    """Become a connection from an admitted peer, whose key is returned too, or raise."""
    raw = RawConnection(BufferedTCP(stream), False)
    await agree(raw, (NOISE_ID,))
    secured = await noise.secure_inbound(raw)
    key = key_of(secured.get_remote_peer())
    if key is None:
        raise NotAdmittedError("not an Ed25519 key")
    await agree(secured, (TProtocol(YAMUX_ID),))
    return key, Mux(secured, is_initiator=False)


async def propose(stream: ByteStream, protocol: TProtocol) -> None:
    """Ask the other end to speak `protocol`. Raises MultiselectClientError."""
    await MultiselectClient().select_one_of([protocol], Negotiator(stream), NEGOTIATION_S)


async def agree(stream: ByteStream, protocols: tuple[TProtocol, ...]) -> TProtocol:
    """Let the other end choose one of `protocols`. Raises MultiselectError."""
    select = Multiselect(dict.fromkeys(protocols))
    chosen, _ = await select.negotiate(Negotiator(stream), NEGOTIATION_S)
    if chosen is None:
        raise NotAdmittedError("no protocol chosen")
    return chosen
