# SPDX-License-Identifier: GPL-2.0-only
"""A farm without machines: the real dask engine, whose workers take recorded seconds of no time.

A cell is a build and a boot. A build takes what its commit takes, by what that changes; on a worker
that comes from another commit what all commits in between take, and never more than a first one. A
fifth of the cells are flaky: their failed boot is followed by others. One worker of twenty dies at
some moment. The store has recorded a part of the builds, each with some other seconds than now.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.farm_bound import lower_bound
from mermapctl.config.plan import Request
from mermapctl.judge.result_types import Verdict
from mermapctl.records.folder import RunFolder
from mermapctl.records.host import Host
from mermapctl.records.json_text import encoded
from mermapctl.records.record import Cell, Phases
from mermapctl.series import cell_job
from mermapctl.series.build_seconds import BuildSeconds
from mermapctl.series.engines import parcel
from mermapctl.series.engines.dask import DaskEngine
from mermapctl.series.engines.farm import CellBack, FarmReport, WorkerLost
from mermapctl.series.engines.parcel import CellHarvest, CellParcel, WorkerFacts
from mermapctl.series.engines.work import Work
from mermapctl.series.grid import Grid, GridColumn, Place
from mermapctl.series.grid_events import SeriesEvent, SeriesListener
from mermapctl.tree.commits import Commit
from mermapctl.tree.series_worktrees import Borrower

CHANGES: dict[tuple[str, ...], tuple[float, ...]] = {
    ("mm/mermap.c",): (3.9, 4.1, 4.1, 4.3, 4.4, 4.6, 4.8, 5.2, 5.9, 6.4),
    ("mm/mermap.c", "mm/memory.c"): (7.7, 9.8),
    ("mm/internal.h",): (14.0,),
    ("include/linux/mm.h",): (21.0,),
}
"""Seconds that the build of a commit takes, by what it changes: a row is any one of the fourteen
builds, and what that changes takes any of its seconds in each column."""
FIRST = 21.0
"""Seconds of a first build by ccache's objects of an earlier series (613 objects, 2 cores)."""
NOTHING = 108.0
"""Seconds of a first build on a worker that has built nothing."""
BOOT, AGAIN = 3.1, 3.4
"""Seconds of a traced boot with the witness's, and of those that follow a failure."""
LOST, FLAKY = 0.05, 0.2
OTHERWISE = 0.1
"""By what part a recorded build may differ from the next one of the same patch."""
_SEEN = 1.0
"""Seconds until the loss of a worker is seen."""
_HOST = Host("worker", "Linux", "x86_64", 4, "3.11")


