"""Kernels: pure functions from Arrow record batches to Arrow record batches, for workers only."""
