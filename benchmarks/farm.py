# SPDX-License-Identifier: GPL-2.0-only
"""A farm of 50 workers, simulated: how near the bound it is, and what its client costs."""

from __future__ import annotations

import gc
import os
import pathlib
import statistics
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

from benchmarks.simulated_farm import FIRST, NOTHING, SimulatedFarm, simulate

LIMIT = 1.10
LINEAR = 1.3
"""A cell of a large grid may cost the client this much of one of a small grid."""


SEEDS = range(1, 22)
_MEMORY = Path("/dev/shm")  # noqa: S108 - the client's disk is not what is measured


@dataclass(frozen=True, slots=True)
class _Ratios:
    """The ratios of several farms to the bound, and to the looser one of the work alone."""

    bound: list[float]
    work: list[float]

    @property
    def middle(self) -> float:
        return statistics.median(self.bound)

    def __str__(self) -> str:
        return (
            f"{self.middle:.3f} x the bound, worst of {len(self.bound)} {max(self.bound):.3f} "
            f"({statistics.median(self.work):.3f} x that of the work alone)"
        )


def _place() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(
        prefix="mermapctl-bench-", dir=_MEMORY if _MEMORY.is_dir() else None
    )


def _ratios(recorded: float, first: float = FIRST) -> _Ratios:
    """Return the ratios where the store has recorded a part of the builds."""
    found = _Ratios([], [])
    for seed in SEEDS:
        farm = SimulatedFarm(seed, rows=250, columns=4, workers=50, first=first, recorded=recorded)
        with _place() as place:
            os.environ["MERMAPCTL_HOME"] = place
            grid = simulate(farm, Path(place))
        assert len(grid.cells) == 1000
        found.bound.append(farm.time / farm.bound)
        found.work.append(farm.time / farm.bound_of_work)
    return found


def _cost(rows: int) -> tuple[float, float]:
    """Return the client's CPU seconds and bytes a cell.

    The interpreter moves its table of all interned strings now and then, as one block that counts
    for whoever interns the next one: here pathlib, of which nothing is kept.
    """
    farm = SimulatedFarm(1, rows=rows, columns=4, workers=50)
    with _place() as place:
        os.environ["MERMAPCTL_HOME"] = place
        began = time.process_time()
        simulate(farm, Path(place))
        spent = time.process_time() - began
        tracemalloc.start()
        kept = simulate(SimulatedFarm(2, rows=rows, columns=4, workers=50), Path(place))
        gc.collect()
        traces = tracemalloc.take_snapshot().filter_traces(
            [tracemalloc.Filter(inclusive=False, filename_pattern=pathlib.__file__)]
        )
        tracemalloc.stop()
        size = sum(each.size for each in traces.statistics("filename"))
    cells = len(kept.cells)
    return spent / cells, size / cells


def main() -> bool:
    """Print the ratios; return whether they are within their limits."""
    home = os.environ.get("MERMAPCTL_HOME")
    try:
        known, some, none = (_ratios(each) for each in (1.0, 0.5, 0.0))
        cold = _ratios(1.0, NOTHING)
        small, large = _cost(50), _cost(400)
    finally:
        os.environ.pop("MERMAPCTL_HOME", None)
        if home is not None:
            os.environ["MERMAPCTL_HOME"] = home
    print(f"1,000 cells, 50 workers, all builds recorded: {known} (limit {LIMIT})")
    print(f"half of the builds recorded: {some}")
    print(f"none recorded: {none}")
    print(f"all recorded, no object of a first build in ccache: {cold}")
    seconds, memory = large[0] / small[0], large[1] / small[1]
    print(f"client, a cell of 1,600 against one of 200: {seconds:.2f} x CPU ({large[0] * 1000:.1f} "
          f"ms), {memory:.2f} x memory ({large[1] / 1024:.1f} KB)")  # fmt: skip
    return max(known.middle, none.middle) <= LIMIT and seconds <= LINEAR and memory <= LINEAR
