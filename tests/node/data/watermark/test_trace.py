"""Copies are traced to their deliveries, and to no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from bench import leaks
from consensus.codec import decode, encode
from contracts.masks import use
from node.cli import cli
from node.data.watermark import evidence
from node.data.watermark.candidate import Candidate
from node.data.watermark.kept import Marked, Marks
from node.data.watermark.trace import count
from node.errors import MunimentError
from node.home import Home
from node.keys import create_key, load_key


def test_copies_are_found_and_nobody_is_named_wrongly() -> None:
    found = {row.kind: row for row in leaks.table(28, seed=7, recipients=6)}
    assert all(row.wrong == 0 for row in found.values())
    assert found["never delivered"].found == 0
    assert all(row.unknown == 0 for kind, row in found.items() if kind != "never delivered")


@pytest.mark.campaign
def test_a_thousand_copies() -> None:
    rows = [row for row in leaks.table(1_000, seed=11) if row.kind != "200 rows of one column"]
    assert all(row.wrong == 0 for row in rows)
    for row in rows:
        if row.kind != "never delivered":
            assert row.found >= 0.95 * (row.found + row.unknown)


def test_p_values_of_wrong_keys_are_uniform() -> None:
    statistic, p_value, _ = leaks.wrong_keys(1_500, seed=3, rows=800)
    assert p_value > 1e-4, statistic


@pytest.mark.campaign
def test_p_values_of_a_hundred_thousand_wrong_keys_are_uniform() -> None:
    _, p_value, shares = leaks.wrong_keys(100_000, seed=5)
    assert p_value > 1e-4
    assert 0.0007 < shares["0.001"] < 0.0013


def test_the_bound_stands_above_the_exact_tail() -> None:
    """For twelve equal weights all sums are counted: none is likelier than the bound says."""
    signs = ((np.arange(1 << 12)[:, None] >> np.arange(12)) & 1).astype(bool)
    sums = np.where(signs, 1, -1).sum(axis=1)
    for total in range(0, 13, 2):
        first = signs[sums == total][0]
        bound = evidence.test(first, np.ones(12), 0.5).bound
        assert (sums >= total).mean() <= bound


def test_more_candidates_ask_for_more_evidence() -> None:
    sure = evidence.Evidence(1e-9, 1e-8, 100)
    assert sure.is_convincing(100)
    assert not sure.is_convincing(101)
    assert evidence.combine([evidence.Evidence(1e-9, 1e-9, evidence.MIN_NODES - 1)]).bound == 1.0


def test_too_little_is_unknown() -> None:
    made = leaks.Deliveries(1, 20, 2)
    for verdict in count(made.candidates, [made.copies[0].select(["name", "income"])]).verdicts():
        assert not verdict.found


def test_candidates_are_kept_as_values() -> None:
    candidate = Candidate(5, bytes(32), (("fee", use("offset", most=200)),))
    assert Candidate.of(decode(encode(candidate.to_value()))) == candidate


@pytest.fixture
def home(tmp_path: Path) -> tuple[Home, leaks.Deliveries]:
    """A home with a vault key and three deliveries in its book of marks."""
    place = Home(tmp_path / "home")
    place.create()
    create_key(place.key("vault"), "vault", "secret", bytes(range(32)), bytes(16))
    master = load_key(place.key("vault"), "vault", "secret")
    (tmp_path / "pass").write_text("secret")
    (tmp_path / "pass").chmod(0o600)
    made = leaks.Deliveries(9, 3_000, 3)
    for each in made.candidates:
        name = f"member-{each.delivery}"
        Marks(place, master).add(Marked(each, 7, "tax/incomes", 2, name, 1_700_000_000_000))
    return place, made


def _csv(batch: pa.RecordBatch, path: Path) -> None:
    pyarrow.csv.write_csv(pa.Table.from_batches([batch]), path)


def _parquet(batch: pa.RecordBatch, path: Path) -> None:
    pyarrow.parquet.write_table(pa.Table.from_batches([batch]), path)


def _jsonl(batch: pa.RecordBatch, path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in batch.to_pylist()), "utf-8")


@pytest.mark.parametrize(
    ("name", "write"), [("a.csv", _csv), ("a.parquet", _parquet), ("a.jsonl", _jsonl)]
)
def test_a_file_is_traced(
    name: str, write: Callable[[pa.RecordBatch, Path], None],
    home: tuple[Home, leaks.Deliveries], tmp_path: Path,
) -> None:  # fmt: skip
    place, made = home
    write(made.copies[1].slice(0, 800), tmp_path / name)
    (best, *others) = json.loads(run(tmp_path / name, place, "--json"))
    assert (best["delivery"], best["found"], best["recipient"]) == (1, True, "member-1")
    assert not any(each["found"] for each in others)


def test_columns_that_are_called_otherwise_are_named(
    home: tuple[Home, leaks.Deliveries], tmp_path: Path
) -> None:
    place, made = home
    batch = made.copies[2].select(["income"]).rename_columns(["salary"])
    _csv(batch, tmp_path / "a.csv")
    with pytest.raises(MunimentError, match="none of the marked columns born, income"):
        run(tmp_path / "a.csv", place)
    told = run(tmp_path / "a.csv", place, "--column", "salary=income")
    assert "carries the mark of delivery 2" in told
    told = run(tmp_path / "a.csv", place, "--column", "salary=fee")
    assert "unknown: none of 3 marks" in told


def run(path: Path, place: Home, *more: str) -> str:
    args = ["leak", "trace", str(path), "--home", str(place.path), *more,
            "--passphrase-file", str(place.path.parent / "pass")]  # fmt: skip
    return CliRunner().invoke(cli, args, catch_exceptions=False, standalone_mode=False).output
