# SPDX-License-Identifier: GPL-2.0-only
"""Faults under the witness: where each is tried, what is right, and their section of the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mermapctl.tree.postings import Posting
from tests.conftest import git
from tests.faults import corpus, page, seeded, witness_page, witnessed
from tests.faults.witnessed import GOOD, MACHINES, SMP, Witnessed
from tests.tree.test_fault_corpus import excerpt  # noqa: F401

CASES = witnessed.cases(corpus.faults())
ONE, TWO, *_ = MACHINES
FAULT = replace(GOOD, name="99-x", witnessed=frozenset({"wrong-page"}), patch=Path("99-x.patch"))
ENTRY = "PTE 0x8000000001900063 at 0xffff880000201000, page 0x1900, asked 0x1901"
READ = "witnessed: 521 mappings, 3591 page table entries read: "


def test_each_mermap_is_tried_with_every_fault_and_without() -> None:
    for posting in (None, *Posting):
        mine = [case for case in CASES if case.posting is posting]
        assert len(mine) >= 14
        assert mine[0].name.rpartition("/")[2] == "no-fault"


def test_two_cpus_where_a_fault_needs_them() -> None:
    for case in CASES:
        names = [each.name for each in witnessed.machines(case)]
        assert "2" in names
        assert ("1" in names) is (SMP not in case.run)
        assert ("moved" in names) is (case.posting is None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_applies_and_goes(case: corpus.Case, excerpt: Path) -> None:  # noqa: F811
    with seeded.seeded(excerpt, case):
        changed = git(excerpt, "diff", "--name-only")
    assert bool(changed) is bool(case.patch or case.posting)
    assert git(excerpt, "status", "--porcelain") == ""


def boot(
    case: corpus.Case, verdict: str, words: str, entries: dict[str, str] | None = None, *codes: str
) -> Witnessed:
    entries = entries or {}
    found = frozenset({*codes, *entries})
    return Witnessed(case, ONE, found, tuple(entries.items()), verdict, READ + words)


RIGHT = boot(FAULT, "failed", "wrong-page", {"wrong-page": ENTRY})


@pytest.mark.parametrize(
    ("judged", "wrong"),
    [
        (RIGHT, ()),
        (boot(GOOD, "passed", "all correct"), ()),
        (boot(FAULT, "failed", "wrong-page", None, "wrong-page"), ("wrong-page without an entry",)),
        (
            boot(FAULT, "failed", "x", {"wrong-page": "PTE unknown"}),
            ("wrong-page without an entry",),
        ),
        (
            boot(FAULT, "passed", "all correct"),
            ("passed", "found nothing, not wrong-page", "wrong-page without an entry"),
        ),
        (
            boot(FAULT, "failed", "x", {"wrong-page": ENTRY}, "leak"),
            ("found leak, wrong-page, not wrong-page",),
        ),
        (
            boot(GOOD, "passed", "all correct; 3 mappings could not be read"),
            (READ + "all correct; 3 mappings could not be read",),
        ),
        (boot(GOOD, "failed", "leak", None, "leak"),
         ("failed", "found leak, not nothing", READ + "leak")),
        (replace(boot(GOOD, "passed", ""), words=""), ("not witnessed",)),
        (
            replace(
                boot(GOOD, "passed", ""),
                words="witnessed: 20 mappings, 31 page table entries read: all correct",
            ),
            ("witnessed: 20 mappings, 31 page table entries read: all correct",),
        ),
        (Witnessed(FAULT, TWO, error="it does not apply"), ("it does not apply",)),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(judged: Witnessed, wrong: tuple[str, ...]) -> None:
    assert judged.wrong == wrong


def test_the_page_keeps_what_the_other_run_wrote(tmp_path: Path) -> None:
    written, heading = tmp_path / "faults.md", witness_page.HEADING
    assert page.kept(written, heading) == ""
    written.write_text("# Faults\n\n| a |\n")
    posted = replace(FAULT, name="later/99-x", posting=Posting.LATER)
    missed = replace(boot(posted, "passed", "all correct"), machine=TWO)
    section = witness_page.section([boot(GOOD, "passed", "all correct"), RIGHT, missed])
    written.write_text(page.replaced(written, section, heading))
    written.write_text(page.replaced(written, section, heading))
    text = written.read_text()
    assert text == "# Faults\n\n| a |\n" + section
    assert page.kept(written, heading) == section
    assert "2 boots of 1 faults: 1 judged wrongly. 1 boots without a fault: 0" in text
    good, fault = [line for line in text.splitlines() if "| no fault |" in line]
    assert good == "| no-fault | no fault | none |  | 1 |  |  |  |"
    assert fault.startswith(
        f"| [99-x](../kernel/faults/99-x.patch) | no fault | `wrong-page` | `{ENTRY}` | 1 |  | **"
    )
