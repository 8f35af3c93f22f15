"""Detectors against a population that was written apart from them, and against hostile text."""

from __future__ import annotations

import zipfile
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from bench.columns import Columns
from bench.detect import (
    CHECKED,
    document_accuracy,
    documents,
    findings_of,
    score,
    score_columns,
)
from bench.letters import letters
from bench.population import Population
from node.data import identifiers
from node.data.findings import look_at
from node.data.kernels.classify import Classifier, Finding
from node.data.recognise import AnalyzerEngine

TODAY = date(2026, 11, 24)
SAMPLES = Path(__file__).parents[3] / "node" / "samples"
ENGINE = AnalyzerEngine()


def found_in(text: str) -> list[tuple[str, str]]:
    return [(r.entity_type, text[r.start : r.end]) for r in ENGINE.analyze(text)]


def test_sentences_of_the_population_reach_the_frozen_thresholds() -> None:
    population = Population(7_351)
    table = score([population.sentence() for _ in range(3_000)])
    for kind in CHECKED:
        assert table[kind][2] >= 0.98, (kind, table[kind])
    for kind in ("PERSON", "ADDRESS", "PHONE_NUMBER", "EMAIL_ADDRESS", "CN_LICENSE_PLATE"):
        assert table[kind][2] >= 0.90, (kind, table[kind])


def test_documents_of_the_population_get_their_level() -> None:
    assert document_accuracy(documents(99, 1_000))[0] >= 0.85


def test_letters_get_the_level_of_what_they_tell() -> None:
    assert document_accuracy(letters(99, 1_000))[0] >= 0.85


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("身份证11010519491231002X，", [("CN_RESIDENT_ID", "11010519491231002X")]),
        ("证号11010519491231002x号", [("CN_RESIDENT_ID", "11010519491231002x")]),
        ("11010519491231002113812345678", []),  # a wrong check digit touching a number
        ("440524188001010014", []),  # nobody born in 1880 has a number
        ("电话13812345678转8", [("PHONE_NUMBER", "13812345678")]),
        ("共计138123456789元", []),
        ("版本1.2.3.4.5发布", []),
        ("服务器192.168.10.1故障", [("IP_ADDRESS", "192.168.10.1")]),
        ("金额13812345678.90元", []),
        ("卡号6222 0209 0161 0334 结清", [("CREDIT_CARD", "6222 0209 0161 0334")]),
        ("卡号6222 0209 0161 0335 结清", []),
        ("IBAN DE89370400440532013000.", [("IBAN_CODE", "DE89370400440532013000")]),
        ("联系人：欧阳娜，电话", [("PERSON", "欧阳娜")]),
        ("联系人：待定", []),
        ("护照E12345678", [("CN_PASSPORT", "E12345678")]),
        ("型号E12345678", []),
        ("a@b.cn。c.d@example.gov.cn", [("EMAIL_ADDRESS", "a@b.cn"),
                                        ("EMAIL_ADDRESS", "c.d@example.gov.cn")]),
    ],
)  # fmt: skip
def test_identifiers_beside_chinese_digits_and_decoys(
    text: str, expected: list[tuple[str, str]]
) -> None:
    assert found_in(text) == expected


def test_identity_numbers_that_touch_a_mobile_number_are_found_in_the_run() -> None:
    assert found_in("11010519491231002X13812345678")[0] == ("CN_RESIDENT_ID", "11010519491231002X")
    population = Population(1)
    identity = next(i for i in iter(population.resident_id, "") if i.isdigit())
    assert found_in(identity + "13812345678") == [
        ("CN_RESIDENT_ID", identity), ("PHONE_NUMBER", "13812345678"),
    ]  # fmt: skip


@pytest.mark.parametrize("day", ["18991231", "20230229", "20231301", "20230431", "21010101"])
def test_impossible_births_are_no_identity(day: str) -> None:
    body = "110105" + day + "002"
    total = sum(int(d) * pow(2, 17 - i) for i, d in enumerate(body))
    assert not identifiers.is_resident_id(body + "10X98765432"[total % 11])


def test_long_runs_take_bounded_time() -> None:
    assert found_in("1" * 2_000_000) == []
    assert found_in("路1号" * 100_000)[:1] == []
    assert found_in("@" * 500_000) == []
    assert found_in("Ab " * 200_000) == []


def classify(rows: list[dict[str, str]]) -> list[Finding]:
    names = list(rows[0])
    classifier = Classifier(names, TODAY)
    columns = [pa.array([row[name] or None for row in rows], pa.string()) for name in names]
    classifier.add(pa.record_batch(columns, names=names))
    return classifier.findings()


def entities(findings: list[Finding]) -> dict[str, str]:
    """The first finding of each column."""
    found: dict[str, str] = {}
    for each in findings:
        if each.field:
            found.setdefault(each.field, each.entity)
    return found


def test_columns_are_known_by_content_alone() -> None:
    rows = list(Population(3).people(3_000))
    bare = [{f"c{i}": value for i, value in enumerate(row.values())} for row in rows]
    assert entities(classify(bare)) == {
        "c1": "PERSON", "c2": "CN_RESIDENT_ID", "c5": "PHONE_NUMBER", "c6": "EMAIL_ADDRESS",
        "c7": "ADDRESS", "c8": "CREDIT_CARD",
    }  # fmt: skip
    firms = list(Population(3).enterprises(3_000))
    bare = [{f"c{i}": value for i, value in enumerate(row.values())} for row in firms]
    assert entities(classify(bare)) == {
        "c0": "CN_CREDIT_CODE", "c2": "PERSON", "c3": "PHONE_NUMBER", "c4": "ADDRESS",
    }  # fmt: skip


