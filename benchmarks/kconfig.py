# SPDX-License-Identifier: GPL-2.0-only
"""How long `config explain` reads a tree's Kconfig: a first time, and with the answers kept.

Prints CPU seconds of a reading and of the compilers that its macros run, as medians of three, each
first one with an empty cache. Exits 1 where a promise is not kept.
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
"""For a first reading."""
ALLOWED_SHARE = 0.5
"""Of a first reading, for those that find its answers."""


def readings(tree: Path, name: str) -> tuple[float, float]:
    """CPU seconds of a first reading and of the next one, in a home of their own."""
    spent = []
    home = os.environ.get("MERMAPCTL_HOME")
    with tempfile.TemporaryDirectory() as directory:
        os.environ["MERMAPCTL_HOME"] = directory
        try:
            where = target.read(tree).find(name)
            for _ in range(2):
                gc.collect()  # what earlier readings have left
                began = cpu_seconds()
                kconfig.read(tree, where)
                spent.append(cpu_seconds() - began)
        finally:
            del os.environ["MERMAPCTL_HOME"]
            if home is not None:
                os.environ["MERMAPCTL_HOME"] = home
    return spent[0], spent[1]


def cpu_seconds() -> float:
    """CPU time of this process and of the programs that it has waited for."""
    return sum(os.times()[:4])


def main(tree: Path) -> bool:
    """Measure, print, and say whether the promises are kept."""
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
