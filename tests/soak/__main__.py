# SPDX-License-Identifier: GPL-2.0-only
"""`python -m tests.soak`: kills and full disks, seeded; print tried / survived / lost.

Exit with 1 if something was lost. The full disks need root, to mount a small file system.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.soak import trials

if TYPE_CHECKING:
    from collections.abc import Callable

DISK_MEGABYTES = 64


def main(argv: list[str] | None = None) -> int:
    """Run all trials and print their results."""
    parser = argparse.ArgumentParser(description="Kill runs and fill disks; see what survives.")
    parser.add_argument("--kills", type=int, default=200, help="runs to kill")
    parser.add_argument("--disks", type=int, default=20, help="disks to fill")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and the signals")
    asked = parser.parse_args(argv)
    lost = 0
    with tempfile.TemporaryDirectory(prefix="mermapctl-soak-") as place:
        directory = Path(place)
        (directory / "kills").mkdir()
        where = trials.site(directory / "kills")
        span = _span(where)
        lost += _all(
            "kills", asked.kills, asked.seed, lambda n, rng: trials.kill(where, n, rng, span)
        )
        if asked.disks:
            (directory / "disks").mkdir()
            full = trials.site(directory / "disks")
            with trials.small_disk(full.home, DISK_MEGABYTES) as mounted:
                if mounted:
                    span = _span(full, FAKE_BOOT="trickle")
                    lost += _all(
                        "full disks",
                        asked.disks,
                        asked.seed,
                        lambda n, rng: trials.full_disk(full, n, rng, span),
                    )
                else:
                    print(f"full disks: {asked.disks} not tried, they need root to mount a tmpfs")
    return 1 if lost else 0


def _span(where: trials.Site, **env: str) -> float:
    """Return the seconds of a run here, and a little more: the kills happen within them."""
    began = time.monotonic()
    with where.start("first", **env) as run:
        said = run.communicate(timeout=trials.LONGEST)
    if run.returncode != 0:
        sys.exit(f"a run that nothing disturbs ends with {run.returncode}: {said[1]}")
    return 1.2 * (time.monotonic() - began)


def _all(name: str, count: int, seed: int, trial: Callable[[int, random.Random], list[str]]) -> int:
    """Run `count` trials; return the number that lost something."""
    bad = 0
    for number in range(count):
        problems = trial(number, random.Random(f"{seed}/{name}/{number}"))  # noqa: S311 - no secret
        for problem in problems:
            print(f"{name} {number} (--seed {seed}): {problem}", flush=True)
        bad += bool(problems)
    print(f"{name}: {count} tried, {count - bad} survived, {bad} lost", flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main())
