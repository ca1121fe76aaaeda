# SPDX-License-Identifier: GPL-2.0-only
"""The witness adds findings to a judged cell, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mermapctl.judge import witness_findings
from mermapctl.judge.result_types import Boot, Ended, Finding, Severity, Verdict
from mermapctl.judge.witness_summary import WitnessSummary
from mermapctl.records.cell_verdict import judge_console
from mermapctl.records.record import Artifacts, Cell
from mermapctl.records.witnessed import with_witness
from tests.tables import LOGS

LOST = "lost why=QEMU's_gdb_stub_has_hung_up\n"
KERNEL = "kernel cpus=1 vmemmap=0xffffea0000000000 page=0x40 nx=1\n"
BASE, END = 0xFFFF880000200000, 0xFFFF880000201000


def mapping(entry: str, left: str = "0xffffffffff200") -> str:
    """Return the witness's log of one get and its put."""
    return (
        f"{KERNEL}test name=test_size\n"
        "get cpu=0 thread=1 mm=0xffff888001000000 page=0xffffea0000077200 size=0x1000 "
        "prot=0x8000000000000063 reserved=0\n"
        "got cpu=0 thread=1 alloc=0xffff888003000000 where=test_size "
        f"words=1,{BASE:#x},{END:#x},0,0 pair=1,2 base={BASE:#x} end={END:#x} low={BASE:#x} "
        f"entries={entry}\n"
        "put cpu=0 thread=1 alloc=0xffff888003000000 probe=mm_put\n"
        f"after cpu=0 thread=1 alloc=0xffff888003000000 base={BASE:#x} end={END:#x} "
        f"entries={left}\nend\n"
    )


GOOD = mapping("0x8000000001dc8063")


def judged(tmp_path: Path, first: str, second: str, log: str, ended: Ended, *more: Finding) -> Cell:
    """Judge a cell from its two consoles (with `more` findings) and the witness's log."""
    (tmp_path / "witness.log").write_text(log)
    files = Artifacts(
        console=str(LOGS / f"{first}.log"),
        console_untraced=str(LOGS / f"{second}.log"),
        witness=str(tmp_path / "witness.log"),
    )
    cell = Cell(None, None, Verdict.NO_VERDICT, suite="mermap", artifacts=files, boot=Boot())
    with (LOGS / f"{first}.log").open("rb") as console:
        cell = judge_console(cell, console)
    if more:
        cell = replace(cell, findings=(*cell.findings, *more), verdict=Verdict.FAILED)
    return with_witness(cell, WitnessSummary(boot=Boot(ended)))


def codes(cell: Cell) -> list[tuple[str, Severity]]:
    return [(each.code, each.severity) for each in cell.findings]


def test_a_guest_that_a_broken_stub_left_standing_has_not_hung(tmp_path: Path) -> None:
    cell = judged(tmp_path, "trace-good", "hang-one-cpu", LOST, Ended.SILENCE)
    assert (cell.verdict, codes(cell)) == (Verdict.PASSED, [])
    assert cell.witness is not None
    assert cell.witness.words.endswith("QEMU's gdb stub has hung up")


def test_a_qemu_that_died_is_no_failure_of_the_kernel(tmp_path: Path) -> None:
    cell = judged(tmp_path, "trace-good", "hang-one-cpu", LOST, Ended.EXITED)
    assert (cell.verdict, codes(cell)) == (Verdict.PASSED, [])


def test_a_suite_that_fails_after_the_witness_broke_off_counts(tmp_path: Path) -> None:
    cell = judged(tmp_path, "trace-good", "missing-flush", LOST, Ended.EXITED)
    assert codes(cell) == [("only-witnessed", Severity.ERROR)]


def test_a_kernel_that_hangs_under_the_witness_alone_fails(tmp_path: Path) -> None:
    cell = judged(tmp_path, "trace-good", "missing-flush", GOOD, Ended.EXITED)
    assert (cell.verdict, codes(cell)) == (
        Verdict.FAILED, [("only-witnessed", Severity.ERROR)],
    )  # fmt: skip


