"""What becomes of deliveries when their grant ends: copies are erased, and the chain is told.

Then their owner forgets, too, which record went out as which row.
"""

from __future__ import annotations

import shutil
from contextlib import suppress

from contracts.system.deliveries.limits import DAY_MS
from node.data.chain import Chain
from node.errors import MunimentError
from node.exchange import copies
from node.exchange.delivered import Delivered
from node.exchange.fetch import Fetcher
from node.home import Home

GONE = ("ended", "revoked")


def is_over(chain: Chain, grant: int, now_ms: int, *, with_retention: bool) -> bool:
    """Whether nothing may be used (or, with retention, kept) under a grant any more."""
    found = chain.query("access", "grant", {"grant": grant})
    if found is None or found["status"] in GONE:
        return True
    kept_ms = found["retention_days"] * DAY_MS if with_retention else 0
    return bool(now_ms > found["until"] + kept_ms)


def erase(home: Home, chain: Chain, master: bytes, grant: int) -> None:
    """Erase every copy under a grant, then attest it. May be repeated. Raises MunimentError."""
    fetcher = Fetcher(home, chain, master)
    with fetcher.locked(grant):
        for copy in copies.load(home.copies, grant, master):
            if copy.order.delivery and not copy.order.closed:
                with suppress(MunimentError):  # whoever served it may have closed it
                    fetcher.lapse(copy)
            copy.erase()
        copies.erase_exported(home.exported, grant)
        chain.submit("deliveries", "attest", {"grant": grant})
        shutil.rmtree(home.copies / str(grant), ignore_errors=True)


def erase_ended(home: Home, chain: Chain, master: bytes, now_ms: int) -> list[int]:
    """Erase what must not be kept any more; returns the grants."""
    done = []
    for grant in copies.held(home.copies) if home.copies.exists() else []:
        if is_over(chain, grant, now_ms, with_retention=True):
            erase(home, chain, master, grant)
            done.append(grant)
    return done


def forget_delivered(chain: Chain, delivered: Delivered, now_ms: int) -> list[int]:
    """Forget what went out where no withdrawal can concern it any more; returns the deliveries.

    That is when the grant is over and its recipient has attested that nothing is left, or when the
    version is destroyed, so that rows tell nothing any more.
    """
    done = []
    for number in delivered.deliveries():
        known = chain.query("deliveries", "get", {"delivery": number})
        grant, version = known["grant"], {"dataset": known["dataset"], "version": known["version"]}
        if chain.query("catalogue", "destroyed", version)["height"] is None:
            attested = chain.query("deliveries", "copies", {"grant": grant})[1]
            if attested is None or not is_over(chain, grant, now_ms, with_retention=False):
                continue
        delivered.forget(number)
        done.append(number)
    return done
