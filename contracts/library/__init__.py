"""Contracts that are useful as they stand; see docs/library.md."""
