"""Lines of JSON texts by path."""

from __future__ import annotations

import json

import pytest

from node.web.positions import line_of

TEXT = """{
 "a": [
  {"b, ]": 1, "c": "x\\"}"},
  [[], {}, [1,
   2]]
 ],

 "d": {"e": {}, "f": null}, "": -1.5e3
}"""


@pytest.mark.parametrize(
    ("path", "line"),
    [("", 1), ("a", 2), ("a[0]", 3), ("a[0].b, ]", 3), ("a[0].c", 3), ("a[1]", 4), ("a[1][2]", 4),
     ("a[1][2][1]", 5), ("d", 8), ("d.e", 8), ("d.f", 8), ("a[2]", None), ("d.g", None)],
)  # fmt: skip
def test_a_value_is_found_by_its_path(path: str, line: int | None) -> None:
    json.loads(TEXT)
    assert line_of(TEXT, path) == line
