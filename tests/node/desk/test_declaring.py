from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node.data.chain import Chain
from node.data.source import SourceError, load
from node.desk import Desk
from node.desk.declaring import METHODS
from node.desk.jobs import Jobs
from node.envelopes.content import Content
from node.home import Home

FORM = {
    "source": "wells", "who": "li", "kind": "http", "standard": "land/well", "title": "Wells",
    "place": "https://data.example/wells", "secret": "X-Key: Sesame",
}  # fmt: skip


def _never(*_: Any) -> Any:
    raise AssertionError("a declaration asks nobody")


def _open(envelope: bytes) -> Content:
    raise AssertionError("a declaration opens nothing")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    chain = Chain(bytes(32), "land", _never, _never)
    return Desk(Home(tmp_path), "land", chain, bytes(32), _open, "", Jobs())


def test_the_first_source_of_a_home_may_have_a_secret(desk: Desk) -> None:
    METHODS["source.declare"](desk, FORM)
    kept = Path(load(desk.home.sources, "wells").header_file)
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("X-Key: Sesame\n", 0o600)
    assert desk.home.sources.stat().st_mode & 0o777 == 0o700


def test_a_refused_declaration_leaves_nothing(desk: Desk) -> None:
    with pytest.raises(SourceError, match="one line: Name: value"):
        METHODS["source.declare"](desk, {**FORM, "secret": "Sesame"})
    assert not desk.home.sources.exists()
