"""CSV and JSON hold every text exactly, and no CSV cell is a formula."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from node.publish import texts
from node.publish.texts import RecordsError

NAMES = ["=name", "other"]
TEXT = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text("'=+-@\t\r\n\", 7.", max_size=6),
)
RECORDS = st.lists(st.tuples(TEXT, TEXT), max_size=6)


def written(records: list[tuple[str | None, ...]]) -> dict[str, bytes]:
    lines = [texts.json_line(NAMES, each) for each in records]
    body = b",\n".join(lines)
    return {
        ".csv": texts.csv_line(NAMES) + b"".join(map(texts.csv_line, records)),
        ".json": b"[\n" + (body + b"\n" if body else b"") + b"]\n",
    }


@given(RECORDS)
@example([(None, ""), ("'=1", "''=1"), ("-5", "'-5"), ("+86 10", "\r\n")])
def test_what_is_written_is_read_again(records: list[tuple[str | None, ...]]) -> None:
    for suffix, data in written(records).items():
        read = list(texts.READERS[suffix](io.BytesIO(data), NAMES))
        assert read == [list(each) for each in records]


@given(st.text("'=+-@\t\r7.a", max_size=6))
def test_no_cell_is_a_formula(text: str) -> None:
    cell = texts.guard(text)
    is_number = cell.strip("+-").replace(".", "", 1).isdigit()
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")) or is_number
    assert texts.unguard(cell) == text


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        (".csv", b""),
        (".csv", b"name,other\r\n"),
        (".csv", b"'=name,other\r\na,b\n"),
        (".csv", b"'=name,other\r\na,b"),
        (".csv", b"'=name,other\r\na,\"b\r\n"),
        (".csv", b"'=name,other\r\na\"b,c\r\n"),
        (".csv", b"'=name,other\r\n\xff,b\r\n"),
        (".json", b""),
        (".json", b"[]"),
        (".json", b'[\n{"=name":"a","other":"b"}'),
        (".json", b'[\n{"=name":"a","other":"b"},\n]\n'),
        (".json", b'[\n{"=name":"a","other":"b"}\n]\nmore'),
        (".json", b'[\n{"=name":"a","=name":"b"}\n]\n'),
        (".json", b'[\n{"other":"a","=name":"b"}\n]\n'),
        (".json", b'[\n{"=name":"\\ud800","other":"b"}\n]\n'),
        (".json", b'[\n{"=name":1,"other":"b"}\n]\n'),
        (".json", b"[\n" + b"[" * 5_000 + b"\n]\n"),
    ],
)
def test_other_files_are_refused(suffix: str, data: bytes) -> None:
    with pytest.raises(RecordsError):
        list(texts.READERS[suffix](io.BytesIO(data), NAMES))
