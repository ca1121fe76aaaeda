# SPDX-License-Identifier: GPL-2.0-only
"""The seconds that no schedule of a farm can beat, even one that knows all seconds and losses.

A worker pays a first build for each column that it builds in, and on the way from one commit to
another the steps between them, or a first build if that is less. So in each column the ways of all
workers are pieces that cover its commits; two pieces save one step, and cost a first build. `k`
pieces cost `k` first builds and all steps but the `k - 1` dearest at least: for any spanning forest
of a path with so many trees weighs that much, and a longer way between two commits is a way over
those between them. A worker that ends a cell at all has a piece. All boots are paid, too.

What is not in the bound: that cells end whole, so that the workers cannot all end at the same time;
what a lost worker has begun in vain (a clairvoyant one would end its last cell just then); and that
a cut behind a dear step may be too early or too late. The farm cannot know when it loses a worker.
"""

from __future__ import annotations

from collections.abc import Sequence


def work_needed(steps: Sequence[Sequence[float]], boots: float, first: float, pieces: int) -> float:
    """Return the least work of all workers together, in at least so many pieces.

    `steps` are those within each column, without the one to its oldest commit.
    """
    pool = sorted((min(first, each) for column in steps for each in column), reverse=True)
    pieces = min(max(pieces, len(steps)), len(pool) + len(steps))
    return boots + pieces * first + sum(pool[pieces - len(steps) :])


def lower_bound(
    steps: Sequence[Sequence[float]],
    boots: Sequence[float],
    first: float,
    lives: Sequence[float],
) -> float:
    """Return the bound; `lives` are the seconds until each worker is lost, infinite for most.

    If some of the workers end the cells, these have the room and all that so many need.
    """
    most = min(len(lives), len(boots))
    least = [work_needed(steps, sum(boots), first, each + 1) for each in range(most)]
    low, high = 0.0, least[-1] + first
    for _ in range(60):
        middle = (low + high) / 2
        room, enough = 0.0, False
        for at, life in enumerate(sorted(lives, reverse=True)[:most]):
            room += min(middle, life)
            enough = enough or room >= least[at]
        low, high = (low, middle) if enough else (middle, high)
    return max(low, first + max(boots))
