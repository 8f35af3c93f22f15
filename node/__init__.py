"""The node: daemon, ledger, store, RPC, commands, and what a department does with its data."""