def test_both_agree_on_a_right_mermap(tmp_path: Path) -> None:
    cell = judged(tmp_path, "trace-good", "good", GOOD, Ended.EXITED)
    assert (cell.verdict, codes(cell)) == (Verdict.PASSED, [])
    (timeline,) = cell.witness.timelines if cell.witness else ()
    (span,) = timeline.spans
    assert (span.entries, span.asked, span.left) == ("0x8000000001dc8063", 0x1DC8, "-")
    assert cell.witness == replace(
        WitnessSummary(boot=Boot(Ended.EXITED)), gets=1, entries_checked=2, agrees=True,
        words="witnessed: 1 mappings, 2 page table entries read: all correct",
        verdict=Verdict.PASSED, timelines=(timeline,),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("log", "code", "entry"),
    [
        (mapping("0x8000000001dc9063"), "wrong-page", "page 0x1dc9, asked 0x1dc8"),
        (mapping("0x8000000001dc8062"), "wrong-range-mapped", "not present"),
        (mapping("0x1dc8063"), "wrong-protection", "asked 0x8000000000000063"),
        (
            mapping("0x8000000001dc8063", "0x8000000001dc8063"),
            "not-unmapped",
            "page 0x1dc8, asked none",
        ),
    ],
)
def test_findings_of_the_witness_alone_count(
    tmp_path: Path, log: str, code: str, entry: str
) -> None:
    cell = judged(tmp_path, "trace-good", "good", log, Ended.EXITED)
    assert (cell.verdict, codes(cell)) == (Verdict.FAILED, [(code, Severity.ERROR)])
    evidence = cell.findings[0].evidence
    assert str(evidence["entry"]).endswith(entry)
    assert evidence["witness"] == "only the witness sees it"
    assert cell.witness is not None
    assert cell.witness.agrees is False


def test_a_log_that_was_cut_changes_nothing(tmp_path: Path) -> None:
    log = mapping("0x1dc8063").removesuffix("end\n")
    cell = judged(tmp_path, "trace-good", "good", log, Ended.EXITED)
    assert (cell.verdict, codes(cell)) == (Verdict.PASSED, [])
    assert cell.witness is not None
    assert cell.witness.agrees is None


def test_an_inference_that_the_witness_refutes_is_a_warning(tmp_path: Path) -> None:
    walked = Finding("not-unmapped", Severity.ERROR, "…", evidence={"page tables walked": "none"})
    cell = judged(tmp_path, "trace-good", "good", GOOD, Ended.EXITED, walked)
    assert (cell.verdict, codes(cell)) == (
        Verdict.PASSED, [("not-unmapped", Severity.WARNING)],
    )  # fmt: skip
    assert str(cell.findings[0].evidence["witness"]).startswith("contradicts it")
    assert cell.witness is not None
    assert cell.witness.agrees is False


def test_a_direct_reading_of_the_trace_stays_an_error() -> None:
    finding = Finding("wrong-page", Severity.ERROR, "…", evidence={"entry": "PTE 0x1"})
    stale = Finding("stale-reuse", Severity.ERROR, "…")
    merged, agrees = witness_findings.compared([finding, stale], [], both=True)
    assert [each.severity for each in merged] == [Severity.ERROR, Severity.ERROR]
    assert [each.evidence["witness"] for each in merged] == ["does not see it"] * 2
    assert agrees is False


def suite_finding(code: str) -> Finding:
    return Finding(code, Severity.ERROR, f"{code} in words", test="test_tlb_flushed")


def test_what_a_complaint_of_the_suite_explains_is_listed_under_it() -> None:
    stale = Finding("stale-reuse", Severity.ERROR, "handed out again")
    missing = replace(suite_finding("missing-flush"), consequences=("handed out again",))
    merged, agrees = witness_findings.compared([missing], [stale], both=True)
    assert (merged, agrees) == ((missing,), True)
    bare = replace(missing, consequences=())
    merged, agrees = witness_findings.compared([bare], [stale], both=False)
    assert (merged, agrees) == ((missing,), None)


def test_a_counter_that_is_wrong_explains_the_suites_complaint() -> None:
    mismatch = Finding("counter-mismatch", Severity.ERROR, "…", test="test_tlb_flushed")
    missing = suite_finding("missing-flush")
    merged, _ = witness_findings.compared([missing], [mismatch], both=False)
    said = ("test_tlb_flushed: missing-flush in words",)
    assert merged == (replace(mismatch, consequences=said),)
