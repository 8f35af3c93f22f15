"""Standards as stewards meet them: starters, drafts from samples, differences, mistakes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from node.data import standard
from node.data.infer import infer
from node.data.types import TYPES

STARTERS = standard.starters()


def test_there_are_seven_starters_with_both_labels_on_every_field() -> None:
    assert list(STARTERS) == [
        "address", "enterprise", "event", "invoice", "land-parcel", "licence", "person",
    ]  # fmt: skip
    for name, body in STARTERS.items():
        standard.check(body, name)
        for field in body["fields"]:
            zh, en = standard.labels(body, field["name"])
            assert not zh.isascii()
            assert en.isascii()
            assert en
            assert field["type"] in TYPES


def test_what_identifies_a_person_is_never_open_in_a_starter() -> None:
    for body in STARTERS.values():
        for field in body["fields"]:
            if field["type"] in ("resident-id", "passport", "bank-card"):
                assert field["level"] == 4
                assert field["mask"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"type": "persn-name"}, "did you mean 'person-name'"),
        ({"level": 5}, "level"),
        ({"class": "secret"}, "class"),
        ({"codes": ["a", "a"]}, "twice"),
        ({"size": 3}, "map of"),
    ],
)
def test_mistakes_are_named_with_their_place(change: dict[str, Any], problem: str) -> None:
    body = copy.deepcopy(STARTERS["person"])
    body["fields"][1] |= change
    with pytest.raises(standard.StandardError, match=problem):
        standard.check(body, "person.json")


def test_diff_tells_what_breaks_and_what_changes_the_grade() -> None:
    old = STARTERS["person"]
    assert standard.diff(old, copy.deepcopy(old)) == []
    new = copy.deepcopy(old)
    fields = {field["name"]: field for field in new["fields"]}
    fields["email"]["level"] = 2
    fields["sex"]["codes"] = ["男", "女"]
    fields["name"]["type"] = "text"
    new["fields"].remove(fields["ethnicity"])
    new["fields"].append({**fields["sex"], "name": "note", "codes": None})
    new["schema"]["properties"]["mobile"]["title"] = "手机"
    new["schema"]["properties"]["address"]["maxLength"] = 100
    found = {(c.field, c.what): c.effect for c in standard.diff(old, new)}
    assert found == {
        ("email", "level"): "grade",
        ("sex", "codes"): "breaking",
        ("name", "type"): "breaking",
        ("ethnicity", "removed"): "breaking",
        ("note", "added"): "compatible",
        ("mobile", "schema title"): "compatible",
        ("address", "schema maxLength"): "breaking",
    }


def test_codes_may_grow_without_breaking() -> None:
    new = copy.deepcopy(STARTERS["person"])
    new["fields"][2]["codes"].append("未说明")
    assert [c.effect for c in standard.diff(STARTERS["person"], new)] == ["compatible"]


def test_a_draft_keeps_codes_as_text_and_guesses_kinds(tmp_path: Path) -> None:
    sample = tmp_path / "s.csv"
    lines = [f"{i:04},{i},{i}.50,2024-01-{i % 28 + 1:02},{'甲乙'[i % 2]},a{i}" for i in range(200)]
    header = "code,count,price,day,kind,free"
    sample.write_text("\n".join([header, *lines]), encoding="gb18030")
    body = infer("tax/s", "S", sample, 2)
    fields = body["fields"]
    assert isinstance(fields, list)
    types = {f["name"]: f["type"] for f in fields if isinstance(f, dict)}
    assert types == {
        "code": "text", "count": "integer", "price": "decimal", "day": "date",
        "kind": "text", "free": "text",
    }  # fmt: skip
    assert [f["codes"] for f in fields if isinstance(f, dict) and f["codes"]] == [["乙", "甲"]]
    assert all(f["level"] == 2 for f in fields if isinstance(f, dict))


def test_a_sample_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    sample = tmp_path / "s.parquet"
    sample.write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(Exception, match="is not Parquet") as failure:
        infer("tax/s", "S", sample)
    assert getattr(failure.value, "code", "") == "read"


def test_names_of_people_never_become_a_code_list(tmp_path: Path) -> None:
    sample = tmp_path / "s.csv"
    lines = [f"{i},{('王伟', '李娜', '张敏')[i % 3]},{'ab'[i % 2]}" for i in range(200)]
    sample.write_text("\n".join(["number,姓名,kind", *lines]))
    fields = infer("tax/s", "S", sample)["fields"]
    assert isinstance(fields, list)
    codes = {f["name"]: f["codes"] for f in fields if isinstance(f, dict)}
    assert codes == {"number": None, "姓名": None, "kind": ["a", "b"]}


def test_an_empty_field_needs_no_code() -> None:
    import pyarrow as pa

    from node.data.kernels.standardise import FIELD, REASON, ROW, Field, Plan, standardise

    plan = Plan((Field("kind", "text", ("a", "b"), "kind"),), "{}")
    batch = pa.record_batch([pa.array([1, 2, 3]), pa.array(["a", None, "c"])], [ROW, "kind"])
    made = standardise(batch, plan)
    assert made.column(FIELD).to_pylist() == [None, None, "kind"]
    assert made.column(REASON).to_pylist() == [None, None, "not-listed"]
