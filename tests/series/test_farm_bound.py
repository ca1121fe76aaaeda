# SPDX-License-Identifier: GPL-2.0-only
"""The bound of the simulated farm, against every schedule of a few cells."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence

import pytest

from benchmarks.farm_bound import lower_bound, work_needed

Cell = tuple[int, int]


def build(steps: Sequence[Sequence[float]], first: float, last: int | None, cell: Cell) -> float:
    """Return the seconds of a build, as the simulated worker takes them."""
    row, column = cell
    if last is None:
        return first
    return min(first, sum(steps[column][min(row, last) : max(row, last)]))


def ends(
    steps: Sequence[Sequence[float]], boots: dict[Cell, float], first: float, order: Sequence[Cell]
) -> float:
    """Return when a worker has ended cells in an order."""
    built: dict[int, int] = {}
    time = 0.0
    for row, column in order:
        time += build(steps, first, built.get(column), (row, column)) + boots[row, column]
        built[column] = row
    return time


def schedules(cells: Sequence[Cell], workers: int) -> Iterator[list[Sequence[Cell]]]:
    """Yield all orders of cells on all workers."""
    for order in itertools.permutations(cells):
        for cuts in itertools.combinations_with_replacement(range(len(cells) + 1), workers - 1):
            bounds = (0, *cuts, len(cells))
            yield [order[low:high] for low, high in itertools.pairwise(bounds)]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("rows", "columns", "workers"), [(4, 1, 2), (5, 1, 2), (2, 2, 2)])
def test_no_schedule_of_a_few_cells_beats_the_bound(
    rows: int, columns: int, workers: int, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same one again
    first = chance.uniform(5, 25)
    steps = [[chance.uniform(1, 20) for _ in range(rows - 1)] for _ in range(columns)]
    cells = [(row, column) for column in range(columns) for row in range(rows)]
    boots = {cell: chance.uniform(1, 6) for cell in cells}
    lives = [math.inf] * workers
    best = least = math.inf
    for orders in schedules(cells, workers):
        times = [ends(steps, boots, first, order) for order in orders]
        best, least = min(best, max(times)), min(least, sum(times))
    assert lower_bound(steps, [*boots.values()], first, lives) <= best + 1e-6
    assert work_needed(steps, sum(boots.values()), first, 1) <= least + 1e-6
    assert lower_bound(steps, [*boots.values()], first, lives) >= 0.55 * best  # it says something


def test_a_worker_that_is_lost_gives_no_more_than_its_life() -> None:
    steps, boots = [[5.0] * 9], [3.0] * 10
    alone = lower_bound(steps, boots, 20.0, [math.inf])
    assert alone == pytest.approx(20 + 9 * 5 + 30)
    assert lower_bound(steps, boots, 20.0, [math.inf, 0.0]) == pytest.approx(alone)
    helped = lower_bound(steps, boots, 20.0, [math.inf, 30.0])
    assert lower_bound(steps, boots, 20.0, [math.inf] * 2) < helped < alone