@dataclass
class SimulatedFarm:
    """Workers whose cells end at their time, and the time. What is lost has to be run again."""

    seed: int
    rows: int
    columns: int
    workers: int
    first: float = FIRST
    recorded: float = 0.0
    """The part of the builds that the store has recorded."""
    patience: float = 60.0
    listed: bool = True
    time: float = 0.0
    starts: int = 0
    _events: list[tuple[float, int, FarmReport]] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)  # noqa: S311 - the same one again
        cells = [(row, column) for column in range(self.columns) for row in range(self.rows)]
        builds = [paths for paths, seconds in CHANGES.items() for _ in seconds]
        self.paths = {row: chance.choice(builds) for row in range(self.rows)}
        self.builds = {cell: chance.choice(CHANGES[self.paths[cell[0]]]) for cell in cells}
        self.boots = {cell: BOOT + (AGAIN if chance.random() < FLAKY else 0.0) for cell in cells}
        self.names = [f"w{number}" for number in range(self.workers)]
        self._count = itertools.count()
        self._built: dict[str, dict[int, int]] = {name: {} for name in self.names}
        lost = chance.sample(self.names, round(self.workers * LOST))
        about = self.work / self.workers
        self.deaths = {name: chance.uniform(0, about) for name in lost}
        for name, moment in self.deaths.items():
            self._at(moment + _SEEN, WorkerLost(name, "killed"))

    @property
    def work(self) -> float:
        """The seconds of all cells, each built after its neighbour."""
        return sum(self.builds.values()) + sum(self.boots.values())

    @property
    def bound(self) -> float:
        """The seconds that no schedule can beat (see `lower_bound`)."""
        steps = [
            [self.builds[row, column] for row in range(1, self.rows)]
            for column in range(self.columns)
        ]
        lives = [self.deaths.get(name, math.inf) for name in self.names]
        return lower_bound(steps, [*self.boots.values()], self.first, lives)

    @property
    def bound_of_work(self) -> float:
        """A looser bound: all builds and boots by the workers as long as they live."""
        low, high = 0.0, self.work
        for _ in range(60):
            middle = (low + high) / 2
            room = sum(min(middle, self.deaths.get(name, middle)) for name in self.names)
            low, high = (middle, high) if room < self.work else (low, middle)
        return low

    def remember(self, seconds: BuildSeconds) -> None:
        """Record a part of the builds in the store, as an earlier series would have."""
        chance = random.Random(f"recorded {self.seed}")  # noqa: S311 - the same one again
        for cell, build in self.builds.items():
            if chance.random() < self.recorded:
                seconds.keep(cell, build * chance.uniform(1 - OTHERWISE, 1 + OTHERWISE))
        if self.recorded:
            for column in range(self.columns):
                seconds.keep_first(column, self.first)

    def now(self) -> float:
        """Return the time."""
        return self.time

    def reports(self, seconds: float) -> Iterator[FarmReport]:
        """Go on to the next event, and yield it."""
        if not self._events:
            self.time += seconds
            return
        self.time, _, report = heapq.heappop(self._events)
        yield report

    def start(self, worker: str, asked: CellParcel, bundle: Path | None) -> None:
        """Let a cell end in as many seconds as it takes, if its worker lives that long."""
        assert bundle is None
        self.starts += 1
        job = cell_job.decoded(asked.job, "a job")
        place = (int(job.commit[:12], 16), int(job.request.variants[0].removeprefix("v")))
        build = self._build(worker, place)
        end = self.time + build + self.boots[place]
        if end < self.deaths.get(worker, end + 1):
            self._at(
                end,
                CellBack(
                    worker, asked.token, _harvest(job.commit, place, build, self.boots[place])
                ),
            )

    def stop(self) -> None:
        """End nothing: nothing runs."""

    def _at(self, moment: float, report: FarmReport) -> None:
        heapq.heappush(self._events, (moment, next(self._count), report))

    def _build(self, worker: str, place: Place) -> float:
        row, column = place
        last = self._built[worker].get(column)
        self._built[worker][column] = row
        build = self.first
        if last is not None:
            between = range(row, last, -1) if row > last else range(last, row, -1)
            build = min(self.first, sum(self.builds[each, column] for each in between))
        return build


def _harvest(commit: str, place: Place, build: float, boot: float) -> CellHarvest:
    cell = Cell(
        target="x86_64",
        variant=f"v{place[1]}",
        verdict=Verdict.PASSED,
        commit=commit,
        phases=Phases(0.0, build, boot),
    )
    files = {"cell.json": parcel.compressed(encoded(cell))}
    return CellHarvest(_HOST, build + boot, files)


class NoSupply:
    """Workers that lack nothing."""

    fragments: dict[str, bytes]

    def __init__(self) -> None:
        self.fragments = {}

    def bundle_for(self, _worker: str, _bases: object) -> None:
        """Return no bundle."""

    def whole_for(self, _worker: str) -> bool:
        """Return that there is none."""
        return False

    def forget(self, _worker: str) -> None:
        """Forget nothing."""


def _commit(number: int) -> Commit:
    name = f"{number:012x}{0:028x}"
    return Commit(name, name, None, f"change {number}")


def _ignore(_event: SeriesEvent) -> None:
    pass


def simulate(
    farm: SimulatedFarm,
    place: Path,
    tell: SeriesListener = _ignore,
    rows: Sequence[int] | None = None,
) -> Grid:
    """Run all cells of a farm's grid, or those of some rows, by the real engine; return the grid.

    The store is that of MERMAPCTL_HOME.
    """
    facts = WorkerFacts(
        "1", "1", "1", "3.11", _HOST, ("x86_64",), {"x86_64": "0"}, 4, None, kvm=False
    )
    columns = tuple(
        GridColumn("x86_64", f"v{each}", f"{each:064x}") for each in range(farm.columns)
    )
    grid = Grid(_commit(1 << 40), tuple(map(_commit, range(farm.rows))), columns)
    run = RunFolder("20260101-120000-000abcd", place / "20260101-120000-000abcd")
    work = Work(Request(), (), Borrower(place, place), run, "mermapctl run", None)

    seconds = BuildSeconds(columns, {row: f"patch {row}" for row in range(farm.rows)})
    farm.remember(seconds)
    crew = dict.fromkeys(farm.names, facts)
    engine = DaskEngine(work, grid, tell, farm, crew, NoSupply(), seconds, farm.paths)
    engine.run([range(farm.rows) if rows is None else rows])
    return grid
