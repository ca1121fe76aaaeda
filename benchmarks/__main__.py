# SPDX-License-Identifier: GPL-2.0-only
"""`make bench`: every number that was promised, measured here and now."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks import against_kunit, judging, store, tracing

tree = Path(os.environ["MERMAPCTL_TEST_TREE"])
results = [
    judging.main(tree),
    store.main() == 0,
    tracing.main() == 0,
    against_kunit.main(tree),
]
sys.exit(0 if all(results) else 1)
