# SPDX-License-Identifier: GPL-2.0-only
"""How many lanes a machine has room for, and how many make jobs each."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_LANE_KB = 2 * 1000 * 1000
"""Memory of a lane: make's compilers, the linker of vmlinux, QEMU. drgn's vmtest uses the same."""
_CORES = 1.75
"""Cores of a lane; fewer, and lanes wait for each other's boots (drgn's vmtest)."""
_ROWS = 12
"""Commits of a lane: its first build is a whole one, which takes as long as a dozen commits."""
_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Budget:
    """Lanes side by side, and `make -j` of each."""

    lanes: int
    jobs: int


def available_kb() -> int | None:
    """Return the memory that programs may still take, in kB; None where /proc does not say."""
    try:
        found = _AVAILABLE.search(Path("/proc/meminfo").read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError):
        return None
    return int(found[1]) if found else None


def of(rows: int, jobs: int, wanted: int | None = None) -> Budget:
    """Return the budget for `rows` commits and `jobs` make jobs in all; `wanted` lanes if given."""
    lanes = wanted or min(_room(), rows // _ROWS)
    lanes = max(1, min(lanes, rows))
    return Budget(lanes, max(1, jobs // lanes))


def _room() -> int:
    cores = int(len(os.sched_getaffinity(0)) / _CORES)
    memory = available_kb()
    return cores if memory is None else min(cores, memory // _LANE_KB)
