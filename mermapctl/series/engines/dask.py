# SPDX-License-Identifier: GPL-2.0-only
"""The dask engine: cells on the workers of a farm, one a worker, each a process of its own there.

Imports no dask: the farm is a value, and a simulated one takes its place in `make bench`.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from mermapctl.events import LaneFreed, Note, Tick
from mermapctl.judge.result_types import Reason
from mermapctl.records import cell_files
from mermapctl.series import cell_job, key, verdict_cache, wire
from mermapctl.series.cell_job import CellJob
from mermapctl.series.engines import harvest, tries
from mermapctl.series.engines.expected import Expected, Spent
from mermapctl.series.engines.farm import (
    CellBack,
    CellHeard,
    Farm,
    FarmGone,
    FarmReport,
    WorkerCame,
    WorkerLost,
    WorkerRefused,
)
from mermapctl.series.engines.parcel import CellHarvest, CellParcel, ParcelError, WorkerFacts
from mermapctl.series.engines.protocol import Room
from mermapctl.series.engines.schedule import FarmSchedule
from mermapctl.series.engines.tries import Tries
from mermapctl.series.engines.work import MOST_ERRORS, STOPPED, without_verdict
from mermapctl.series.grid_events import GridCell, GridProgress, GridWaits
from mermapctl.system import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from mermapctl.records.record import Cell
    from mermapctl.series.build_seconds import BuildSeconds
    from mermapctl.series.engines.parcel import Words
    from mermapctl.series.engines.supply import Supply
    from mermapctl.series.engines.work import Work
    from mermapctl.series.grid import Grid, GridColumn, Place
    from mermapctl.series.grid_events import SeriesListener

_TICK = 0.1
_WORST = 2
"""Errors in succession of one machine, after which it gets no more cells."""


class DaskEngine:
    """Runs the open cells of a grid on a farm. `crew` are the workers that are there."""

    def __init__(
        self,
        work: Work,
        grid: Grid,
        tell: SeriesListener,
        farm: Farm,
        crew: dict[str, WorkerFacts],
        supply: Supply,
        seconds: BuildSeconds,
        paths: Mapping[int, Sequence[str]],
    ) -> None:
        """`seconds` are recorded builds of this grid, `paths` what each row changes, if known."""
        self._work = work
        self._grid = grid
        self._tell = tell
        self._farm = farm
        self._crew = crew
        self._supply = supply
        self._seconds = seconds
        self._expected = Expected(paths, seconds.steps(), seconds.firsts())
        self._built: dict[str, dict[int, int]] = {}
        self._schedule = FarmSchedule((), (), self._expected, self._built)
        self._tries = Tries()
        self._tokens: dict[str, str] = {}
        self._bad: dict[str, int] = {}
        self._errors = 0
        self._alone: float | None = None
        self._over = False

    def keys(self, column: GridColumn) -> tuple[str, ...]:
        """Return a key for each kind of machine that is there: another compiler is another key."""
        made = (self._key(column, facts) for facts in self._crew.values())
        return tuple(dict.fromkeys(each for each in made if each))

    def room(self, rows: int) -> Room:
        """Return a segment for each worker. None waits for the last commit's build."""
        return Room(max(1, min(len(self._crew), rows)), jobs=1, tip_first=len(self._crew) == 1)

    def run(
        self,
        segments: Sequence[Iterable[int]],
        columns: tuple[int, ...] | None = None,
        jobs: int | None = None,  # noqa: ARG002 - each worker has its own cores
    ) -> None:
        """Run the rows; who gets which cell is decided as workers become idle.

        Raises HarnessError where a result cannot be written here, Interrupted.
        """
        if self._over:
            return
        chosen = range(len(self._grid.columns)) if columns is None else columns
        places = [(row, each) for rows in segments for row in rows for each in chosen]
        wanted = [place for place in places if place not in self._grid.cells]
        targets = [each.target for each in self._grid.columns]
        self._schedule = FarmSchedule(wanted, targets, self._expected, self._built)
        for worker, facts in self._crew.items():
            self._schedule.join(worker, facts.targets)
        while self._goes_on():
            self._hand_out()
            self._tell(Tick())
            for report in self._farm.reports(_TICK):
                self._take(report)
        for column, first in self._expected.firsts().items():
            self._seconds.keep_first(column, first)

    def unfinished(self) -> list[Cell]:
        """End the cells that run; return them without a verdict."""
        self._farm.stop()
        return [
            self._without_verdict(place, Reason.INTERRUPTED, None)
            for place in self._schedule.running.values()
        ]

    def _goes_on(self) -> bool:
        """Return whether there is something to wait for; give up cells that nobody can run."""
        schedule = self._schedule
        if schedule.running:
            self._alone = None
            return True
        if not schedule.waiting:
            return False
        if len(schedule.unserved()) < schedule.waiting:
            self._alone = None
            return True
        now = self._farm.now()
        if self._alone is None:
            self._alone = now
            self._tell(Note(f"no worker is left for {schedule.waiting} cells: waiting for one"))
        if now - self._alone < self._farm.patience:
            return True
        self._give_up("no worker is left")
        return False

    def _hand_out(self) -> None:
        for worker in self._schedule.idle():
            now = self._farm.now()
            place = self._schedule.next(worker, now)
            if place is not None:
                self._tries.begin(place, now)
                self._start(worker, place)

    def _start(self, worker: str, place: Place) -> None:
        """Send a cell to a worker, and before the first one what it lacks of the trees."""
        path = self._supply.bundle_for(worker, self._crew[worker].bases)
        token = f"mermapctl-{self._work.folder.id}-{os.urandom(4).hex()}"
        self._tokens[worker] = token
        folder = self._folder(place)
        files.make_folder(folder)
        made = CellParcel(
            job=cell_job.encoded(self._job(place, self._crew[worker])),
            token=token,
            slug=folder.name,
            base=self._grid.base.tree,
            fragments=self._supply.fragments,
            patience=self._farm.patience,
            bundle=path.name if path else None,
        )
        self._farm.start(worker, made, path)

    def _job(self, place: Place, facts: WorkerFacts) -> CellJob:
        column, commit = self._grid.columns[place[1]], self._grid.commit(place[0])
        column_key = self._key(column, facts) or column.key
        return self._work.job(
            column,
            commit,
            tree=self._work.repository.lender,
            jobs=facts.cores,
            line="",
            key=column_key,
        )

    def _key(self, column: GridColumn, facts: WorkerFacts) -> str | None:
        toolchain = facts.toolchains.get(column.target)
        return key.on_machine(column.key, toolchain, facts.package) if toolchain else None

    def _place_of(self, place: Place) -> tuple[str | None, str | None, str | None]:
        column = self._grid.columns[place[1]]
        return (self._grid.commit(place[0]).id, column.target, column.variant)

    def _folder(self, place: Place) -> Path:
        return self._work.cell_folder(self._grid.columns[place[1]], self._grid.commit(place[0]))

    def _take(self, report: FarmReport) -> None:
        match report:
            case WorkerCame(worker, facts):
                self._crew[worker] = facts
                self._schedule.join(worker, facts.targets)
                self._tell(Note(f"worker {worker} is there"))
            case WorkerRefused(worker, why):
                self._tell(Note(f"worker {worker} gets no cells: {why}"))
            case WorkerLost(worker, why):
                self._lost(worker, why)
            case CellHeard(worker, token, words):
                if self._tokens.get(worker) == token:
                    self._heard(worker, words)
            case CellBack(worker, token, harvested):
                if self._tokens.get(worker) == token:
                    self._back(worker, harvested)
            case FarmGone(why):
                self._gone(why)

    def _heard(self, worker: str, words: Words) -> None:
        place = self._schedule.running.get(worker)
        if place is None:
            return
        for line in words.lines:
            event = wire.decode(line)
            if event is not None and not isinstance(event, LaneFreed):
                self._tell(GridProgress(*place, event))
        tries.keep_console(self._folder(place), words)

    def _back(self, worker: str, harvested: CellHarvest) -> None:
        """Put a result into the store and the grid, or try the cell on another worker."""
        place = self._schedule.running.get(worker)
        if place is None:
            return
        if harvested.lacks_files and self._supply.whole_for(worker):
            self._tell(Note(f"worker {worker} lacks the files of the base: all are sent"))
            self._start(worker, place)
            return
        folder = self._folder(place)
        facts = {"machine": harvested.host, "tries": self._tries.of(place)}
        broken, cell = harvested.error, None
        try:
            harvest.put(harvested.files, folder)
            cell = harvest.received(folder, self._work.folder, facts)
        except ParcelError as error:
            broken = error.message
        if cell is not None and cell.place != self._place_of(place):
            broken = "it sent the result of another cell"
        if cell is not None and cell.reason in {Reason.HARNESS_ERROR, Reason.INTERRUPTED}:
            broken = cell.detail or str(cell.reason)
        if broken or cell is None:
            self._schedule.done(worker, None)
        else:
            self._learn(worker, self._spent(place, harvested, cell))
        self._tokens.pop(worker, None)
        if broken or cell is None:
            self._broken(worker, place, broken or "it left no result", Reason.HARNESS_ERROR)
            self._count_error(worker, broken or "")
            return
        self._bad.pop(worker, None)
        job = self._job(place, self._crew[worker])
        verdict_cache.keep(job.key, self._work.folder.id, folder, cell)
        self._errors = 0
        self._put(place, cell)

    def _spent(self, place: Place, harvested: CellHarvest, cell: Cell) -> Spent:
        """Return what a cell took: as its worker says, but no longer than it was away."""
        away = self._tries.seconds(place, self._farm.now())
        seconds = harvested.seconds if 0.0 <= harvested.seconds <= away else away
        build = (cell.phases.config or 0.0) + (cell.phases.build or 0.0)
        build = build if 0.0 <= build <= seconds else 0.0
        return Spent(build, seconds - build)

    def _learn(self, worker: str, spent: Spent) -> None:
        """Let later cells be expected by this one, and record its build for later series."""
        step = self._schedule.done(worker, spent)
        if step is not None:
            self._seconds.keep(step, spent.build)

    def _put(self, place: Place, cell: Cell) -> None:
        self._grid.cells[place] = cell
        self._tell(GridCell(*place, cell, self._grid.done, self._grid.size))

    def _lost(self, worker: str, why: str) -> None:
        self._crew.pop(worker, None)
        self._supply.forget(worker)
        self._tokens.pop(worker, None)
        place = self._schedule.leave(worker)
        if place is None:
            self._tell(Note(f"worker {worker} is lost: {why}"))
        else:
            self._broken(worker, place, why, Reason.WORKER_LOST)

    def _broken(self, worker: str, place: Place, why: str, reason: Reason) -> None:
        """Note a try without a result; try once more on another worker, if that may help."""
        folder = self._folder(place)
        number = self._tries.lost(place, worker, why, self._farm.now(), folder)
        name = f"{self._grid.commit(place[0]).id[:12]} {self._grid.columns[place[1]].name}"
        elsewhere = reason is Reason.WORKER_LOST or self._schedule.others(worker, place)
        lost = "is lost" if reason is Reason.WORKER_LOST else "could not run a cell"
        if number < tries.MOST and elsewhere:
            self._tell(Note(f"worker {worker} {lost}: {why}; {name} is tried on another"))
            self._tell(GridWaits(*place))
            self._schedule.again(place, worker)
            return
        self._tell(Note(f"worker {worker} {lost}: {why}; {name} has no verdict"))
        detail = why if reason is Reason.HARNESS_ERROR else f"the worker was lost: {worker}: {why}"
        self._end_without(place, reason, detail)
        if reason is Reason.HARNESS_ERROR:
            self._errors += 1
            if self._errors >= MOST_ERRORS:
                self._over = True
                self._tell(STOPPED)
                self._schedule.clear()

    def _count_error(self, worker: str, why: str) -> None:
        self._bad[worker] = self._bad.get(worker, 0) + 1
        if self._bad[worker] >= _WORST:
            self._tell(Note(f"worker {worker} gets no more cells: {why}"))
            self._crew.pop(worker, None)
            self._schedule.leave(worker)

    def _end_without(self, place: Place, reason: Reason, detail: str) -> None:
        cell = self._without_verdict(place, reason, detail)
        folder = self._folder(place)
        files.make_folder(folder)
        cell_files.write(folder, cell)
        self._put(place, cell)

    def _give_up(self, why: str) -> None:
        """Leave out what has not begun; what has begun once has no verdict."""
        self._schedule.clear()
        self._over = True
        for place in self._tries.open():
            if place not in self._grid.cells:
                self._end_without(place, Reason.WORKER_LOST, f"the worker was lost, and {why}")
        left = self._grid.size - self._grid.done
        words = f"{left} cell{'s are' if left != 1 else ' is'} not run; " if left else ""
        self._tell(Note(f"{why}: {words}the same command goes on where it was"))

    def _gone(self, why: str) -> None:
        for worker, place in dict(self._schedule.running).items():
            self._schedule.leave(worker)
            self._tries.lost(place, worker, why, self._farm.now(), self._folder(place))
        self._crew.clear()
        self._give_up(why)

    def _without_verdict(self, place: Place, reason: Reason, detail: str | None) -> Cell:
        row, column = place
        cell = without_verdict(self._grid.columns[column], self._grid.commit(row), reason, detail)
        return replace(cell, tries=self._tries.of(place))
