# SPDX-License-Identifier: GPL-2.0-only
"""Tries of cells on workers: which ended without a result, where, why, and what they have left."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.records.farm_facts import LostTry
from mermapctl.series.engines.parcel import CONSOLE
from mermapctl.system import bounded

if TYPE_CHECKING:
    from mermapctl.series.engines.parcel import Words
    from mermapctl.series.grid import Place

MOST = 2
"""Tries of a cell: a second loss may be the cell's own doing."""


_LARGEST = bounded.HEAD_BYTES + bounded.TAIL_BYTES
_ASIDE = "try-"


class Tries:
    """The tries of all cells of a grid that have ended without a result."""

    def __init__(self) -> None:
        self._lost: dict[Place, tuple[LostTry, ...]] = {}
        self._began: dict[Place, float] = {}

    def begin(self, place: Place, now: float) -> None:
        """Note when a try begins."""
        self._began[place] = now

    def seconds(self, place: Place, now: float) -> float:
        """Return how long ago the last try of a cell began."""
        return now - self._began.get(place, now)

    def of(self, place: Place) -> tuple[LostTry, ...]:
        """Return the tries of a cell that have ended without a result."""
        return self._lost.get(place, ())

    def open(self) -> list[Place]:
        """Return the cells with such a try."""
        return list(self._lost)

    def lost(self, place: Place, worker: str, why: str, now: float, folder: Path) -> int:
        """Add a try; move what it has left into a folder of its own. Return how many there are."""
        before = self.of(place)
        number = len(before) + 1
        console = _set_aside(folder, number)
        seconds = round(self.seconds(place, now), 3)
        self._lost[place] = (*before, LostTry(worker, why, seconds, console))
        return number


def keep_console(folder: Path, words: Words) -> None:
    """Add to the console of a running cell; it is replaced by the whole one at the end.

    Leaves out what is beyond the largest console.
    """
    if not words.console or not 0 <= words.offset <= _LARGEST - len(words.console):
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder / CONSOLE, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        with open(descriptor, "wb") as file:  # noqa: PTH123
            file.seek(words.offset)
            file.write(words.console)


def is_aside(name: str) -> bool:
    """Return whether a name is that of the directory of a try that was lost."""
    return name.startswith(_ASIDE)


def _set_aside(folder: Path, number: int) -> str | None:
    """Move the files of a try into `try-N` of the cell's folder; return its console's path."""
    aside = folder / f"{_ASIDE}{number}"
    with contextlib.suppress(OSError):
        left = [path for path in folder.iterdir() if not is_aside(path.name)]
        aside.mkdir(exist_ok=True)
        for path in left:
            path.rename(aside / path.name)
        console = aside / CONSOLE
        return str(console) if console.exists() else None
    return None
