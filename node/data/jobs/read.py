"""Job: read a declared source from a cursor on, as Arrow batches of text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from consensus.codec import Value
from node.data import table
from node.data.readers.batches import Chunk, ReadError, Record, gather
from node.data.source import FORMATS

MAX_BAD_ROWS = 100_000


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames: ["columns", names], then ["chunk", Arrow stream, bad rows, cursor] for each chunk.

    `args`: source (a declaration), cursor, columns (or null), validators of conditional requests.
    Before the end comes ["end", validators], or ["unchanged"] alone.
    """
    opened = open_source(args["source"], args["cursor"], args["columns"], args["validators"])
    if opened is None:
        yield ["unchanged"]
        return
    columns, chunks, validators = opened
    yield ["columns", columns]
    bad = 0
    for chunk in chunks:
        bad += len(chunk.bad)
        if bad > MAX_BAD_ROWS:
            raise ReadError(
                f"more than {MAX_BAD_ROWS} records cannot be read; is the format right?"
            )
        yield ["chunk", to_bytes(chunk.batch), [list(each) for each in chunk.bad], chunk.cursor]
    yield ["end", validators]


def to_bytes(batch: pa.RecordBatch) -> bytes:
    """Return the batch as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def from_bytes(data: bytes) -> pa.RecordBatch:
    """Return the one batch of an Arrow stream."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_next_batch()


def open_source(
    source: dict[str, Any],
    cursor: Value,
    columns: list[str] | None,
    validators: dict[str, str],
) -> tuple[list[str], Iterator[Chunk], dict[str, str]] | None:
    """Return columns, chunks from the cursor on and new validators; None if nothing has changed."""
    match source["kind"]:
        case "file":
            names, chunks = _open_file(Path(source["path"]), source, cursor, columns)
            return names, chunks, {}
        case "sql":
            from node.data.readers.database import read_table

            url = source.get("url", "")
            if source.get("url_file"):
                url = Path(source["url_file"]).read_text(encoding="utf-8").strip()
            names, chunks = read_table(
                url, source["table"], source.get("order", ""), source.get("stamp", ""), cursor
            )
            return names, chunks, {}
        case "http":
            from node.data.readers.web import Unchanged, Web, fetch

            known = ("url", "records", "next", "page", "first", "header_file")
            web = Web(**{name: source[name] for name in known if name in source})
            found = fetch(web, cursor, validators, columns)
            return None if isinstance(found, Unchanged) else found
        case kind:
            raise ReadError(f"there is no kind of source called {kind!r}")


def _open_file(
    path: Path, source: dict[str, Any], cursor: Value, columns: list[str] | None
) -> tuple[list[str], Iterator[Chunk]]:
    """A file is read from the record after `cursor`; it must stay as it is meanwhile."""
    skip = cursor if isinstance(cursor, int) else 0
    kind = source.get("format") or FORMATS.get(path.suffix.lower(), "")
    try:
        before = path.stat()
        names, chunks = _open_format(path, kind, source, skip, columns)
    except OSError as error:
        raise ReadError(f"{path} cannot be read: {error.strerror}") from error
    return names, _unchanged(path, before.st_mtime_ns, before.st_size, chunks)


def _open_format(
    path: Path, kind: str, source: dict[str, Any], skip: int, columns: list[str] | None
) -> tuple[list[str], Iterator[Chunk]]:
    rows: Iterator[Record]
    match kind:
        case "csv":
            shape = table.inspect(path)
            _refuse_markup(path, shape.columns)
            names = list(shape.columns)
            rows = ((number, values) for number, values, _ in table.records(path, shape))
        case "json" | "jsonl" | "yaml":
            from node.data.readers import tree

            def objects() -> Iterator[tuple[int, Any]]:
                if kind == "jsonl":
                    return tree.read_lines(path)
                read = tree.read_yaml if kind == "yaml" else tree.read_json
                return read(path, source.get("records", ""))

            names = columns or tree.columns_of(objects())
            rows = tree.to_records(objects(), names)
        case "parquet":
            from node.data.readers.columnar import read_parquet

            return read_parquet(path, skip)
        case "excel":
            from node.data.readers.columnar import read_excel

            names, rows = read_excel(path, source.get("sheet", ""))
        case _:
            known = ", ".join(sorted(set(FORMATS.values())))
            raise ReadError(f"{path}: its format is not known; say which: {known}")
    return names, gather(names, (row for row in rows if row[0] > skip))


def _refuse_markup(path: Path, columns: tuple[str, ...]) -> None:
    if columns[0][:1] in ("<", "{"):
        raise ReadError(f"{path} is not CSV: it begins like HTML, XML or JSON")


def _unchanged(path: Path, mtime: int, size: int, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Pass chunks on; a file that is written to meanwhile is no snapshot."""
    yield from chunks
    after = path.stat()
    if (after.st_mtime_ns, after.st_size) != (mtime, size):
        raise ReadError(f"{path} was changed while it was read; run again when it is complete")
