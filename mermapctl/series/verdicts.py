# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts by key: where a cell was judged whose every input was the same.

The cache keeps only where the verdict is: the cell itself stays in its run, where `report rejudge`
may replace it, and `report prune` may remove it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.errors import MermapctlError
from mermapctl.judge.verdict import Verdict
from mermapctl.records.record import Artifacts
from mermapctl.system import cache_file, paths

if TYPE_CHECKING:
    from mermapctl.records.record import Cell
    from mermapctl.records.store import Store


@dataclass(frozen=True, slots=True)
class _Place:
    """A cell of a stored run: the run's id, the name of the cell's folder."""

    run: str
    folder: str


def is_lasting(cell: Cell) -> bool:
    """Whether another run may take this cell's verdict for its own.

    No verdict is tried again: the reason may be the machine, a signal or a limit.
    """
    return cell.verdict is not Verdict.NO_VERDICT


def keep(key: str, run: str, cell: Cell) -> None:
    """Remember that `run` has a cell with a verdict for `key`."""
    if is_lasting(cell) and cell.artifacts.directory:
        cache_file.write(_file(key), _Place(run, Path(cell.artifacts.directory).name))


def _file(key: str) -> Path:
    return paths.cache_dir() / "series" / "verdicts" / key[:2] / key


class Known:
    """Verdicts of earlier runs; reads each run's record once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._runs: dict[str, dict[str, Cell]] = {}

    def find(self, key: str) -> Cell | None:
        """Return the cell with this key's verdict, marked with its run; None where there is none.

        Its files stay in that run: the cell here has none.
        """
        place = cache_file.read(_file(key), _Place)
        if place is None:
            return None
        cell = self._cells(place.run).get(place.folder)
        if cell is None or not is_lasting(cell):
            return None
        return replace(cell, artifacts=Artifacts(), reused=place.run)

    def _cells(self, run: str) -> dict[str, Cell]:
        if run not in self._runs:
            try:
                cells = self._store.read(run).cells
            except MermapctlError:  # removed since, or damaged
                cells = ()
            self._runs[run] = {
                Path(cell.artifacts.directory).name: cell
                for cell in cells
                if cell.artifacts.directory and cell.reused is None
            }
        return self._runs[run]
