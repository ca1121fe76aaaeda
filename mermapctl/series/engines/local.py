# SPDX-License-Identifier: GPL-2.0-only
"""The local engine: lanes of this machine; each cell is a process of its own."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mermapctl.events import LaneFreed, Tick
from mermapctl.judge.result_types import Reason
from mermapctl.records import cell_files
from mermapctl.runner import compiler_cache
from mermapctl.series import budget, cell_job, wire
from mermapctl.series.engines.protocol import Room
from mermapctl.series.engines.work import MOST_ERRORS, STOPPED, Work, last_words, without_verdict
from mermapctl.series.grid import BASE, Place
from mermapctl.series.grid_events import GridCell, GridProgress
from mermapctl.system import files, process
from mermapctl.system.children import ChildEnded, ChildLine, Children
from mermapctl.tree.series_worktrees import Lane

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from mermapctl.records.record import Cell
    from mermapctl.series.grid import Grid, GridColumn
    from mermapctl.series.grid_events import SeriesListener

_TICK = 0.1


@dataclass(slots=True)
class _LaneState:
    """A lane, the rows that wait for it, the cell that needs it, and those that only boot."""

    lane: Lane
    rows: deque[int]
    row: int = BASE
    columns: deque[int] = field(default_factory=deque)
    building: Place | None = None
    booting: list[Place] = field(default_factory=list)

    @property
    def running(self) -> list[Place]:
        """All its cells."""
        return [*self.booting, *([self.building] if self.building else [])]

    @property
    def free(self) -> bool:
        """Whether it can take a cell: one boot beside a build costs little, two cost much."""
        return self.building is None and len(self.booting) < 2


class LocalEngine:
    """Runs the open cells of a grid; puts each result into the grid and reports it."""

    def __init__(self, work: Work, grid: Grid, tell: SeriesListener) -> None:
        self._work = work
        self._grid = grid
        self._tell = tell
        self._lanes: list[_LaneState] = []
        self._columns: tuple[int, ...] = ()
        self._errors = 0
        self._jobs = work.request.jobs
        self._started: list[tuple[int, Place]] = []

    def keys(self, column: GridColumn) -> tuple[str, ...]:
        """Return the key of a column on this machine."""
        return (column.key,)

    def room(self, rows: int) -> Room:
        """Return the lanes and make jobs that this machine has room for."""
        cached = self._work.request.ccache and compiler_cache.installed()
        found = budget.of(rows, self._work.request.jobs, self._work.lanes, cached=cached)
        return Room(found.lanes, found.jobs)

    def run(
        self,
        segments: Sequence[Iterable[int]],
        columns: tuple[int, ...] | None = None,
        jobs: int | None = None,
    ) -> None:
        """Run each segment of rows in a lane of its own; all columns, or those given.

        `jobs` are the make jobs of each lane. Raises HarnessError, Interrupted; `unfinished` then
        has the cells that were running.
        """
        if self._errors >= MOST_ERRORS:
            return
        repository = self._work.repository
        self._columns = tuple(range(len(self._grid.columns))) if columns is None else columns
        self._jobs = jobs or self._work.request.jobs
        self._lanes = [
            _LaneState(repository.lane(number), deque(rows))
            for number, rows in enumerate(segments, 1)
        ]
        with Children() as children:
            for number in range(len(self._lanes)):
                self._next(children, number)
            while len(children):
                self._tell(Tick())
                for said in children.wait(_TICK):
                    if isinstance(said, ChildLine):
                        self._heard(said)
                    else:
                        self._ended(said)
                    self._next(children, self._started[said.child][0])

    def unfinished(self) -> list[Cell]:
        """Return the cells that were running when something ended all, as their processes left."""
        left = []
        for state in self._lanes:
            for place in state.running:
                cell = cell_files.read(self._folder(place))
                left.append(cell or self._without_verdict(place, Reason.INTERRUPTED, None))
        return left

    def _next(self, children: Children, number: int) -> None:
        """Start the next cell of a lane, if there is one and the lane is free."""
        state = self._lanes[number]
        if not state.free:
            return
        while not state.columns and state.rows:
            state.row = state.rows.popleft()
            known = self._grid.cells
            state.columns = deque(each for each in self._columns if (state.row, each) not in known)
            if state.columns:
                commit = self._grid.commit(state.row)
                self._work.repository.check_out(state.lane, commit.tree)
        if not state.columns:
            return
        place = (state.row, state.columns.popleft())
        state.building = place
        job = self._write_job(state, place)
        argv = [sys.executable, "-P", "-m", "mermapctl", "run-cell", str(job)]
        self._started.append((number, place))
        child = len(self._started) - 1
        children.start(child, argv, process.inherited(), job.with_name(cell_job.COMPLAINTS))

    def _folder(self, place: Place) -> Path:
        row, column = place
        return self._work.cell_folder(self._grid.columns[column], self._grid.commit(row))

    def _write_job(self, state: _LaneState, place: Place) -> Path:
        work, commit, column = self._work, self._grid.commit(place[0]), self._grid.columns[place[1]]
        folder = self._folder(place)
        files.make_folder(folder)
        line = work.repository.checkout_line(state.lane, commit.tree)
        job = work.job(
            column, commit, tree=state.lane.tree, line=line, jobs=self._jobs, key=column.key
        )
        path = folder / cell_job.JOB
        cell_job.write(path, job)
        return path

    def _heard(self, line: ChildLine) -> None:
        number, place = self._started[line.child]
        event = wire.decode(line.text)
        if isinstance(event, LaneFreed):
            state = self._lanes[number]
            if state.building == place:
                state.building = None
                state.booting.append(place)
        elif event is not None:
            self._tell(GridProgress(*place, event))

    def _ended(self, ended: ChildEnded) -> None:
        number, place = self._started[ended.child]
        state = self._lanes[number]
        if state.building == place:
            state.building = None
        else:
            state.booting.remove(place)
        folder = self._folder(place)
        cell = cell_files.read(folder)
        if cell is None:
            detail = f"its process ended with {ended.returncode}{last_words(folder)}"
            cell = self._without_verdict(place, Reason.HARNESS_ERROR, detail)
        self._grid.cells[place] = cell
        self._tell(GridCell(*place, cell, self._grid.done, self._grid.size))
        self._errors = self._errors + 1 if cell.reason is Reason.HARNESS_ERROR else 0
        if self._errors >= MOST_ERRORS:
            self._stop()

    def _stop(self) -> None:
        """Leave out what has not begun: the machine fails, and would fail each cell."""
        self._tell(STOPPED)
        for state in self._lanes:
            state.rows.clear()
            state.columns.clear()

    def _without_verdict(self, place: Place, reason: Reason, detail: str | None) -> Cell:
        row, column = place
        return without_verdict(self._grid.columns[column], self._grid.commit(row), reason, detail)
