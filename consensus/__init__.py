"""What all nodes must agree on bit for bit. Pure: no IO, clock, randomness or logging."""
