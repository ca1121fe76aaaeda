# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts by key: the key is a digest of all that decides a verdict.

The cache keeps only where the verdict is: the cell itself stays in its run, where `report rejudge`
may replace it, and `report prune` may remove it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.judge.result_types import Verdict
from mermapctl.records import cell_files
from mermapctl.records.record import RUN_ID, Artifacts
from mermapctl.series.key import of_files
from mermapctl.system import cache_file, paths

if TYPE_CHECKING:
    from mermapctl.records.record import Cell


@dataclass(frozen=True, slots=True)
class _Place:
    """A cell of a stored run: the run's id, the name of the cell's folder."""

    run: str
    folder: str


def is_lasting(cell: Cell) -> bool:
    """Return whether another run may take this cell's verdict for its own.

    No verdict is tried again: the reason may be the machine, a signal or a limit.
    """
    return cell.verdict is not Verdict.NO_VERDICT


def keep(key: str, run: str, folder: Path, cell: Cell) -> None:
    """Remember that `folder` of `run` has a cell with a verdict for `key`."""
    if is_lasting(cell):
        cache_file.write(_file(key), _Place(run, folder.name))


def _file(key: str) -> Path:
    return paths.cache_dir() / "series" / "verdicts" / key[:2] / key


def find(key: str, *, only: str | None = None) -> Cell | None:
    """Return the cell with this key's verdict, marked with its run; None where there is none.

    Its files stay in that run: the cell here has none. `only` takes that run alone.
    """
    place = cache_file.read(_file(key), _Place)
    if place is None or (only and place.run != only):
        return None
    if not RUN_ID.fullmatch(place.run) or Path(place.folder).name != place.folder:
        return None
    cell = cell_files.read(paths.state_dir() / "runs" / place.run / "cells" / place.folder)
    if cell is None or not is_lasting(cell):
        return None
    return replace(cell, artifacts=Artifacts(), reused=place.run)


def find_any(keys: Iterable[str], git_tree: str) -> Cell | None:
    """Return the cell of a git tree under the first of these keys of its column that has one."""
    return next((cell for key in keys if (cell := find(of_files(key, git_tree)))), None)
