"""The text classifier: features, models as arrays, training from decisions, packs of rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.letters import letters
from node.data import corpus, rules, texts
from node.data.findings import DecisionError, Detectors, Finding, TextDecisions, look_at
from node.data.register import Report, lowered_fields, raise_class
from node.home import Home

MASTER = bytes(range(32))
SHIPPED = rules.shipped()


def test_the_corpus_follows_from_its_seed_and_holds_sentences_back() -> None:
    assert list(corpus.sentences(50)) == list(corpus.sentences(50))
    kept = {text for text, _ in corpus.sentences(4_000, held=False)}
    held = {text for text, _ in corpus.sentences(1_000, held=True)}
    assert not kept & held
    assert {level for _, level in corpus.sentences(100)} == {1, 2, 3, 4}


def test_features_survive_packing_and_texts_of_any_kind() -> None:
    for text in ("患者住院治疗。", "x", "", "\ud800 lone", "🙂" * 3, "a" * 100_000):
        places, values = texts.features(text)
        again = texts.unpack(texts.pack(text))
        assert (again[0].tolist(), again[1].tolist()) == (places.tolist(), values.tolist())
        assert texts.shipped().level(text)[0] in texts.LEVELS


def test_a_model_is_arrays_and_damage_is_told() -> None:
    model = texts.shipped()
    data = model.encode()
    again = texts.Model.decode(data)
    assert again.encode() == data
    for broken in (
        data[:-1],
        b"\x80",
        data.replace(b"\x1a\x00\x04\x00\x00", b"\x1a\x00\x04\x00\x01"),
    ):
        with pytest.raises(texts.ModelError):
            texts.Model.decode(broken)


def test_the_worst_sentence_decides_and_short_ones_say_nothing() -> None:
    model = texts.shipped()
    plain = "现将公园改造的相关安排予以公告，供公众了解。" * 20
    assert model.level(plain)[0] == 1
    told = plain + "患者张女士被诊断患有抑郁症，长期服药治疗。" + plain
    assert model.level(told)[0] == 4
    assert model.level("住院")[0] == 1


def test_many_texts_together_come_out_as_one_by_one() -> None:
    model = texts.shipped()
    told = [text for text, _ in letters(5, 300)]
    given = ["", *told, "住", "\ud800", "", "İstanbul. " * 9, "".join(told), told[0].upper(), ""]
    together = list(model.levels(given))
    assert together == [model.level(text) for text in given]
    assert {level for level, _ in together} == set(texts.LEVELS)
    assert model.level(told[0].upper()) == model.level(told[0])


def test_training_learns_what_stewards_decided(tmp_path: Path) -> None:
    home = Home(tmp_path)
    letter = tmp_path / "letter.txt"
    letter.write_text("鲲鹏项目的第七号安排按老规矩办理，细节见面再谈。\n" * 3, encoding="utf-8")
    decisions = TextDecisions(home, MASTER)
    detectors = Detectors(SHIPPED)
    before = look_at(letter, detectors).level
    wanted = 3 if before != 3 else 4
    decisions.decide(letter, 1, "marker-first", detectors)
    decisions.decide(letter, wanted, "marker-reason", detectors)
    assert [(level, reason) for _, level, reason, _ in decisions.all()] == [
        (wanted, "marker-reason")
    ]
    trained = decisions.train(200)
    assert trained.decided == 1_000
    own = Detectors(SHIPPED, decisions.model())
    assert look_at(letter, own).level == wanted
    for path in (tmp_path / "classify").iterdir():
        data = path.read_bytes()
        assert b"marker" not in data
        assert "鲲鹏".encode() not in data
    with pytest.raises(DecisionError, match="cannot be decided on"):
        decisions.decide(tmp_path / "missing.txt", 1, "", detectors)


def test_a_field_put_below_what_was_found_is_told_to_the_chain() -> None:
    found = [
        Finding("b", "HEALTH", 4, 9, ""), Finding("b", "PERSON", 3, 9, ""),
        Finding("c", "PERSON", 3, 9, ""), Finding("", "PERSON+HEALTH", 4, 1, ""),
    ]  # fmt: skip
    report = Report.build({}, found, 0, 0, "1")
    assert report.level({}) == 4
    assert report.level({"b": 2}) == 4
    assert report.level({"b": 2, "": 1}) == 3
    decided = {"b": 2, "c": 3, "": 1}
    assert lowered_fields(report, decided, ("a", "b", "c")) == [
        {"field": 1, "found": 4, "level": 2}
    ]


def test_the_pack_that_was_voted_for_counts(tmp_path: Path) -> None:
    home = Home(tmp_path)
    body = {**SHIPPED.body, "version": 2, "health_words": ["鲲鹏症"], "volumes": [
        {"level": 3, "rows": 10, "class": "core"}
    ]}  # fmt: skip
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(body), encoding="utf-8")
    voted: list[Any] = []

    def query(contract: str, method: str, args: dict[str, Any]) -> Any:
        assert (contract, method, args) == ("governance", "pack", {"name": "classification"})
        return voted[-1] if voted else None

    assert rules.active(home, query) == SHIPPED
    found = rules.install(home, path.read_bytes(), str(path))
    assert rules.active(home, query) == SHIPPED
    voted.append([2, found.digest.hex()])
    assert rules.active(home, query) == found
    note = tmp_path / "note.txt"
    note.write_text("此处提到鲲鹏症一次，别无其他。", encoding="utf-8")
    assert {f.entity for f in look_at(note, Detectors(found)).findings} >= {"HEALTH"}
    assert "HEALTH" not in {f.entity for f in look_at(note).findings}
    assert raise_class("general", 3, 10, found) == "core"
    assert raise_class("general", 3, 10, SHIPPED) == "general"
    voted.append([3, bytes(32).hex()])
    with pytest.raises(rules.RulesError, match="pack install"):
        rules.active(home, query)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"version": 0}, "version"),
        ({"health_words": ["a|b"]}, "health_words"),
        ({"before_names": ["("]}, "before_names"),
        ({"combinations": [{"all": ["PERSON"], "level": 9}]}, "combinations"),
        ({"volumes": [{"level": 1, "rows": 1, "class": "secret"}]}, "volumes"),
        ({"documents": None}, "documents"),
        ({"more": 1}, "map of"),
    ],
)
def test_a_pack_that_cannot_be_used_is_refused(change: dict[str, Any], problem: str) -> None:
    data = json.dumps({**SHIPPED.body, **change}).encode()
    with pytest.raises(rules.RulesError, match=problem):
        rules.parse(data, "rules.json")
