"""Fields that hold lists and maps: what stands within them is found, named and graded."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bench.detect import findings_of
from bench.population import Population
from node.data.infer import infer
from node.data.kernels.classify import Classifier, Finding
from node.data.notes import tell

TODAY = date(2026, 11, 24)
TERMS = Path(__file__).parent / "legislators.yaml"


def classify(values: list[str | None], name: str = "field") -> list[Finding]:
    classifier = Classifier([name], TODAY)
    classifier.add(pa.record_batch([pa.array(values, pa.string())], names=[name]))
    return classifier.findings()


def written(values: list[Any]) -> list[str | None]:
    return [json.dumps(each, ensure_ascii=False) for each in values]


def places(findings: list[Finding]) -> set[tuple[str, str, int]]:
    return {(tell(each.why).partition(": ")[0], each.entity, each.level) for each in findings}


def test_every_personal_field_of_the_legislators_is_found_with_the_path_to_it() -> None:
    found = findings_of(TERMS)
    assert places([each for each in found if each.field == "terms"]) == {
        ("terms[].address", "ADDRESS", 3),
        ("terms[].phone", "PHONE_NUMBER", 3),
        ("terms[].fax", "PHONE_NUMBER", 3),
        ("terms[].office", "ADDRESS", 3),
    }
    assert places([each for each in found if each.field == "family"]) == {
        ("family[].name", "PERSON", 3)
    }
    assert {each.field for each in found} == {
        "id.wikipedia", "id.ballotpedia", "name.first", "name.middle", "name.last",
        "name.nickname", "name.official_full", "bio.birthday", "bio.gender", "terms", "family", "",
    }  # fmt: skip


def test_a_draft_of_a_standard_redacts_such_a_field_and_keeps_its_type(tmp_path: Path) -> None:
    fields: Any = infer("tax/members", "Members", TERMS)["fields"]
    (terms,) = [each for each in fields if each["name"] == "terms"]
    assert (terms["type"], terms["level"], terms["mask"]) == ("text", 3, "redact")


def test_what_stands_within_joins_the_combinations() -> None:
    people = list(Population(5).people(60))
    rows = written([[{"姓名": each["name"], "诊断": ["感冒"]}] for each in people])
    assert places(classify(rows)) == {
        ("field[].姓名", "PERSON", 3), ("field[].诊断[]", "HEALTH", 4),
        ("combination", "PERSON+HEALTH", 4),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": {"b": [["11010519491231002X"]]}}, "field.a.b[][]"),
        ({"a": '{"b": "11010519491231002X"}'}, "field.a.b"),  # JSON within a text of JSON
        ({"11010519491231002X": 1}, "field.*"),  # the key is the datum, and no evidence shows it
        ({"a": "１１０１０５１９４９１２３１００２Ｘ"}, "field.a"),
        ([{"note": "证号11010519491231002X。"}], "field[].note"),
    ],
)
def test_an_identity_number_is_found_wherever_it_stands(value: Any, place: str) -> None:
    for ascii_only in (False, True):
        rows: list[str | None] = [json.dumps(value, ensure_ascii=ascii_only)] * 10
        assert (place, "CN_RESIDENT_ID", 4) in places(classify(rows)), ascii_only


def test_a_key_that_stands_twice_hides_nothing() -> None:
    found = classify(['{"id": "11010519491231002X", "id": "none"}'] * 10)
    assert places(found) == {("field.id", "CN_RESIDENT_ID", 4)}


def test_lists_are_named_in_the_plural() -> None:
    assert places(classify(written([{"addresses": ["Hut 7"]}] * 9))) == {
        ("field.addresses[]", "ADDRESS", 3)
    }


def test_harmless_lists_and_notes_in_brackets_keep_their_level() -> None:
    year = {"2024-01-01": [1, 2.5, None, True], "2024-02-01": []}
    assert classify(written([year, [], {}, ["red", "green"]] * 10)) == []
    assert classify(["[urgent] the lamp is broken", "{draft}", "[0-10]", "[12:30] left"] * 10) == []
    assert classify(["plain"] * 99 + ["[[link]] to a page"]) == []


@pytest.mark.parametrize(
    "value",
    [
        '[{"phone": "20',
        "[{'name': 'x'}]",
        '{"a": 1} {"b": 2}',
        "{a: 1}",
        "[" * 100_000,
        '{"a":' * 20 + "1" + "}" * 20,
        json.dumps({f"k{chr(97 + i // 26)}{chr(97 + i % 26)}": "v" for i in range(300)}),
    ],
)
def test_what_cannot_be_read_is_graded_highest(value: str) -> None:
    found = classify([value] * 10)
    assert ("UNKNOWN", 4) in {(each.entity, each.level) for each in found}


def test_some_that_cannot_be_read_do_not_thin_out_the_others() -> None:
    rows = ['[{"phone": "202-224-3441"}]', '[{"phone": "202-2'] * 20
    assert places(classify(rows)) >= {("field[].phone", "PHONE_NUMBER", 3)}
    assert max(each.level for each in classify(rows)) == 4


def test_an_empty_list_says_nothing_so_the_name_decides() -> None:
    assert [(f.entity, tell(f.why)) for f in classify(["[]"] * 5, "护照号码")] == [
        ("CN_PASSPORT", "name of an empty column")
    ]
