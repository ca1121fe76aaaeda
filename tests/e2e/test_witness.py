# SPDX-License-Identifier: GPL-2.0-only
"""The witness on real kernels: a seeded fault is named with its entry."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mermapctl.tree.postings import Posting
from tests.e2e.conftest import Run
from tests.faults import corpus, seeded, witnessed

pytestmark = pytest.mark.e2e

CASES = {case.name: case for case in corpus.faults()}
FAULTS = {
    "22-maps-one-page-only": ("wrong-range-mapped", r"PTE 0x[0-9a-f]+ at 0x[0-9a-f]+, not present"),
    "24-put-does-not-unmap": ("not-unmapped", r"PTE 0x[0-9a-f]+ .*, asked none"),
    "49-maps-first-page-over-and-over": ("wrong-page", r"PTE 0x.*, page 0x.*, asked 0x[0-9a-f]+"),
}


def good(run: Run, *argv: str) -> None:
    """No finding, and each mapping of the four tests was read."""
    ran = run("--no-trace", *argv)
    assert ran.code == 0, ran.document
    assert ran.codes == []
    witness = ran.cell["witness"]
    assert witness["gets"] > 500, ran.cell["notes"]
    assert witness["entries_checked"] > 3000
    assert not [note for note in ran.cell["notes"] if "broke off" in note]


def test_a_good_kernel_without_probes_is_witnessed_by_itself(run: Run) -> None:
    good(run)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_entry(run: Run, reference_tree: Path, name: str) -> None:
    code, entry = FAULTS[name]
    with seeded.seeded(reference_tree, CASES[name]):
        ran = run("--no-trace")
    assert ran.code == 1, ran.document
    found = {finding["code"]: finding for finding in ran.cell["findings"]}
    assert re.fullmatch(entry, found[code]["evidence"]["entry"])
    assert any("witness.log:" in str(each) for each in found[code]["evidence"].values())


@pytest.mark.nightly
@pytest.mark.parametrize("variant", ["smp", "la57"])
def test_other_good_machines_have_no_finding(run: Run, variant: str) -> None:
    good(run, f"--variant={variant}")


@pytest.mark.nightly
def test_a_kernel_that_moves_itself_has_no_finding(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.kunitconfig"
    own.write_text("CONFIG_RELOCATABLE=y\nCONFIG_RANDOMIZE_BASE=y\n")
    good(run, f"--config={own}")


@pytest.mark.nightly
@pytest.mark.parametrize("posting", list(Posting))
def test_no_posting_gives_a_finding(run: Run, reference_tree: Path, posting: Posting) -> None:
    with seeded.posted(reference_tree, posting):
        ran = run("--no-trace")
    assert ran.codes == [], ran.document
    assert ran.cell["witness"]["gets"] > 500


@pytest.mark.nightly
def test_kunit_pys_own_default_is_witnessed_whole(run: Run, reference_tree: Path) -> None:
    config = reference_tree / "tools/testing/kunit/configs/default.config"
    ran = run("--variant=own", f"--config={config}")
    assert ran.code == 0, ran.document
    assert ran.codes == []
    asked = Path(ran.cell["artifacts"]["kunitconfig"]).read_text().splitlines()
    assert {line for line in asked if line.startswith("CONFIG_")} == {*config.read_text().split()}
    assert witnessed.WHOLE.fullmatch(ran.cell["witness"]["words"])


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("name", "posting", "machine"),
    [
        ("13-bounds-a-page-short", None, "up"),
        ("26-neighbours-region", Posting.NEWEST, "2"),
        ("56-entry-stays-writable", Posting.FIRST, "1"),
        ("57-entry-is-global", Posting.LATER, "2"),
        ("58-entry-in-neighbours-region", None, "moved"),
        ("59-flushes-the-wrong-cpu", Posting.FIRST, "2"),
    ],
)
def test_a_fault_of_an_entry_or_a_cpu_is_named(
    reference_tree: Path, name: str, posting: Posting | None, machine: str
) -> None:
    case = replace(CASES[name], posting=posting)
    tried = [each for each in witnessed.MACHINES if each.name == machine]
    (judged,) = witnessed.judge(reference_tree, case, tried)
    assert judged.wrong == ()
