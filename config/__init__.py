"""Settings of a node: typed, frozen, with precise errors."""
