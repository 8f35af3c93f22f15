"""Deliveries of data between departments."""
