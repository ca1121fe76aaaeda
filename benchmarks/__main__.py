# SPDX-License-Identifier: GPL-2.0-only
"""`make bench`: measure each number that the documentation promises."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks import (
    against_kunit,
    bisecting,
    coverage,
    farm,
    judging,
    kconfig,
    series,
    store,
    tracing,
)

PARTS = ("judging", "store", "tracing", "kconfig", "bisect", "farm", "kunit", "series", "coverage")


def main() -> int:  # noqa: C901 - a case for each part
    """Run the given parts, by default all; return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5, help="rounds of which the median counts")
    asked = parser.parse_args()
    tree = Path(os.environ["MERMAPCTL_TEST_TREE"])
    results = []
    for part in asked.parts or PARTS:
        print(f"# {part}", flush=True)
        match part:
            case "judging":
                results.append(judging.main(tree))
            case "store":
                results.append(store.main() == 0)
            case "tracing":
                results.append(tracing.main() == 0)
            case "kconfig":
                results.append(kconfig.main(tree))
            case "bisect":
                results.append(bisecting.main())
            case "farm":
                results.append(farm.main())
            case "kunit":
                results.append(against_kunit.main(tree, asked.rounds))
            case "series":
                results.append(series.main(tree, asked.rounds))
            case "coverage":
                results.append(coverage.main(tree, asked.rounds))
            case _:
                parser.error(f"no part {part}: {', '.join(PARTS)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
