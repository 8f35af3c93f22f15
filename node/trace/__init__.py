"""What happened to something, in order, with the blocks that prove it."""
