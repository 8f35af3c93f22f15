"""How bytes move between members: the transport seam, its libp2p implementation, wire frames."""
