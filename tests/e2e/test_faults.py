# SPDX-License-Identifier: GPL-2.0-only
"""A few of the seeded faults on real kernels; `make faults` runs them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import corpus
from tests.faults.__main__ import judge
from tests.faults.corpus import Case

pytestmark = pytest.mark.e2e

UNTRACED = (
    "15-reserve-handed-out",
    "21-maps-wrong-page",
    "27-warns-but-passes",
    "36-panics-in-suite",
    "37-tears-a-line",
    "40-symbol-out-of-reach",
)
TRACED = ("02-counted-not-done", "24-put-does-not-unmap")
"""A fault that no test sees and kunit.py passes."""

CASES = {case.name: case for case in corpus.faults()}


@pytest.mark.parametrize("case", [CASES[name] for name in UNTRACED], ids=lambda case: case.name)
def test_a_fault_is_named(reference_tree: Path, case: Case) -> None:
    judged = judge(reference_tree, case, twice=False)
    assert judged.wrong == ()


@pytest.mark.parametrize("case", [CASES[name] for name in TRACED], ids=lambda case: case.name)
def test_a_fault_that_passes_every_test_is_seen_in_its_trace(
    reference_tree: Path, case: Case
) -> None:
    judged = judge(reference_tree, case, twice=True)
    assert judged.wrong == ()
    assert judged.missed_by_kunit
    assert judged.traced is not None
