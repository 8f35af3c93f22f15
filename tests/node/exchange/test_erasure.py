"""What an owner tells after a withdrawal arrives as it was, or is refused."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from consensus.codec import encode
from node.envelopes.content import Content
from node.exchange.consent import AuthoriseError
from node.exchange.declaration import WITHDRAW
from node.exchange.erasure import KIND, order_record, read_rows, rows_of, rows_to_erase
from tests.node.exchange.test_authorise import LI, WANG, ZHAO, Desk


def test_the_rows_of_those_who_withdrew_are_found_and_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "registrar")
    desk.enrol(LI, WANG, ZHAO)
    form = desk.open()
    desk.sign(form, LI, WANG)
    desk.publish(1)
    went = [(5, 1, LI), (5, 2, WANG), (6, 9, WANG), (6, 10, LI), (6, 11, None)]
    delivered = [(delivery, row, ["", name]) for delivery, row, name in went]
    assert rows_to_erase(desk.load(), delivered) == [(6, 11)]
    desk.sign(form, WANG, kind=WITHDRAW)
    desk.publish(1)
    rows = rows_to_erase(desk.load(), delivered)
    assert rows == [(5, 2), (6, 9), (6, 11)]
    record = Content.decode(order_record(3, [*rows, *rows]).encode())
    assert rows_of(3, record) == [[5, 2], [6, 9], [6, 11]]
    with pytest.raises(AuthoriseError, match="not about obligation 4"):
        rows_of(4, record)


@pytest.mark.parametrize("rows", [[[1]], [[0, 1]], [[1, "2"]], "x", [[1, 2, 3]]])
def test_damaged_rows_are_refused(rows: object) -> None:
    body = base64.b64encode(encode(rows)).decode()
    record = Content.create(KIND, {"obligation": "3", "rows": body})
    with pytest.raises(AuthoriseError, match="damaged"):
        rows_of(3, record)


@pytest.mark.parametrize("text", ["", "[[1]]", "[[1, 0]]", "{}", "[" * 2_000])
def test_files_of_rows_are_checked(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(AuthoriseError, match="must hold"):
        read_rows(path)
    path.write_text("[[2, 1], [1, 7]]")
    assert read_rows(path) == [(2, 1), (1, 7)]
