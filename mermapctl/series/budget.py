# SPDX-License-Identifier: GPL-2.0-only
"""How many lanes a machine has room for, and how many make jobs each."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mermapctl.system.memory import available_kb

_LANE_KB = 2 * 1000 * 1000
"""Memory of a lane: make's compilers, the linker of vmlinux, QEMU. drgn's vmtest uses the same."""
_CORES = 1.75
"""Cores of a lane; fewer, and lanes wait for each other's boots (drgn's vmtest)."""
_ROWS, _CACHED_ROWS = 12, 5
"""Commits of a lane: its first build is a whole one, which takes as long as a dozen commits.

With ccache, which has the objects of the first lane, it takes as long as five.
"""


@dataclass(frozen=True, slots=True)
class Budget:
    """Lanes side by side, and `make -j` of each."""

    lanes: int
    jobs: int


def of(rows: int, jobs: int, wanted: int | None = None, *, cached: bool = False) -> Budget:
    """Return the budget for `rows` commits and `jobs` make jobs in all.

    There are `wanted` lanes if that is given. `cached` is whether lanes share a ccache.
    """
    lanes = wanted or min(room(_CORES), rows // (_CACHED_ROWS if cached else _ROWS))
    lanes = max(1, min(lanes, rows))
    return Budget(lanes, max(1, jobs // lanes))


def room(cores_each: float) -> int:
    """Return how many lanes that use so many cores each the machine has cores and memory for."""
    cores = int(len(os.sched_getaffinity(0)) / cores_each)
    available = available_kb()
    return cores if available is None else min(cores, available // _LANE_KB)
