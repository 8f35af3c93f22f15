"""Sealed envelopes: record bodies that travel between their parties and never on the chain."""
