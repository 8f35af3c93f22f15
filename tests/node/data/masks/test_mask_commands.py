"""The commands on masks, and the reference that is made from the registry."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from node.cli import cli
from node.data.masks.reference import markdown
from node.errors import MunimentError

DOCS = Path(__file__).parents[4] / "docs" / "masks.md"


def run(*args: str) -> str:
    done = CliRunner().invoke(cli, ["mask", *args], catch_exceptions=False, standalone_mode=False)
    return done.output


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text("name,mobile,note\n王小明,13812345678,\n李雷,unknown,a\n", "utf-8")
    return path


def test_the_reference_is_that_of_the_registry() -> None:
    assert DOCS.read_text("utf-8").endswith(markdown())
    assert run("list", "--markdown") == markdown()


def test_masks_are_listed_by_type() -> None:
    found = {each["id"] for each in json.loads(run("list", "--type", "phone", "--json"))}
    assert {"mobile", "landline", "phone", "redact"} <= found
    assert "email" not in found
    assert "usual" in json.loads(run("list", "--profiles", "--json"))
    assert "exact" in run("list", "--profiles")


def test_a_mask_is_shown_with_its_parameters() -> None:
    assert "required" in run("show", "round")
    shown = json.loads(run("show", "keep-ends", "--json"))
    assert [p["name"] for p in shown["params"]] == ["first", "last", "length"]
    with pytest.raises(MunimentError, match="did you mean keep-ends"):
        run("show", "keep-end")


def test_a_value_is_tried() -> None:
    made = json.loads(run("try", "keep-ends", "ABCDEFGH", "A", "-p", "first=2", "--json"))
    assert [each["result"] for each in made] == ["AB***H", "***"]
    with pytest.raises(MunimentError, match=r"round\.step: must be an integer"):
        run("try", "round", "17")


def test_a_column_is_tried(people: Path) -> None:
    made = list(csv.reader(run("try", "phone", "--csv", str(people), "--column", "mobile").split()))
    assert made[1:] == [["王小明", "138***5678", ""], ["李雷", "***", "a"]]
    with pytest.raises(MunimentError, match="no column 'phone'; it has name, mobile, note"):
        run("try", "phone", "--csv", str(people), "--column", "phone")


def test_a_file_is_tried_by_profiles(people: Path, tmp_path: Path) -> None:
    fields = [{"name": n, "type": t} for n, t in
              (("name", "person-name"), ("mobile", "phone"), ("note", "text"))]  # fmt: skip
    standard = tmp_path / "s.json"
    standard.write_text(json.dumps({"id": "a/b", "title": "t", "fields": fields}))
    given = ("--csv", str(people), "--standard", str(standard))
    made = list(csv.reader(run("try", "profile:usual", *given).split()))
    assert made[1] == ["王***", "138***5678", ""]
    made = list(csv.reader(run("try", "profile:usual+strict", *given).split()))
    assert made[1] == ["***", "***", "***"]
    with pytest.raises(MunimentError, match="there is no profile 'usualy'"):
        run("try", "profile:usualy", *given)
