"""Readers: from a foreign source to Arrow batches of text. They run in worker processes only."""
