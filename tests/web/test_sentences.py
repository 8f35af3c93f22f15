"""What the node and contracts say, in Chinese by stable codes; no code is without a translation."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.codes import Code
from contracts.masks import SPECS
from contracts.system import VERSIONS
from contracts.system.access import rules
from node import contract_docs
from node.render import SENTENCES, render
from node.web import language
from node.web.sentences import (
    CODES,
    MASKS,
    TERMS,
    of_entity,
    of_error,
    of_field,
    of_mask,
    of_result,
    of_term,
    of_type,
)

ROOT = Path(language.__file__).parents[2]
ENGLISH, CHINESE = (language.choose(code, "", None) for code in ("en", "zh"))
_PLACES = {"RpcError": 2, "Refusal": 0, "NodeError": 1, "_error": 3}
"""Which argument of a call is a code."""


def _codes(path: Path) -> Iterator[str]:
    """Codes that a source file gives to errors."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.ClassDef(body=body):
                for part in body:
                    match part:
                        case ast.Assign(
                            targets=[ast.Name(id="code")], value=ast.Constant(value=str(found))
                        ):
                            yield found
            case ast.Call(func=ast.Name(id=name), args=args) if name in _PLACES:
                match args[_PLACES[name] : _PLACES[name] + 1]:
                    case [ast.Constant(value=str(found))]:
                        yield found


def test_every_code_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Code)
    found = {
        code
        for folder in ("node", "config", "consensus", "contracts")
        for path in (ROOT / folder).rglob("*.py")
        if (ROOT / "node" / "web") not in path.parents
        for code in _codes(path)
    }
    assert {"vault", "mempool-full", "not-running", "params", "busy"} <= found  # it does look
    known = {*CODES, "not-found", "expired"}  # the last two are codes of contracts too
    assert found - known == set()


@pytest.mark.parametrize("code", list(Code))
def test_a_contracts_sentence_is_translated_whole(code: Code) -> None:
    english, chinese = (of_result(each.say, code, "§") for each in (ENGLISH, CHINESE))
    assert english == render(code, "§")
    assert chinese.count("§") == english.count("§")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
    name = code.name.lower().replace("_", "-")
    assert of_error(CHINESE, name, english) == chinese
    assert of_error(ENGLISH, name, english) == english


def test_what_stands_within_a_sentence_is_translated() -> None:
    def told(code: Code, details: object) -> str:
        return of_result(CHINESE.say, code, details)

    assert told(Code.WRONG_STATUS, "closed") == "当前状态不允许：已完成"
    assert told(Code.WRONG_STATUS, ["tax/li", "revoked"]) == "当前状态不允许：tax/li: 已撤销"
    assert told(Code.NEEDS_DUTY, "admin or approver") == "操作员须有 管理员 或 审批员 职责"
    integer = "rows: must be an integer from 1 to 5"
    assert told(Code.BAD_ARGUMENT, integer) == "参数有误：rows: 须为 1 到 5 的整数"
    assert told(Code.TOO_LARGE, 512) == "交易超过上限 512"
    assert told(Code(9), None)
    for name in ("planning", "research", "archive"):  # words of the pages, and members too
        assert told(Code.NOT_ACTIVE, name).startswith(name)
        assert told(Code.WRONG_STATUS, [name, "revoked"]) == f"当前状态不允许：{name}: 已撤销"
    assert told(Code.NOT_FOUND, "missing: missing").startswith("missing: missing")
    assert "99999" in of_result(CHINESE.say, 99_999, None)


def test_what_arguments_may_be_is_translated() -> None:
    described = (contract_docs.describe(c) for rules in VERSIONS.values() for c in rules.values())
    parts = (part for each in described for part in (*each["methods"], *each["queries"]))
    types = {argument["type"] for part in parts for argument in part["arguments"]}
    assert "32 bytes, or null" in types
    for text in types:
        assert "\u4e00" <= of_type(CHINESE, text)[0] <= "\u9fff", text
        assert of_type(ENGLISH, text) == text
    assert of_type(CHINESE, "32 bytes, or null") == "须为 32 字节，或 null"
    asked = "a map of what is asked for otherwise"  # not a map of such a key
    assert of_type(CHINESE, asked) == "须为所改动的申请内容的映射"


def test_what_data_holds_and_is_asked_for_is_told_in_words() -> None:
    assert of_entity(CHINESE.say, "PERSON+HEALTH") == "姓名 + 健康信息"
    assert of_entity(ENGLISH.say, "PERSON+NEWER") == "name of a person + NEWER"
    assert of_field(CHINESE.say, "phone") == "电话号码"
    assert of_field(CHINESE.say, "of-another-release") == "of-another-release"
    assert of_term(CHINESE, "open") == "开放数据"
    assert of_term(ENGLISH, "open-use") == "open-use"  # as the commands call it
    assert of_term(CHINESE, "voted-in") == "voted-in"
    assert of_term(CHINESE, "archive") == "archive"  # members may call theirs as a role is called
    assert set(MASKS) == set(SPECS)
    assert of_mask(CHINESE, "keep-first") == "仅留前几位 keep-first"
    assert of_mask(ENGLISH, "keep-first") == "keep-first"
    assert of_mask(CHINESE, "newer") == "newer"
    table = rules.DEFAULT["purposes"] + rules.DEFAULT["bases"]
    assert {row["name"] for row in table} == set(TERMS)


def test_of_other_errors_the_kind_is_told_and_the_exact_words_follow() -> None:
    said = "version 3 is damaged"
    assert of_error(CHINESE, "vault", said) == f"数据库房（{said}）"
    assert of_error(ENGLISH, "vault", said) == said
    assert of_error(CHINESE, "of-another-release", said) == said
    assert of_error(CHINESE, "asking", "请至少选择一个字段。") == "请至少选择一个字段。"
    assert of_error(CHINESE, "not-found", "block 7 is not here") == "block 7 is not here"
