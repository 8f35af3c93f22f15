"""The author's kit: library contracts pass their tests, faults are shown where they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from node.cli.contract import contract as command
from node.contract_kit import ContractError, check, run_tests
from node.errors import MunimentError

LIBRARY = Path(__file__).parents[2] / "contracts" / "library"
CONTRACTS = sorted(path for path in LIBRARY.glob("*.star") if "_test" not in path.name)


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_each_contract_of_the_library_passes_its_tests(path: Path) -> None:
    report = run_tests(path)
    assert [result.fault for result in report.results if result.fault] == []
    own = path.stem + "."
    called = {name.removeprefix(own) for name in report.gas if name.startswith(own)}
    assert called == check(path).methods.keys(), "a method that no test calls with success"


def test_the_library_is_listed_and_copied(tmp_path: Path) -> None:
    listed = CliRunner().invoke(command, ["library", "--json"])
    rows = json.loads(listed.stdout)
    assert [row["name"] for row in rows] == [path.stem for path in CONTRACTS]
    assert all(row["doc"] for row in rows)
    args = ["library", "poll", "--folder", str(tmp_path)]
    assert CliRunner().invoke(command, args).exit_code == 0
    assert [r.fault for r in run_tests(tmp_path / "poll.star").results if r.fault] == []
    again = CliRunner().invoke(command, args)
    assert isinstance(again.exception, MunimentError)
    unknown = CliRunner().invoke(command, ["library", "pol"])
    assert "there is no contract pol" in str(unknown.exception)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_a_new_contract_passes_its_own_test(tmp_path: Path) -> None:
    made = CliRunner().invoke(command, ["new", "first-steps", "--folder", str(tmp_path)])
    assert made.exit_code == 0
    path = tmp_path / "first-steps.star"
    report = run_tests(path)
    assert [result.fault for result in report.results] == [None]
    again = CliRunner().invoke(command, ["new", "first-steps", "--folder", str(tmp_path)])
    assert isinstance(again.exception, MunimentError)
    wrong = CliRunner().invoke(command, ["new", "First", "--folder", str(tmp_path)])
    assert isinstance(wrong.exception, MunimentError)
    assert not (tmp_path / "First.star").exists()


FAULTY = '''"""A faulty contract."""

def _half(n):
    return 10 // n

def go(n):
    """Divide."""
    return _half(
        n - 1,
    )

method(go, n = integer(0, 9))
'''


def test_a_fault_is_shown_through_the_test_and_the_contract(tmp_path: Path) -> None:
    path = write(tmp_path, "faulty.star", FAULTY)
    write(
        tmp_path,
        "faulty_test.star",
        'def test_it():\n    print("at", 1)\n    _go(1)\n\n'
        'def _go(n):\n    run("tax", "go", n = n)\n\n'
        'def test_fine():\n    run("tax", "go", n = 2)\n',
    )
    report = run_tests(path)
    broken, fine = report.results
    assert fine.fault is None
    assert broken.printed == ("at 1",)
    assert broken.fault is not None
    rows = broken.fault.replace(str(tmp_path) + "/", "").split("\n")
    assert rows == [
        "  faulty_test.star, line 3, in test_it",
        "    _go(1)",
        "  faulty_test.star, line 6, in _go",
        '    run("tax", "go", n = n)',
        "  faulty.star, line 8, in go",
        "    return _half(",
        "  faulty.star, line 4, in _half",
        "    return 10 // n",
        "error: go failed: the contract is faulty: faulty:4: division by zero",
    ]
    done = CliRunner().invoke(command, ["test", str(path)])
    assert "FAILED  test_it" in done.output
    assert "passed  test_fine" in done.output
    assert isinstance(done.exception, MunimentError)
    assert "1 of 2 tests failed" in done.exception.message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('run("tax", "go", n = 1)', "go failed"),
        ('run("tax", "nope")', "no method named nope"),
        ('run("tax", "go", n = 99)', "wrong argument: n"),
        ('refused("tax", "go", "x", n = 3)', "go succeeded, though x was expected"),
        ('refused("tax", "go", "x", n = 1)', "failed with contract-fault instead of x"),
        ("equal([1], [2])", "[1] is not [2]"),
        ('expect(1 == 2, "one is two")', "expected: one is two"),
        ('ask("nope")', "nope failed"),
        ("advance(days = -1)", "time does not go back"),
        ('deploy("missing")', "cannot be read"),
    ],
)
def test_a_failing_test_says_why(tmp_path: Path, call: str, message: str) -> None:
    path = write(tmp_path, "faulty.star", FAULTY)
    write(tmp_path, "faulty_test.star", f"def test_it():\n    {call}\n")
    try:
        fault = run_tests(path).results[0].fault
    except ContractError as error:
        fault = error.message
    assert fault is not None
    assert message in fault


def test_contracts_beside_can_be_deployed_and_code_upgraded(tmp_path: Path) -> None:
    doc = '"""A contract."""\n'
    path = write(
        tmp_path,
        "asks.star",
        doc + 'def go():\n    """Go."""\n    return call("tells", "tell")\nmethod(go)\n',
    )
    write(tmp_path, "tells.star", doc + 'def tell():\n    """T."""\n    return 7\nmethod(tell)\n')
    write(
        tmp_path,
        "asks-two.star",
        doc + 'def go():\n    """Go."""\n    return state.get("from")\nmethod(go)\n'
        'def migrate(version):\n    state.put("from", version)\n',
    )
    write(
        tmp_path,
        "asks_test.star",
        'def test_it():\n    refused("tax", "go", "unknown-contract")\n    deploy("tells")\n'
        '    equal(run("tax", "go"), 7)\n    equal(run("tax", "tells.tell"), 7)\n'
        '    upgrade("asks-two")\n    equal(run("tax", "go"), 1)\n',
    )
    assert [result.fault for result in run_tests(path).results] == [None]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.star", '"""D."""\nx = [\n', "x.star, line 2, in <module>"),
        ("x.star", '"""D."""\nx = 1 // 0\n', "error: division by zero"),
        ("x.star", "x = 1\n", "no method"),
        ("X.star", FAULTY, "wrong argument: name"),
        ("x.txt", FAULTY, "is named NAME.star"),
        ("x_test.star", FAULTY, "is named NAME.star"),
    ],
)
def test_check_says_what_is_wrong_and_where(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(ContractError) as caught:
        check(path)
    assert message in caught.value.message


def test_files_that_are_missing_or_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"gone\.star cannot be read"):
        check(tmp_path / "gone.star")
    (tmp_path / "x.star").write_bytes(b"\xff\xfe")
    with pytest.raises(ContractError, match="cannot be read as UTF-8"):
        check(tmp_path / "x.star")
    path = write(tmp_path, "faulty.star", FAULTY)
    with pytest.raises(ContractError, match=r"faulty_test\.star is missing"):
        run_tests(path)
    write(tmp_path, "faulty_test.star", "x = 1\n")
    with pytest.raises(ContractError, match="no function whose name begins with test_"):
        run_tests(path)


def test_describe_shows_types_and_docs(tmp_path: Path) -> None:
    path = write(tmp_path, "faulty.star", FAULTY)
    shown = CliRunner().invoke(command, ["describe", str(path)]).output
    assert "faulty: A faulty contract." in shown
    assert "method go\n  Divide.\n  n  integer(0, 9)" in shown
