# SPDX-License-Identifier: GPL-2.0-only
"""The stress suite on real kernels: right on a right mermap, and a small history of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mermapctl.judge import stress
from mermapctl.tree.postings import Posting
from tests.e2e.conftest import Change, Run
from tests.faults import seeded

pytestmark = pytest.mark.e2e


def test_a_right_mermap_passes(run: Run, reference_tree: Path) -> None:
    ran = run("--stress", "--rounds=40", "--accel=tcg")
    assert ran.code == 0, ran.document
    assert ran.codes == []
    assert ran.statuses["test_histories"] == "passed"
    assert ran.statuses["test_two_cpus"] == "skipped"
    assert (ran.cell["stress"]["histories"], ran.cell["stress"]["traced"]) == (40, True)
    assert not list(reference_tree.rglob("mermap_stress*"))


@pytest.mark.nightly
def test_a_fault_beyond_the_four_tests_is_found_and_its_history_made_small(
    run: Run, change: Change
) -> None:
    change("\tfill->pfn++;\n", "\tif (addr & PAGE_SIZE)\n\t\tfill->pfn++;\n")
    ran = run("--stress", "--accel=tcg", "--no-witness", "--no-trace")
    assert ran.code == 1
    found = ran.cell["stress"]
    assert found["code"] == "wrong-page"
    assert len(stress.parsed(found["shrunk"])) == 1
    again = run(
        "--stress", "--accel=tcg", "--no-trace", "--no-witness", "--history", found["shrunk"]
    )
    assert again.cell["stress"]["code"] == "wrong-page"


@pytest.mark.nightly
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("variant", ["base", "smp", "kasan", "rt", "la57", "nopti"])
def test_no_seed_finds_anything_in_a_right_mermap(run: Run, variant: str, seed: int) -> None:
    rounds = 1000 if variant in {"base", "smp"} else 200
    ran = run("--stress", f"--variant={variant}", f"--seed={seed}", f"--rounds={rounds}")
    assert (ran.code, ran.codes) == (0, [])
    assert ran.cell["stress"]["traced"]


@pytest.mark.nightly
@pytest.mark.parametrize("posting", list(Posting))
def test_nor_in_a_posting(run: Run, reference_tree: Path, posting: Posting) -> None:
    with seeded.posted(reference_tree, posting):
        for seed in (1, 2, 3):
            ran = run("--stress", f"--seed={seed}", "--rounds=1000")
            assert ran.cell["stress"]["verdict"] == "passed", ran.cell["findings"]
