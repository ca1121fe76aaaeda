# SPDX-License-Identifier: GPL-2.0-only
"""Who gets which cell on a farm: neighbours stay together, nothing is run twice or forgotten."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.simulated_farm import SimulatedFarm, simulate
from mermapctl.events import Note
from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.series.build_seconds import BuildSeconds
from mermapctl.series.engines.expected import Expected, Spent
from mermapctl.series.engines.farm import CellBack, FarmGone, FarmReport
from mermapctl.series.engines.schedule import FarmSchedule
from mermapctl.series.grid import GridColumn
from mermapctl.series.grid_events import GridCell, GridWaits, SeriesEvent

STEP = Spent(1.0, 1.0)


def test_each_worker_has_neighbours_and_two_meet() -> None:
    schedule = FarmSchedule([(row, 0) for row in range(8)], ["x86_64"])
    for worker in ("a", "b"):
        schedule.join(worker, ["x86_64"])
    assert [schedule.next(worker, 0.0) for worker in ("a", "b")] == [(0, 0), (7, 0)]
    found = []
    for now in range(1, 4):
        schedule.done("a", STEP)
        found.append(schedule.next("a", now))
    assert found == [(1, 0), (2, 0), (3, 0)]
    schedule.done("a", STEP)
    assert schedule.next("a", 4.0) == (4, 0)  # of the other's, the one beside its own last


def test_a_worker_with_nothing_left_helps_only_where_all_ends_sooner() -> None:
    recorded = {(row, 0): 2.0 for row in range(12)}
    expected = Expected({}, recorded, {0: 20.0})
    expected.learn((0, 1), None, Spent(20.0, 1.0))
    schedule = FarmSchedule([(row, 0) for row in range(12)], ["x86_64"] * 2, expected)
    schedule.join("a", ["x86_64"])
    assert schedule.next("a", 0.0) == (0, 0)
    schedule.join("b", ["x86_64"])
    assert schedule.next("b", 0.0) == (6, 0)  # both end after some 36 seconds, not one after 54
    schedule.join("c", ["x86_64"])
    assert schedule.next("c", 21.0) is None  # its first build takes longer than the rest


@pytest.mark.parametrize("late", [21.0, 400.0])
def test_a_worker_that_is_late_is_expected_to_stay_late(late: float) -> None:
    recorded = {(row, 0): 2.0 for row in range(4)}
    schedule = FarmSchedule(
        [(row, 0) for row in range(4)], ["x86_64"], Expected({}, recorded, {0: 20.0})
    )
    schedule.join("a", ["x86_64"])
    assert schedule.next("a", 0.0) == (0, 0)
    schedule.join("b", ["x86_64"])
    got = schedule.next("b", late)
    assert (got is not None) is (late > 100)


def test_a_lost_workers_cells_go_to_the_others_and_not_back_to_it() -> None:
    schedule = FarmSchedule([(0, 0), (1, 0)], ["x86_64"])
    schedule.join("a", ["x86_64"])
    schedule.join("b", ["x86_64"])
    place = schedule.next("a", 0.0)
    assert place == schedule.leave("a") == (0, 0)
    schedule.again(place, "a")
    schedule.join("a", ["x86_64"])
    assert schedule.next("b", 1.0) in {(0, 0), (1, 0)}
    got = schedule.next("a", 1.0)
    assert got != (0, 0)


def test_a_worker_gets_only_targets_that_it_offers() -> None:
    schedule = FarmSchedule([(0, 0), (0, 1)], ["x86_64", "arm64"])
    schedule.join("a", ["arm64"])
    assert schedule.next("a", 0.0) == (0, 1)
    schedule.done("a", STEP)
    assert schedule.next("a", 1.0) is None
    assert schedule.unserved() == [(0, 0)]


@pytest.mark.parametrize("seed", range(30))
def test_every_cell_ends_once_whoever_comes_fails_or_is_lost(seed: int) -> None:
    """Chance workers of chance targets; each cell that ends does so on one that offers it."""
    chance = random.Random(seed)  # noqa: S311 - the same one again
    targets = [chance.choice(["x86_64", "arm64"]) for _ in range(3)]
    places = {
        (row, column) for row in range(-1, 12) for column in range(3) if chance.random() < 0.8
    }
    schedule = FarmSchedule(places, targets)
    offered = {"both": ["x86_64", "arm64"]}
    schedule.join("both", offered["both"])
    ended: list[tuple[int, int]] = []
    failed: set[tuple[tuple[int, int], str]] = set()
    for turn in range(2000):
        if chance.random() < 0.1:
            name = f"w{chance.randrange(6)}"
            offered.setdefault(name, [chance.choice(targets)])
            schedule.join(name, offered[name])
        for worker in schedule.idle():
            place = schedule.next(worker, float(turn))
            assert place is None or targets[place[1]] in offered[worker]
            assert (
                place is None or (place, worker) not in failed or not schedule.others(worker, place)
            )
        busy = sorted(schedule.running)
        if not busy:
            break
        worker = chance.choice(busy)
        place = schedule.running[worker]
        luck = chance.random()
        if luck < 0.1 and worker != "both":
            assert schedule.leave(worker) == place
            schedule.again(place, worker)
        elif luck < 0.2:
            schedule.done(worker, None)
            failed.add((place, worker))
            schedule.again(place, worker)
        else:
            schedule.done(worker, Spent(chance.uniform(1, 9), 1.0))
            ended.append(place)
    assert schedule.waiting == 0
    assert sorted(ended) == sorted(places)


@pytest.mark.parametrize("recorded", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(1, 4))
def test_a_simulated_farm_ends_near_the_bound(seed: int, recorded: float, tmp_path: Path) -> None:
    farm = SimulatedFarm(seed, rows=50, columns=4, workers=8, recorded=recorded)
    grid = simulate(farm, tmp_path)
    assert len(grid.cells) == 200
    assert {cell.verdict for cell in grid.cells.values()} == {Verdict.PASSED}
    assert farm.starts <= 200 + len(farm.deaths)
    assert farm.bound <= farm.time <= 1.10 * farm.bound


def _recorded(farm: SimulatedFarm) -> dict[tuple[int, int], float]:
    """Return what the engine has recorded of a simulated farm."""
    columns = [GridColumn("x86_64", f"v{each}", "") for each in range(farm.columns)]
    return BuildSeconds(columns, {row: f"patch {row}" for row in range(farm.rows)}).steps()


def test_the_engine_records_what_it_has_built(tmp_path: Path) -> None:
    farm = SimulatedFarm(1, rows=20, columns=2, workers=4)
    simulate(farm, tmp_path)
    recorded = _recorded(farm)
    assert len(recorded) >= 20
    assert recorded == pytest.approx({place: farm.builds[place] for place in recorded})


class _Boastful(SimulatedFarm):
    """Workers that claim any seconds."""

    claimed = 0.0

    def reports(self, seconds: float) -> Iterator[FarmReport]:
        for each in super().reports(seconds):
            if isinstance(each, CellBack):
                yield replace(each, harvest=replace(each.harvest, seconds=self.claimed))
            else:
                yield each


@pytest.mark.parametrize("claimed", [math.nan, math.inf, -5.0, 1e300])
def test_no_worker_claims_more_seconds_than_it_was_away(claimed: float, tmp_path: Path) -> None:
    farm = _Boastful(1, rows=20, columns=2, workers=4)
    farm.claimed = claimed
    grid = simulate(farm, tmp_path)
    assert len(grid.cells) == 40
    recorded = _recorded(farm)
    assert recorded == pytest.approx({place: farm.builds[place] for place in recorded})


def test_a_cell_whose_worker_is_lost_waits_until_it_is_tried_again(tmp_path: Path) -> None:
    told: list[SeriesEvent] = []
    grid = simulate(SimulatedFarm(2, rows=60, columns=1, workers=20), tmp_path, told.append)
    (waits,) = (each for each in told if isinstance(each, GridWaits))
    (tried,) = (place for place, cell in grid.cells.items() if cell.tries)
    assert (waits.row, waits.column) == tried
    ended = [(each.row, each.column) for each in told if isinstance(each, GridCell)]
    assert ended.count(tried) == 1
    assert told.index(waits) < max(at for at, each in enumerate(told) if isinstance(each, GridCell))


@pytest.mark.parametrize(
    ("rows", "words"), [(3, "2 cells are not run; "), (2, "1 cell is not run; "), (1, "")]
)
def test_all_cells_that_are_not_run_are_counted(tmp_path: Path, rows: int, words: str) -> None:
    """The last commit was to be first, so the others did not wait yet."""
    farm = SimulatedFarm(1, rows=rows, columns=1, workers=1)
    farm._at(0.5, FarmGone("the scheduler is gone"))
    told: list[SeriesEvent] = []
    grid = simulate(farm, tmp_path, told.append, [rows - 1])
    assert [cell.reason for cell in grid.cells.values()] == [Reason.WORKER_LOST]
    assert told[-1] == Note(f"the scheduler is gone: {words}the same command goes on where it was")