def test_columns_of_registers_reach_the_frozen_thresholds() -> None:
    table, at_level, below = score_columns(Columns(41).draw(6, named=True))
    for kind in ("PERSON", "ADDRESS", *CHECKED):
        assert table[kind][2] >= 0.90, (kind, table[kind])
    assert at_level >= 0.95
    assert below <= 0.01


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yesterday Mary Johnson met Robert.", [("PERSON", "Mary Johnson"), ("PERSON", "Robert")]),
        ("May was warm. Will they grant it?", []),
        ("Kelly Street is near the Kelly Hospital.", []),
        ("Dear Wijtze, I'm Ana de la Cruz", [("PERSON", "Wijtze"), ("PERSON", "Ana de la Cruz")]),
        ("She lives in Berlin, Hauptstraße 12.", [("LOCATION", "Berlin"),
                                                  ("ADDRESS", "Hauptstraße 12")]),
        ("P.O. Box 12, London SW1A 1AA", [("ADDRESS", "P.O. Box 12"), ("LOCATION", "London"),
                                          ("ADDRESS", "SW1A 1AA")]),
        ("12 Main Street, Apt 4, Salem, OR 97301", [("ADDRESS",
                                                     "12 Main Street, Apt 4, Salem, OR 97301")]),
    ],
)  # fmt: skip
def test_english_names_places_and_streets(text: str, expected: list[tuple[str, str]]) -> None:
    assert found_in(text) == expected


def test_a_place_alone_is_public_and_a_listed_name_does_not_grade_a_column() -> None:
    rows = [{"note": f"The road works in Paris began on day {i}, said Robert."} for i in range(60)]
    assert classify(rows) == []


def test_minors_and_combinations_raise_the_level() -> None:
    rows = [{"姓名": "王小明", "出生日期": "2020-01-01", "诊断": "感冒"} for _ in range(30)]
    found = {(f.field, f.entity): f.level for f in classify(rows)}
    assert found[("出生日期", "MINOR")] == 4
    assert found[("诊断", "HEALTH")] == 4
    assert found[("", "PERSON+HEALTH")] == 4


def test_a_column_of_texts_is_graded_by_what_they_tell() -> None:
    told = ["患者住院后需要继续化疗，病历附后。", "她曾自杀未遂，长期服药治疗抑郁症。"]
    rows = [{"编号": str(i), "内容": told[i % 2]} for i in range(20)]
    assert ("内容", "SENSITIVE_TEXT", 4) in [(f.field, f.entity, f.level) for f in classify(rows)]
    plain = ["市民可通过热线了解公园改造的进展情况。", "全市供水管网更新工程公示如下，欢迎监督。"]
    rows = [{"编号": str(i), "内容": plain[i % 2]} for i in range(20)]
    assert classify(rows) == []


def test_an_empty_column_is_graded_by_its_name() -> None:
    rows = [{"护照号码": "", "备注": ""} for _ in range(5)]
    assert [(f.field, f.level) for f in classify(rows)] == [("护照号码", 4)]


def _of_file(path: Path) -> dict[str, str]:
    return entities(findings_of(path))


def test_every_personal_column_of_the_legislators_is_found() -> None:
    found = _of_file(Path(__file__).parent / "legislators.csv")
    assert found == {
        "name.first": "PERSON", "name.middle": "PERSON", "name.last": "PERSON",
        "name.official_full": "PERSON", "bio.birthday": "DATE_OF_BIRTH", "bio.gender": "SEX",
        "address": "ADDRESS", "phone": "PHONE_NUMBER", "office": "ADDRESS",
    }  # fmt: skip


def test_nothing_is_graded_too_high_in_the_domains() -> None:
    assert _of_file(SAMPLES / "domains.csv") == {"Security contact email": "EMAIL_ADDRESS"}


def _docx(path: Path, body: str) -> None:
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", body.replace("SPACE", space))


def test_documents_of_each_kind_are_graded(tmp_path: Path) -> None:
    sentence = "申请人：王小明，身份证号11010519491231002X。"
    (tmp_path / "a.txt").write_text(sentence, encoding="gb18030")
    (tmp_path / "a.html").write_text(f"<p>{sentence}</p><script>x</script>", encoding="utf-8")
    _docx(tmp_path / "a.docx", f'<w:d xmlns:w="SPACE"><w:p><w:t>{sentence}</w:t></w:p></w:d>')
    for name in ("a.txt", "a.html", "a.docx"):
        look = look_at(tmp_path / name)
        assert look.level == 4
        assert {f.entity for f in look.findings} >= {"PERSON", "CN_RESIDENT_ID"}
    wide = "".join(chr(ord(c) + 0xFEE0) for c in "11010519491231002X")
    (tmp_path / "wide.txt").write_text(f"证号{wide}。", encoding="utf-8")
    assert "CN_RESIDENT_ID" in {f.entity for f in look_at(tmp_path / "wide.txt").findings}
    (tmp_path / "b.md").write_text("# 通知\n\n会议定于周五。", encoding="utf-8")
    look = look_at(tmp_path / "b.md")
    assert (look.level, look.findings) == (1, ())


def test_what_cannot_be_read_is_graded_highest(tmp_path: Path) -> None:
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\n" + b"\x00" * 500)
    laughs = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 9))
    _docx(tmp_path / "bomb.docx", f'<!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]><x>&a8;</x>')
    with zipfile.ZipFile(tmp_path / "zip.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", bytes(600 << 20))
    (tmp_path / "cut.xlsx").write_bytes(b"PK\x03\x04" + bytes(40))
    for path in sorted(tmp_path.iterdir()):
        look = look_at(path)
        assert look.level == 4, path
        assert look.findings[0].entity == "UNKNOWN"
