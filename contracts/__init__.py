"""Rules executed on agreed blocks. Pure: no IO, clock, randomness or logging."""
