# SPDX-License-Identifier: GPL-2.0-only
"""Measure how long `config explain` reads a tree's Kconfig, without and with cached answers.

Print the CPU seconds of a reading and of the compilers that its macros run, as medians of three,
each first one with an empty cache. Exit with 1 if a limit is exceeded.
"""

from __future__ import annotations

import gc
import os
import statistics
import tempfile
from pathlib import Path

from mermapctl.config import kconfig, target

TARGETS = ("x86_64", "um", "arm64")
ALLOWED_SECONDS = 4.0
"""Limit for a first reading."""
ALLOWED_SHARE = 0.5
"""Limit for a reading with cached answers, as a share of a first reading."""


def readings(tree: Path, name: str) -> tuple[float, float]:
    """Return the CPU seconds of a first reading and of the next one, in a home of their own."""
    spent = []
    home = os.environ.get("MERMAPCTL_HOME")
    with tempfile.TemporaryDirectory() as directory:
        os.environ["MERMAPCTL_HOME"] = directory
        try:
            where = target.read(tree).find(name)
            for _ in range(2):
                gc.collect()  # the garbage of earlier readings
                began = cpu_seconds()
                kconfig.read(tree, where)
                spent.append(cpu_seconds() - began)
        finally:
            del os.environ["MERMAPCTL_HOME"]
            if home is not None:
                os.environ["MERMAPCTL_HOME"] = home
    return spent[0], spent[1]


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the programs that it has waited for."""
    return sum(os.times()[:4])


def main(tree: Path) -> bool:
    """Measure and print; return whether all limits are kept."""
    kept = True
    for name in TARGETS:
        measured = [readings(tree, name) for _ in range(3)]
        first, second = (statistics.median(column) for column in zip(*measured, strict=True))
        kept = kept and first <= ALLOWED_SECONDS and second <= first * ALLOWED_SHARE
        print(
            f"{name:7} first reading CPU {first:.2f} s (allowed {ALLOWED_SECONDS:.0f} s), "
            f"the next {second:.2f} s, x {second / first:.2f} (at most {ALLOWED_SHARE})"
        )
    return kept
