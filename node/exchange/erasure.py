"""What an owner tells a recipient after a withdrawal: which rows of which deliveries to erase."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from consensus.codec import decode, encode, expect_int, expect_list
from node.data.chain import Chain
from node.data.commitment import Field
from node.data.custody import Custody
from node.envelopes.content import Content
from node.exchange import copies
from node.exchange.authorise import Authorisations
from node.exchange.consent import AuthoriseError
from node.exchange.delivered import Delivered
from node.exchange.fetch import Fetcher
from node.home import Home

KIND = "withdrawn-rows"
MAX_ROWS = 1 << 14
MAX_FILE_BYTES = 1 << 20
Row = tuple[int, int]
"""A delivery and a row of it, from 1."""


def read_rows(file: Path) -> list[Row]:
    """Return the rows of a JSON file, [[delivery, row]...]. Raises AuthoriseError."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise AuthoriseError(f"{file} is larger than {MAX_FILE_BYTES} bytes")
        return _check(json.loads(file.read_bytes()))
    except OSError as error:
        raise AuthoriseError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise AuthoriseError(f"{file} must hold [[delivery, row]...]: {error}") from error


def rows_to_tell(
    home: Home, chain: Chain, master: bytes, unseal: Callable[[bytes], Content],
    obligation: Mapping[str, Any], who: str, now_ms: int,
) -> list[Row]:  # fmt: skip
    """Return the rows that went out of a home and that no subject authorises any more.

    That `who` looked enters the access log. Raises MunimentError.
    """
    batch = chain.query("subjects", "batch", {"batch": obligation["batch"]})
    scope = (batch["dataset"], batch["recipient"], batch["purpose"])
    found = Authorisations.load(chain.chain_id, chain.query, unseal, scope, now_ms)
    if found.faults:
        raise AuthoriseError(f"what is withdrawn cannot be told yet: {found.faults[0]}")
    custody, delivered = Custody(home, chain, master), Delivered(home.delivered, master)
    return rows_to_erase(found, delivered_rows(chain, custody, delivered, scope, who))


def delivered_rows(
    chain: Chain, custody: Custody, delivered: Delivered, scope: tuple[str, str, str], who: str
) -> Iterator[tuple[int, int, list[Field]]]:
    """Yield delivery, row and record of all that went out for (dataset, recipient, purpose).

    What its owner has erased since cannot be told any more. Raises MunimentError.
    """
    for number in delivered.deliveries():
        known = chain.query("deliveries", "get", {"delivery": number})
        grant = chain.query("access", "grant", {"grant": known["grant"]})
        dataset, version = known["dataset"], known["version"]
        if (dataset, grant["recipient"], grant["purpose"]) != scope:
            continue
        if (dataset, version) not in custody.held(dataset, version):
            continue
        row_of = {place: row for row, place in delivered.rows(number)}
        opened = custody.open(dataset, version)
        custody.log.note(who, dataset, version, (1, opened.head.rows), "authorise tell")
        places = opened.places(1, opened.head.rows)
        for record, _, values in opened.records():
            if (row := row_of.get(places[record - 1])) is not None:
                yield number, row, values


def rows_to_erase(
    authorisations: Authorisations, delivered: Iterable[tuple[int, int, Sequence[Field]]]
) -> list[Row]:
    """Return which of the delivered rows, each (delivery, row, record), nobody authorises now."""
    return [(d, row) for d, row, values in delivered if not authorisations.covers(values)]


def erase_rows(home: Home, chain: Chain, master: bytes, rows: Iterable[Sequence[int]]) -> None:
    """Erase [delivery, row] pairs from the copies in a home. May be repeated. MunimentError."""
    by_delivery: dict[int, set[int]] = {}
    for delivery, row in rows:
        by_delivery.setdefault(delivery, set()).add(row)
    for delivery, struck in by_delivery.items():
        known = chain.query("deliveries", "get", {"delivery": delivery})
        if known is None or known["recipient"] != chain.member:
            continue  # nothing of it can be here
        with Fetcher(home, chain, master).locked(known["grant"]):
            for copy in copies.load(home.copies, known["grant"], master):
                if copy.order.delivery == delivery:
                    copy.strike(struck, master)
            copies.erase_exported(home.exported, known["grant"])


def order_record(obligation: int, rows: list[Row]) -> Content:
    """Return the record that is sealed to the recipient; rows are sorted and distinct in it."""
    found = sorted(set(rows))
    if len(found) > MAX_ROWS:
        raise AuthoriseError(f"an envelope names at most {MAX_ROWS} rows, not {len(found)}")
    body = base64.b64encode(encode([list(row) for row in found])).decode("ascii")
    return Content.create(KIND, {"obligation": str(obligation), "rows": body})


def rows_of(obligation: int, content: Content) -> list[list[int]]:
    """Return the [delivery, row] pairs that an owner sealed. Raises AuthoriseError."""
    fields = dict(zip(content.names, content.values, strict=True))
    if content.kind != KIND or fields.get("obligation") != str(obligation):
        raise AuthoriseError(f"the envelope is not about obligation {obligation}")
    try:
        found = _check(decode(base64.b64decode(fields.get("rows") or "")))
    except ValueError as error:
        raise AuthoriseError(f"the rows of obligation {obligation} are damaged") from error
    return [list(row) for row in found]


def _check(value: Any) -> list[Row]:
    """Raises DecodeError, which is a ValueError."""
    found: list[Row] = []
    for item in expect_list(value, "rows", max_length=MAX_ROWS):
        delivery, row = expect_list(item, "[delivery, row]", 2)
        found.append((expect_int(delivery, "delivery", 1), expect_int(row, "row", 1)))
    return found
