"""Who may connect: decided inside the Noise handshake, as soon as the remote key is proved.

Security is Noise alone. libp2p's default also offers plaintext, where a peer id can be forged.
"""

from __future__ import annotations

from collections.abc import Callable

from libp2p.abc import IRawConnection, ISecureConn
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair as create_new_x25519_key_pair
from libp2p.peer.id import ID
from libp2p.security.noise.transport import Transport as NoiseTransport

from p2p.identity import key_of


class NotAdmittedError(Exception):
    """The remote key is proved, but is not of an admitted peer, or that peer is muted."""


class AdmittingNoise:
    """Noise XX (https://github.com/libp2p/specs/tree/master/noise) that
    hands out a secured connection only when its remote key is admitted.
    """

    def __init__(self, key_pair: KeyPair, is_admitted: Callable[[bytes], bool]) -> None:
        static_key = create_new_x25519_key_pair().private_key  # signed with the node key
        self._noise = NoiseTransport(key_pair, noise_privkey=static_key)
        self._is_admitted = is_admitted

    async def secure_inbound(self, conn: IRawConnection) -> ISecureConn:
        """Answer a handshake. Raises NotAdmittedError, or what Noise raises."""
        return self._check(await self._noise.secure_inbound(conn))

    async def secure_outbound(self, conn: IRawConnection, peer_id: ID) -> ISecureConn:
        """Start a handshake with `peer_id`. Raises NotAdmittedError, or what Noise raises."""
        secured = self._check(await self._noise.secure_outbound(conn, peer_id))
        if secured.get_remote_peer() != peer_id:
            raise NotAdmittedError(f"another peer answers than {peer_id}")
        return secured

    def _check(self, secured: ISecureConn) -> ISecureConn:
        peer_id = secured.get_remote_peer()
        key = key_of(peer_id)
        if key is None or not self._is_admitted(key):
            raise NotAdmittedError(f"{peer_id} is not admitted")
        return secured
