"""Builds the manual as a site: the guides, a reference made from the code, and screenshots.

    python docs/tools/manual.py [--out build/manual]

Needs the packages of the extra `docs`. Screenshots are those that the browser tests have left in
build/screenshots; without them the pages that show them say how to take them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "build" / "screenshots"
SOURCE = ROOT / "build" / "manual-source"
CONFIG = Path(__file__).with_name("mkdocs.yml")
EACH_OF = {
    "COMMANDS": "reference/commands",
    "CONTRACTS": "reference/contracts",
    "DECISIONS": "adr",
}
"""Words in the navigation that stand for all pages of a folder."""


def stage(folder: Path) -> None:
    """Put together what the site is made from."""
    sys.path.insert(0, str(Path(__file__).parent))
    import reference
    import screens

    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("tools"))
    reference.write(folder / "reference")
    screens.write(folder, SHOTS)


def expand(item: Any, folder: Path) -> Any:
    """Put the pages of a folder in the place of the word that stands for them."""
    match item:
        case str() if item in EACH_OF:
            place = EACH_OF[item]
            return [f"{place}/{path.name}" for path in sorted((folder / place).glob("*.md"))]
        case list():
            return [expand(each, folder) for each in item]
        case dict():
            return {name: expand(each, folder) for name, each in item.items()}
        case _:
            return item


def configure(folder: Path) -> Path:
    """Write the configuration of the site beside its source; returns its path."""
    import yaml

    settings = yaml.safe_load(CONFIG.read_text("utf-8"))
    settings |= {"docs_dir": folder.name, "nav": expand(settings["nav"], folder)}
    path = folder.with_name("mkdocs.yml")
    path.write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), "utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "manual")
    options = parser.parse_args()
    stage(SOURCE)
    config, out = configure(SOURCE), options.out.resolve()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet",
               "--config-file", str(config), "--site-dir", str(out)]  # fmt: skip
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    ended = subprocess.run(command, check=False, env=quiet).returncode
    if ended:
        sys.exit(ended)
    print(f"the manual is at {out / 'index.html'}")


if __name__ == "__main__":
    main()
