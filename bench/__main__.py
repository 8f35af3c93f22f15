"""Runs the ledger benchmark; `--help` names its options."""

from bench.ledger import main

main()
