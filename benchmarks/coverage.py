# SPDX-License-Identifier: GPL-2.0-only
"""What counting lines costs: a run after a change of mm/mermap.c, with and without --coverage."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.against_kunit import Place, row

LIMIT = 1.3
PLAIN, COUNTED = "run", "run --coverage"


def main(tree: Path, rounds: int) -> bool:
    """Run both in turn, after one build of each; print a line."""
    with tempfile.TemporaryDirectory(prefix="mermapctl-bench-") as directory:
        path = Path(directory)
        place = Place(tree, path, {**os.environ, "MERMAPCTL_HOME": str(path / "home")})
        commands = {PLAIN: place.ours(), COUNTED: place.ours("--coverage")}
        for who, argv in commands.items():
            place.ran(who, argv)
        source = tree / "mm/mermap.c"
        text = source.read_text(encoding="utf-8")
        times: dict[str, list[float]] = defaultdict(list)
        try:
            for number in range(rounds):
                for who, argv in commands.items():
                    source.write_text(f"{text}\n/* {number} {who} */\n", encoding="utf-8")
                    times[who].append(place.ran(who, argv)[0])
        finally:
            source.write_text(text, encoding="utf-8")
    plain, counted = (statistics.median(times[who]) for who in (PLAIN, COUNTED))
    return row("mermap.c touched, --coverage", counted, plain, LIMIT, of=PLAIN)
