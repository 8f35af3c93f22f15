"""SQL tables through SQLAlchemy: read in the order of a stamp or a key, so that a run reads on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from consensus.codec import Value
from node.data.readers.batches import BATCH_ROWS, Chunk, ReadError, Row, check_columns, make_batch
from node.data.readers.columnar import text_of

_RAW = sa.types.NullType()


def read_table(
    url: str, name: str, key: str, stamp: str, cursor: Value
) -> tuple[list[str], Iterator[Chunk]]:
    """Return a table's columns and its chunks.

    `key` and `stamp` name columns or are empty. With a stamp, rows whose stamp is not below the
    cursor's are read in the order of stamps: those that share it are read again, and their key
    makes that harmless. With a key alone, rows above the cursor's key are read in its order.
    """
    try:
        engine = _engine(url)
        schema, _, bare = name.rpartition(".")
        table = sa.Table(bare, sa.MetaData(), schema=schema or None, autoload_with=engine)
    except (SQLAlchemyError, ImportError) as error:
        raise ReadError(f"table {name} cannot be opened: {type(error).__name__}") from error
    names = check_columns([column.name for column in table.columns], f"table {name}")
    for wanted in filter(None, (key, stamp)):
        if wanted not in names:
            raise ReadError(f"table {name} has no column {wanted!r}")
    order = [table.c[column] for column in (stamp, key) if column]
    raw = engine.dialect.name == "sqlite"  # which keeps what was written, whatever the type says
    columns = [sa.type_coerce(c, _RAW).label(c.name) if raw else c for c in table.columns]
    query = sa.select(*columns).order_by(*order)
    if cursor is not None and order:
        first = sa.type_coerce(order[0], _RAW) if raw else order[0]
        last = str(cursor) if raw else _typed(order[0], str(cursor))
        query = query.where(first >= last if stamp else first > last)
    place = names.index(stamp or key) if order else None
    return names, _chunks(engine, query, names, place, name)


def _engine(url: str) -> sa.Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, pool_size=1, isolation_level="REPEATABLE READ")
    if not parsed.database:
        raise ReadError("a SQLite source needs a file")
    query = {**parsed.query, "uri": "true", "mode": "ro"}
    return sa.create_engine(parsed.set(database=f"file:{parsed.database}", query=query))


def _chunks(
    engine: sa.Engine, query: sa.Select[Any], names: list[str], place: int | None, name: str
) -> Iterator[Chunk]:
    number = 0
    try:
        with engine.connect().execution_options(stream_results=True) as connection:
            result = connection.execute(query)
            while found := result.fetchmany(BATCH_ROWS):
                rows: list[Row] = [[text_of(value) for value in row] for row in found]
                numbers = list(range(number + 1, number + 1 + len(rows)))
                number += len(rows)
                cursor = None if place is None else rows[-1][place]
                yield Chunk(make_batch(names, numbers, rows), (), cursor)
    except SQLAlchemyError as error:
        raise ReadError(
            f"table {name} broke off after row {number}: {type(error).__name__}"
        ) from error


def _typed(column: sa.Column[Any], text: str) -> Any:
    """Return a cursor's text as the column compares it. Raises ReadError."""
    try:
        kind = column.type.python_type
        if kind is datetime or kind is date:
            return kind.fromisoformat(text)
        if kind in (int, float, Decimal):
            return kind(text)
    except (NotImplementedError, ValueError, ArithmeticError) as error:
        raise ReadError(f"column {column.name} has changed its type since the last run") from error
    return text
