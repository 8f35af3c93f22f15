"""A release that executes a second protocol version, run as `python next_release.py start`.

Version 2 has one contract more, whose results version 1 cannot give.
"""

from __future__ import annotations

import sys
from pathlib import Path

from contracts import checks
from contracts.api import Args, Context, Contract, Signature
from contracts.system import VERSIONS
from node import daemon


def _pin(ctx: Context, args: Args) -> None:
    ctx.put(ctx.sender.encode("ascii"), args["note"])
    ctx.emit("pinned", [ctx.sender, args["note"]])


BOARD = Contract("board", {"pin": Signature(_pin, {"note": checks.slug})}, {})

if __name__ == "__main__":
    home = Path(sys.argv[sys.argv.index("--home") + 1])
    passphrase = (home / "passphrase").read_text().strip()
    try:
        daemon.run(home, passphrase, {**VERSIONS, 2: {**VERSIONS[1], BOARD.name: BOARD}})
    except daemon.MunimentError as error:
        sys.exit(f"muniment: {error.message}")
