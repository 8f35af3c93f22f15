"""A slice of the campaign, the invariants' liveness phase included, and the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from simnet.campaign import CAMPAIGN_S, PATHS, Coverage, SavedError, all_faults, run_seed, run_seeds
from simnet.cli import simnet
from simnet.report import to_html
from simnet.scenario import Scenario, ScenarioError, Strike, load_scenario
from simnet.world import run

BASE = all_faults(Scenario(duration_s=20))


@pytest.mark.parametrize("seed", range(20))
def test_seed_holds(seed: int) -> None:
    report = run_seed((replace(BASE, load_tps=4), seed))
    assert report.violation is None
    assert report.final


@pytest.mark.campaign
def test_a_thousand_seeds_hold_and_cover_everything() -> None:
    coverage = Coverage()
    for report in run_seeds(replace(BASE, duration_s=CAMPAIGN_S), range(1_000), 2):
        coverage.add(report)
        assert report.violation is None, f"seed {report.seed}"
    assert [name for _, name, count in coverage.rows(BASE) if not count] == []


def test_wiped_machine_with_the_same_keys_does_not_contradict_itself() -> None:
    scenario = Scenario(duration_s=15, faults=("wipe", "lose-journal"), fault_gap_ms=600)
    forgotten = 0
    for seed in range(4):
        report = run(scenario, seed, keep=0)
        assert report.violation is None
        forgotten += report.fired["fault wipe"] + report.fired["fault lose-journal"]
    assert forgotten


def test_crash_model_goes_on_with_a_bare_majority() -> None:
    scenario = Scenario(nodes=5, duration_s=15, fault_model="crash", faults=("crash", "power"))
    report = run(scenario, 2, keep=0)
    assert report.violation is None
    assert report.fired["restart"] > 3


def test_every_name_in_the_coverage_table_is_counted_somewhere() -> None:
    sources = "".join(p.read_text() for p in (Path(__file__).parents[2] / "simnet").glob("*.py"))
    for name in PATHS:
        if not name.startswith(("frame ", "refused: ", "certificate ", "evidence ")):
            assert sources.count(f'"{name}"') >= 2, name


def test_run_prints_json_and_a_page(tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    command = ["run", "--duration", "3", "--seed", "5", "--json", "--html", str(page)]
    done = CliRunner().invoke(simnet, command)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["violation"] is None
    assert "<svg" in page.read_text()


def test_failure_names_the_command_that_replays_it() -> None:
    options = ["--duration", "3", "--faults", "none", "--adversaries", "none"]
    mutant = [*options, "--mutant", "vote-before-persist"]
    done = CliRunner().invoke(simnet, ["campaign", "--seeds", "3", "--jobs", "1", *mutant])
    assert done.exit_code == 1
    line = next(x for x in done.stderr.splitlines() if "simnet replay" in x)
    words = line.split()
    again = CliRunner().invoke(simnet, words[words.index("replay") :])
    assert again.exit_code == 1
    assert "persisted before sent" in again.stdout


def test_page_of_a_failed_run_shows_the_messages() -> None:
    report = run(Scenario(duration_s=2, mutant="vote-before-persist"), 0)
    assert report.violation in to_html(report).replace("&#x27;", "'")


def test_scenario_files_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('nodes = 5\nfaults = ["crash"]\nseed = 9\nabout = "why"\n')
    assert load_scenario(path) == (Scenario(nodes=5, faults=("crash",)), 9)
    for text in ("nodse = 4", "nodes = true", 'faults = "crash"', "nodes = ", 'seed = "x"'):
        path.write_text(text)
        with pytest.raises(ScenarioError):
            load_scenario(path)
    for text in (
        "[[script]]\nat_ms = 5",
        '[[script]]\nat_ms = 5\nfault = "crash"\nnodes = ["m001"]',
        "script = 3",
        "upgrade = 1",
    ):
        path.write_text(text)
        with pytest.raises(ScenarioError):
            load_scenario(path)
    path.write_text('spare = 2\n[[script]]\nat_ms = 5\nfault = "crash"\nnodes = [5]\n')
    strike = Strike(5, "crash", nodes=(5,))
    assert load_scenario(path) == (Scenario(spare=2, script=(strike,)), None)
    with pytest.raises(ScenarioError, match="nodes are 0 to 3"):
        run(Scenario(script=(strike,)), 0)
    with pytest.raises(ScenarioError, match="there is no fault"):
        run(Scenario(faults=("no-such",)), 0)


def test_campaigns_are_gone_on_with_and_add_up(tmp_path: Path) -> None:
    options = ["--duration", "1", "--jobs", "1"]
    files = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]

    def campaign(*words: str) -> dict[str, Any]:
        done = CliRunner().invoke(simnet, ["campaign", *options, *words, "--json"])
        assert done.exit_code == 0
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    campaign("--seeds", "1", "--save", files[0])
    two = campaign("--seeds", "2", "--save", files[0])
    campaign("--first-seed", "2", "--seeds", "1", "--save", files[1])
    whole = campaign("--seeds", "3")
    added = json.loads(CliRunner().invoke(simnet, ["coverage", *files, "--json"]).stdout)
    times = ("cpu_s", "wall_s")
    assert two["seeds"] == 2
    assert {k: v for k, v in added.items() if k not in times} == {
        k: v for k, v in whole.items() if k not in times
    }
    assert isinstance(CliRunner().invoke(simnet, ["coverage", files[0], files[0]]).exception,
                      SavedError)  # fmt: skip
    other = ["campaign", "--duration", "2", "--jobs", "1", "--save", files[0]]
    assert isinstance(CliRunner().invoke(simnet, other).exception, SavedError)


def test_replay_draws_a_picture_and_saves_the_run(tmp_path: Path) -> None:
    file = tmp_path / "seed.toml"
    words = ["replay", "4", "--duration", "1", "--picture", "--events", "20", "--save", str(file)]
    done = CliRunner().invoke(simnet, words)
    assert done.exit_code == 0
    assert "m000" in done.stdout.splitlines()[0]
    assert "-->" in done.stdout or "<--" in done.stdout
    again = CliRunner().invoke(simnet, ["run", "--scenario", str(file), "--json"])
    digest = json.loads(again.stdout)["trace_sha256"]
    assert digest[:16] in done.stdout


def test_scale_writes_a_page_of_growth(tmp_path: Path) -> None:
    page = tmp_path / "scale.html"
    words = ["scale", "--nodes", "1,4", "--json", "--html", str(page)]
    found = json.loads(CliRunner().invoke(simnet, words).stdout)
    assert found["rows"][1]["messages_per_block"] > found["rows"][0]["messages_per_block"]
    assert "n^" in page.read_text()


def test_validators_are_replaced_and_a_release_is_installed_half_way() -> None:
    scenario = Scenario(duration_s=10, spare=4, epoch_length=8, upgrade=True, retention=16)
    left = {"no first validator left", "member joined", "protocol version activated",
            "blocks forgotten"}  # fmt: skip
    for seed in range(5):
        report = run(replace(scenario, faults=("crash", "loss", "wipe")), seed, keep=0)
        assert report.violation is None
        left -= {what for what in left if report.fired[what]}
        if not left:
            return
    pytest.fail(f"never happened: {left}")
