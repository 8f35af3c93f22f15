"""The manual's page of pictures: what the browser tests have seen."""

from __future__ import annotations

import shutil
from pathlib import Path

WIDTH = 1280
LANGUAGES = {"en": "English", "zh": "中文"}
MISSING = "No pictures yet: `make test` takes them where Chromium is installed.\n"


def write(folder: Path, shots: Path) -> None:
    """Write `screens.md` and copy the pictures it shows."""
    (folder / "screens").mkdir()
    parts = [
        "# Pages in pictures\n",
        "Taken by the browser tests, of a trial network, in both languages.\n",
    ]
    names = sorted({path.name.rsplit("-", 2)[0] for path in shots.glob(f"*-{WIDTH}.png")})
    for name in names:
        parts.append(f"## {name}\n")
        for code, language in LANGUAGES.items():
            picture = shots / f"{name}-{code}-{WIDTH}.png"
            if picture.exists():
                shutil.copy(picture, folder / "screens")
                parts.append(f"![{name}, {language}](screens/{picture.name})\n")
    if not names:
        parts.append(MISSING)
    (folder / "screens.md").write_text("\n".join(parts), "utf-8")
