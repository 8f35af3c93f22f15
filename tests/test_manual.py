"""The manual: its reference tells of all that the code has, its links lead somewhere."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
import yaml

from config.settings import Settings
from contracts.codes import NAMES
from contracts.system import VERSIONS
from node.cli import _COMMANDS, cli
from node.service import Service

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / "docs" / "tools"


@pytest.fixture(scope="module")
def tools() -> Any:
    sys.path.insert(0, str(TOOLS))
    yield importlib.import_module("manual"), importlib.import_module("reference")
    sys.path.remove(str(TOOLS))


@pytest.fixture(scope="module")
def site(tools: tuple[ModuleType, ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manual") / "source"
    tools[0].stage(folder)
    return folder


def test_the_reference_tells_of_everything(site: Path) -> None:
    text = "".join(p.read_text("utf-8") for p in sorted((site / "reference").rglob("*.md")))
    context = click.Context(cli)
    for name in _COMMANDS:
        assert f"## muniment {name}\n" in text
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            for sub in command.list_commands(context):
                assert f"# muniment {name} {sub}\n" in text
    for table in Settings.__dataclass_fields__.values():
        for key in table.default_factory.__dataclass_fields__:  # type: ignore[union-attr, misc]
            assert f"`{table.name}.{key}`" in text
    for method in object.__new__(Service).methods:
        assert re.search(rf"\| `{re.escape(method)}` \| \w", text), method
    for contract in VERSIONS[max(VERSIONS)].values():
        for part in (*contract.methods, *contract.queries):
            assert f"### {contract.name}.{part}\n" in text
    for name in NAMES.values():
        assert f"| `{name}` |" in text


def test_every_error_says_when_it_comes(site: Path) -> None:
    text = (site / "reference" / "codes.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", text.partition("## Errors")[2], re.MULTILINE)
    assert len(rows) > 30
    assert [code for code, told in rows if len(told) < 10] == []


def test_every_page_stands_in_the_navigation_once(site: Path, tools: Any) -> None:
    nav = tools[0].expand(yaml.safe_load((TOOLS / "mkdocs.yml").read_text("utf-8"))["nav"], site)
    named: list[str] = []

    def walk(item: Any) -> None:
        match item:
            case str():
                named.append(item)
            case list():
                for each in item:
                    walk(each)
            case dict():
                for each in item.values():
                    walk(each)

    walk(nav)
    assert sorted(named) == sorted(str(p.relative_to(site)) for p in site.rglob("*.md"))
    parts = [name for item in nav if isinstance(item, dict) for name in item]
    assert parts == ["Tutorial", "How to", "Reference", "Explanation"]


def test_links_lead_somewhere(site: Path) -> None:
    for page in sorted(site.rglob("*.md")):
        text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path = target.partition("#")[0]
            if path and not re.match(r"[a-z]+:", path):
                assert (page.parent / path).exists(), f"{page.relative_to(site)}: {target}"
    for line in (ROOT / "README.md").read_text("utf-8").splitlines():
        for target in re.findall(r"\]\(([^)\s#]+)\)", line):
            assert re.match(r"https?:", target) or (ROOT / target).exists(), target
