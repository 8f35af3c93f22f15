"""What the simulator once found stays found: each scenario file failed before its fault was mended.

`about` says what was wrong; docs/testing.md lists them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from simnet.scenario import load_scenario
from simnet.world import run

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario_holds(path: Path) -> None:
    scenario, seed = load_scenario(path)
    assert seed is not None
    report = run(scenario, seed, keep=0)
    assert report.violation is None
    assert report.final
