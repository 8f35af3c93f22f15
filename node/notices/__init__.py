"""Notices to people outside the node, by mail and webhook: ids only, nothing of what they name."""
