"""`python -m node` is the command `muniment`."""

from node.cli import main

main()
