"""Watching: what happens on the chain and among the nodes becomes features, those alerts."""
