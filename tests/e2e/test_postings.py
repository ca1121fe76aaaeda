# SPDX-License-Identifier: GPL-2.0-only
"""The postings, built and booted: correct, and with a fault each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import corpus
from tests.faults.__main__ import judge
from tests.faults.corpus import Case

pytestmark = [pytest.mark.e2e, pytest.mark.nightly]

GOOD = [case for case in corpus.good() if case.posting]
SEEN_BY_THE_SUITE = ("first/21-maps-wrong-page", "later/51-takes-reserves-slot",
                     "newest/50-reserve-without-slot")  # fmt: skip
FAULTS = {case.name: case for case in corpus.put_into_mermaps(corpus.faults())}


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_a_posting_passes(reference_tree: Path, case: Case) -> None:
    judged = judge(reference_tree, case, twice=True)
    assert judged.wrong == ()


@pytest.mark.parametrize("name", SEEN_BY_THE_SUITE)
def test_a_fault_of_a_posting_is_named(reference_tree: Path, name: str) -> None:
    judged = judge(reference_tree, FAULTS[name], twice=True)
    assert judged.wrong == ()
