# SPDX-License-Identifier: GPL-2.0-only
"""A farm of 50 workers, simulated: how near the bound it is, and what its client costs."""

from __future__ import annotations

import gc
import os
import pathlib
import tempfile
import time
import tracemalloc
from pathlib import Path

from benchmarks.simulated_farm import NOTHING, SimulatedFarm, simulate

LIMIT = 1.10
LINEAR = 1.3
"""A cell of a large grid may cost the client this much of one of a small grid."""


def _ratio(seed: int, first: float | None = None) -> float:
    farm = SimulatedFarm(seed, rows=250, columns=4, workers=50)
    if first is not None:
        farm = SimulatedFarm(seed, rows=250, columns=4, workers=50, first=first)
    with tempfile.TemporaryDirectory(prefix="mermapctl-bench-") as place:
        os.environ["MERMAPCTL_HOME"] = place
        grid = simulate(farm, Path(place))
    assert len(grid.cells) == 1000
    return farm.time / farm.bound


def _cost(rows: int) -> tuple[float, float]:
    """Return the client's CPU seconds and bytes a cell.

    The interpreter moves its table of all interned strings now and then, as one block that counts
    for whoever interns the next one: here pathlib, of which nothing is kept.
    """
    farm = SimulatedFarm(1, rows=rows, columns=4, workers=50)
    with tempfile.TemporaryDirectory(prefix="mermapctl-bench-") as place:
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
        ratios = sorted(_ratio(seed) for seed in range(1, 8))
        cold = sorted(_ratio(seed, NOTHING) for seed in range(1, 8))
        small, large = _cost(50), _cost(400)
    finally:
        os.environ.pop("MERMAPCTL_HOME", None)
        if home is not None:
            os.environ["MERMAPCTL_HOME"] = home
    middle, worst = ratios[3], ratios[-1]
    print(f"1,000 cells, 50 workers: {middle:.3f} x the bound of the work (limit {LIMIT}), "
          f"worst of seven {worst:.3f}")  # fmt: skip
    print(f"the same, nothing built before: {cold[3]:.3f} x, worst {cold[-1]:.3f}")
    seconds, memory = large[0] / small[0], large[1] / small[1]
    print(f"client, a cell of 1,600 against one of 200: {seconds:.2f} x CPU ({large[0] * 1000:.1f} "
          f"ms), {memory:.2f} x memory ({large[1] / 1024:.1f} KB)")  # fmt: skip
    return middle <= LIMIT and seconds <= LINEAR and memory <= LINEAR
