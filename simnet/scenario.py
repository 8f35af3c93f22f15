"""What a run consists of: size, length, faults, traitors, load. From options or a TOML file."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from random import Random
from typing import Any, get_type_hints

from consensus.validators import BYZANTINE, FAULT_MODELS
from node.errors import MunimentError

MAX_NODES = 200


class ScenarioError(MunimentError):
    """A scenario that cannot be run; the message names the key and what is allowed."""

    code = "scenario"


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault at a stated time, on `nodes` (places in the list of machines) or on whom it may.

    `value` is how strong it is, for those of links: basis points, ms, or bytes a ms.
    """

    at_ms: int
    fault: str
    for_ms: int = 1_000
    nodes: tuple[int, ...] = ()
    value: int = -1


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of run; with a seed it is one run. Times are virtual seconds.

    `faults` and `adversaries` name what may happen; a run picks from them by its seed, with
    traitors, forgetful and rotted nodes together at most `max_traitors` (f if negative). `script`
    says what happens for certain, and when. With `spare` members more than validators, members
    vote all the time, until none of the first validators is left; with `upgrade` also for a
    protocol version that not all nodes have. With `retention` most nodes forget blocks older than
    so many heights, and who is far behind starts from a snapshot.
    """

    nodes: int = 4
    spare: int = 0
    upgrade: bool = False
    duration_s: int = 20
    faults: tuple[str, ...] = ()
    adversaries: tuple[str, ...] = ()
    load_tps: int = 10
    fault_model: str = BYZANTINE
    epoch_length: int = 40
    retention: int = 0
    latency_ms: int = 5
    jitter_ms: int = 10
    fault_gap_ms: int = 1_500
    max_traitors: int = -1
    script: tuple[Strike, ...] = ()
    mutant: str = ""

    @property
    def f(self) -> int:
        """How many faulty nodes the fault model bears."""
        if self.fault_model != BYZANTINE:
            return (self.nodes - 1) // 2
        return (self.nodes - 1) // 3

    @property
    def traitor_budget(self) -> int:
        """Traitors, forgetful and rotted nodes together; none under the crash fault model."""
        if self.fault_model != BYZANTINE:
            return 0
        return self.f if self.max_traitors < 0 else min(self.f, self.max_traitors)

    def check(self, faults: tuple[str, ...], adversaries: tuple[str, ...]) -> None:
        """Raises ScenarioError on unknown names and sizes that cannot be run."""
        if not 1 <= self.nodes <= MAX_NODES:
            raise ScenarioError(f"nodes must be from 1 to {MAX_NODES}, not {self.nodes}")
        if not 0 <= self.spare <= MAX_NODES - self.nodes:
            raise ScenarioError(f"spare must be from 0 to {MAX_NODES - self.nodes}")
        if self.upgrade and not self.spare:
            raise ScenarioError("upgrade needs members who vote: set spare as well")
        if self.fault_model not in FAULT_MODELS:
            raise ScenarioError(f"fault_model must be one of {', '.join(FAULT_MODELS)}")
        if not 1 <= self.duration_s <= 86_400:
            raise ScenarioError("duration_s must be from 1 to 86400")
        for strike in self.script:
            if any(not 0 <= node < self.nodes + self.spare for node in strike.nodes):
                raise ScenarioError(f"script: nodes are 0 to {self.nodes + self.spare - 1}")
            if strike.at_ms < 0 or strike.for_ms < 1:
                raise ScenarioError("script: at_ms must be 0 or more, for_ms 1 or more")
        for what, names, known in (
            ("fault", (*self.faults, *(strike.fault for strike in self.script)), faults),
            ("adversary", self.adversaries, adversaries),
        ):
            for name in names:
                if name not in known:
                    raise ScenarioError(
                        f"there is no {what} {name!r}; there are {', '.join(known)}"
                    )


def load_scenario(path: Path) -> tuple[Scenario, int | None]:
    """Read a scenario file; returns it and the seed it fixes, if any."""
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path} is not TOML: {error}") from error
    seed = table.pop("seed", None)
    if seed is not None and type(seed) is not int:
        raise ScenarioError(f"{path}: seed must be an integer")
    table.pop("about", None)
    rows = table.pop("script", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ScenarioError(f"{path}: script must be tables, each begun with [[script]]")
    found = replace(Scenario(), **_read(table, Scenario, f"{path}"))
    try:
        script = tuple(
            Strike(**_read(row, Strike, f"{path}: script {number}"))
            for number, row in enumerate(rows, 1)
        )
    except TypeError as error:
        raise ScenarioError(f"{path}: each script needs at_ms and fault") from error
    return replace(found, script=script), seed


def _read(table: dict[str, Any], cls: type, where: str) -> dict[str, Any]:
    """Check a TOML table against the fields of `cls`; lists become tuples."""
    kinds = get_type_hints(cls)
    found: dict[str, Any] = {}
    for key, value in table.items():
        kind = kinds.get(key)
        if kind is None:
            raise ScenarioError(f"{where}: unknown key {key!r}; there are {', '.join(kinds)}")
        items = {tuple[str, ...]: str, tuple[int, ...]: int}.get(kind)
        if items is not None:
            if not isinstance(value, list) or any(type(item) is not items for item in value):
                raise ScenarioError(f"{where}: {key} must be a list of {items.__name__}")
            value = tuple(value)
        elif type(value) is not kind:
            raise ScenarioError(f"{where}: {key} must be of type {kind.__name__}")
        found[key] = value
    return found


def save_scenario(path: Path, scenario: Scenario, seed: int, about: str) -> None:
    """Write a file that `load_scenario` reads back as the same run."""
    rows = [f"about = {json.dumps(about)}", f"seed = {seed}"]
    defaults = Scenario()
    for each in fields(Scenario):
        value = getattr(scenario, each.name)
        if each.name != "script" and value != getattr(defaults, each.name):
            rows.append(f"{each.name} = {json.dumps(value)}")
    for strike in scenario.script:
        rows.append("\n[[script]]")
        rows += [f"{f.name} = {json.dumps(getattr(strike, f.name))}" for f in fields(Strike)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def vary(base: Scenario, seed: int) -> Scenario:
    """Turn a campaign's scenario into that of one seed: another size, model and set of faults."""
    random = Random(f"vary/{seed}")
    nodes = random.choice((4, 4, 4, 5, 7, 7, 10))
    is_crash = random.randrange(8) == 0
    count = random.randint(2, max(2, len(base.faults))) if base.faults else 0
    governs = random.randrange(5) < 2
    spare = random.choice((1, 2, nodes)) if governs and nodes < 7 and base.load_tps else 0
    return replace(
        base,
        nodes=nodes if base.nodes == Scenario().nodes else base.nodes,
        fault_model="crash" if is_crash else base.fault_model,
        faults=tuple(sorted(random.sample(base.faults, min(count, len(base.faults))))),
        spare=spare or base.spare,
        upgrade=base.upgrade or (spare > 0 and random.randrange(2) == 0),
        retention=base.retention or random.choice((0, 0, 16)),
        epoch_length=random.choice((8, 12) if spare else (12, 25, 40, 100)),
        latency_ms=random.choice((1, 5, 20, 60)),
        jitter_ms=random.choice((0, 5, 30)),
        fault_gap_ms=random.choice((400, 1_000, 2_500)),
        load_tps=random.choice((2, 10, 30)) if base.load_tps else 0,
    )
