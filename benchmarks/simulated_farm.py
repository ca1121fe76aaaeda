# SPDX-License-Identifier: GPL-2.0-only
"""A farm without machines: the real dask engine, whose workers take recorded seconds of no time.

A cell is a build and a boot. A build takes what its commit takes; on a worker that comes from
another commit what all commits in between take, and never more than a first one. A fifth of the
cells are flaky: their failed boot is followed by others. One worker of twenty dies at some moment.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mermapctl.config.plan import Request
from mermapctl.judge.result_types import Verdict
from mermapctl.records.folder import RunFolder
from mermapctl.records.host import Host
from mermapctl.records.json_text import encoded
from mermapctl.records.record import Cell
from mermapctl.series import cell_job
from mermapctl.series.engines import parcel
from mermapctl.series.engines.dask import DaskEngine
from mermapctl.series.engines.farm import CellBack, FarmReport, WorkerLost
from mermapctl.series.engines.parcel import CellHarvest, CellParcel, WorkerFacts
from mermapctl.series.engines.work import Work
from mermapctl.series.grid import Grid, GridColumn, Place
from mermapctl.series.grid_events import SeriesEvent
from mermapctl.tree.commits import Commit
from mermapctl.tree.series_worktrees import Borrower

BUILDS = (3.9, 4.1, 4.1, 4.3, 4.4, 4.6, 4.8, 5.2, 5.9, 6.4, 7.7, 9.8, 14.0, 21.0)
"""Seconds that a commit's build takes: of mm/mermap.c most often, of a header now and then."""
FIRST = 21.0
"""Seconds of a first build by ccache's objects of an earlier series (613 objects, 2 cores)."""
NOTHING = 108.0
"""Seconds of a first build on a worker that has built nothing."""
BOOT, AGAIN = 3.1, 3.4
"""Seconds of a traced boot with the witness's, and of those that follow a failure."""
LOST, FLAKY = 0.05, 0.2
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
    patience: float = 60.0
    listed: bool = True
    time: float = 0.0
    starts: int = 0
    _events: list[tuple[float, int, FarmReport]] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)  # noqa: S311 - the same one again
        cells = [(row, column) for column in range(self.columns) for row in range(self.rows)]
        self.builds = {cell: chance.choice(BUILDS) for cell in cells}
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
        """The seconds that no schedule can beat: all work by the workers as long as they live.

        Each of them begins with a first build. This bound of the total work is above that of the
        longest path, one cell.
        """
        extra = self.first - max(BUILDS)
        low, high = 0.0, self.work + self.first
        for _ in range(60):
            middle = (low + high) / 2
            room = sum(
                max(0.0, min(middle, self.deaths.get(name, middle)) - extra) for name in self.names
            )
            low, high = (middle, high) if room < self.work else (low, middle)
        return max(high, self.first + max(self.boots.values()))

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
        seconds = self._seconds(worker, place)
        end = self.time + seconds
        if end < self.deaths.get(worker, end + 1):
            self._at(end, CellBack(worker, asked.token, _harvest(job.commit, place, seconds)))

    def stop(self) -> None:
        """End nothing: nothing runs."""

    def _at(self, moment: float, report: FarmReport) -> None:
        heapq.heappush(self._events, (moment, next(self._count), report))

    def _seconds(self, worker: str, place: Place) -> float:
        row, column = place
        last = self._built[worker].get(column)
        self._built[worker][column] = row
        build = self.first
        if last is not None:
            between = range(row, last, -1) if row > last else range(last, row, -1)
            build = min(self.first, sum(self.builds[each, column] for each in between))
        return build + self.boots[place]


def _harvest(commit: str, place: Place, seconds: float) -> CellHarvest:
    variant = f"v{place[1]}"
    cell = Cell(target="x86_64", variant=variant, verdict=Verdict.PASSED, commit=commit)
    files = {"cell.json": parcel.compressed(encoded(cell))}
    return CellHarvest(_HOST, seconds, files)


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


def simulate(farm: SimulatedFarm, place: Path) -> Grid:
    """Run all cells of a farm's grid by the real engine; return the grid."""
    facts = WorkerFacts(
        "1", "1", "1", "3.11", _HOST, ("x86_64",), {"x86_64": "0"}, 4, None, kvm=False
    )
    columns = tuple(
        GridColumn("x86_64", f"v{each}", f"{each:064x}") for each in range(farm.columns)
    )
    grid = Grid(_commit(1 << 40), tuple(map(_commit, range(farm.rows))), columns)
    run = RunFolder("20260101-120000-000abcd", place / "20260101-120000-000abcd")
    work = Work(Request(), (), Borrower(place, place), run, "mermapctl run", None)

    def tell(_event: SeriesEvent) -> None:
        pass

    engine = DaskEngine(work, grid, tell, farm, dict.fromkeys(farm.names, facts), NoSupply())
    engine.run([range(farm.rows)])
    return grid
