# SPDX-License-Identifier: GPL-2.0-only
"""Who gets which cell on a farm: neighbours stay together, nothing is run twice or forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.simulated_farm import SimulatedFarm, simulate
from mermapctl.judge.result_types import Verdict
from mermapctl.series.engines.expected import Spent
from mermapctl.series.engines.schedule import FarmSchedule

CELL = Spent(1.0, 1.0)


def test_each_worker_has_neighbours_and_two_meet() -> None:
    schedule = FarmSchedule([(row, 0) for row in range(8)], ["x86_64"])
    for worker in ("a", "b"):
        schedule.join(worker, ["x86_64"])
    assert [schedule.next(worker, 0.0) for worker in ("a", "b")] == [(0, 0), (7, 0)]
    found = []
    for _ in range(3):
        schedule.done("a", CELL)
        found.append(schedule.next("a", 0.0))
    assert found == [(1, 0), (2, 0), (3, 0)]
    schedule.done("a", CELL)
    assert schedule.next("a", 0.0) == (4, 0)  # of the other's, the one beside its own last


def test_a_lost_workers_cells_go_to_the_others_and_not_back_to_it() -> None:
    schedule = FarmSchedule([(0, 0), (1, 0)], ["x86_64"])
    schedule.join("a", ["x86_64"])
    schedule.join("b", ["x86_64"])
    place = schedule.next("a", 0.0)
    assert place == schedule.leave("a") == (0, 0)
    schedule.again(place, "a")
    schedule.join("a", ["x86_64"])
    assert schedule.next("b", 0.0) in {(0, 0), (1, 0)}
    got = schedule.next("a", 0.0)
    assert got != (0, 0)


def test_a_worker_gets_only_targets_that_it_offers() -> None:
    schedule = FarmSchedule([(0, 0), (0, 1)], ["x86_64", "arm64"])
    schedule.join("a", ["arm64"])
    assert schedule.next("a", 0.0) == (0, 1)
    schedule.done("a", CELL)
    assert schedule.next("a", 0.0) is None
    assert schedule.unserved() == [(0, 0)]


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_simulated_farm_ends_near_the_bound(seed: int, tmp_path: Path) -> None:
    farm = SimulatedFarm(seed, rows=50, columns=4, workers=8)
    grid = simulate(farm, tmp_path)
    assert len(grid.cells) == 200
    assert {cell.verdict for cell in grid.cells.values()} == {Verdict.PASSED}
    assert farm.starts <= 200 + len(farm.deaths)
    assert farm.time <= 1.15 * farm.bound
