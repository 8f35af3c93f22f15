"""Trouble for a trial network of real processes, from a seed, with its promises checked by RPC."""
