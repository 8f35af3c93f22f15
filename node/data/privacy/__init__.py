"""Answers about records that nobody sees: differentially private aggregates."""
