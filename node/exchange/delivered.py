"""Which record went out as which row: what an owner needs to say whose rows have to be erased.

For each chunk that is sent under subjects' authorisations one sealed file, `DELIVERY/NUMBER` in the
folder: the first row of the chunk, and its records' places in the version's tree.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from consensus.codec import expect_bytes, expect_int, expect_list
from contracts.system.deliveries.header import Header
from node.data.sealing import Sealer
from node.exchange.linked import MAX_RECORDS, PLACE_BYTES


class Delivered:
    """Rows that went out of one home."""

    def __init__(self, folder: Path, master: bytes) -> None:
        self._folder, self._sealer = folder, Sealer(master)

    def note(self, header: Header, places: Sequence[int]) -> None:
        """Keep what is about to go out with a header, in place of what had its number before.

        A recipient that did not keep the chunk asks for it again, and may be sent another one.
        """
        folder = self._folder / str(header.delivery)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        packed = b"".join(place.to_bytes(PLACE_BYTES, "big") for place in places)
        path = folder / str(header.number)
        self._sealer.write(path, _what(path), [header.rows - len(places) + 1, packed])
        number = header.number + 1
        while (stale := folder / str(number)).exists():
            stale.unlink()
            number += 1

    def deliveries(self) -> list[int]:
        return sorted(int(path.name) for path in self._folder.glob("*"))

    def forget(self, delivery: int) -> None:
        shutil.rmtree(self._folder / str(delivery))

    def rows(self, delivery: int) -> Iterator[tuple[int, int]]:
        """Yield each row of a delivery, from 1, and its record's place. Raises SealError."""
        for path in (self._folder / str(delivery)).glob("*"):
            if not path.name.isdigit():
                continue  # a crash left it while it was written
            found = expect_list(self._sealer.read(path, _what(path)), "rows", 2)
            first = expect_int(found[0], "row", 1)
            packed = expect_bytes(found[1], "places", max_length=PLACE_BYTES * MAX_RECORDS)
            for at in range(0, len(packed), PLACE_BYTES):
                place = int.from_bytes(packed[at : at + PLACE_BYTES], "big")
                yield first + at // PLACE_BYTES, place


def _what(path: Path) -> str:
    return f"delivered {path.parent.name} {path.name}"
