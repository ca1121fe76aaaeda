# SPDX-License-Identifier: GPL-2.0-only
"""How long the builds of a series took on a farm before: by patch and column, kept in the cache.

A patch that is rebased or amended elsewhere in the series keeps its patch-id, and with it its
seconds. They only decide which worker gets which cell, so a wrong one costs time and no verdict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mermapctl.series.grid import GridColumn, Place
from mermapctl.system import cache_file, paths

_FIRST = "first"
"""In place of a patch-id: a worker's first build of a column."""
_MOST = 86400.0


@dataclass(frozen=True, slots=True)
class BuildSeconds:
    """The recorded seconds of a grid's builds; `patches` has the patch-id of a row, if it has one.

    `steps` are those on a worker that had built the commit before, `firsts` the first ones of a
    column on a worker.
    """

    columns: Sequence[GridColumn]
    patches: Mapping[int, str]

    def steps(self) -> dict[Place, float]:
        """Return what is recorded of the steps."""
        found = {
            (row, column): _read(_file(patch, each))
            for row, patch in self.patches.items()
            for column, each in enumerate(self.columns)
        }
        return {place: seconds for place, seconds in found.items() if seconds is not None}

    def firsts(self) -> dict[int, float]:
        """Return what is recorded of first builds, by column."""
        found = {at: _read(_file(_FIRST, each)) for at, each in enumerate(self.columns)}
        return {column: seconds for column, seconds in found.items() if seconds is not None}

    def keep(self, place: Place, seconds: float) -> None:
        """Record the seconds of a step."""
        patch = self.patches.get(place[0])
        if patch is not None:
            cache_file.write(_file(patch, self.columns[place[1]]), seconds)

    def keep_first(self, column: int, seconds: float) -> None:
        """Record the seconds of a first build."""
        cache_file.write(_file(_FIRST, self.columns[column]), seconds)


def _file(patch: str, column: GridColumn) -> Path:
    key = hashlib.sha256(f"{patch} {column.name}".encode(errors="surrogateescape")).hexdigest()
    return paths.cache_dir() / "series" / "seconds" / key[:2] / key


def _read(path: Path) -> float | None:
    seconds = cache_file.read(path, float)
    return seconds if seconds is not None and 0.0 <= seconds <= _MOST else None
