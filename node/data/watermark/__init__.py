"""Watermarks: every delivery is told apart by what its masks leave open, and by nothing else."""
