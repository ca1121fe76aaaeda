# SPDX-License-Identifier: GPL-2.0-only
"""Every captured console has exactly the results in the table of tests/logs/README.md."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from mermapctl.judge.console_verdict import Judgement, judge
from mermapctl.judge.result_types import Reason, Severity, Verdict
from tests.tables import LOGS, MANIFEST, NAMES

ALL_PASSED = ("passed",) * 4


def judged(name: str, **options: object) -> Judgement:
    with (LOGS / f"{name}.log").open("rb") as log:
        return judge(log, manifest=MANIFEST, **options)  # type: ignore[arg-type]


class Truth(NamedTuple):
    """The expected results of a log: statuses of tests, and findings as code, test and evidence."""

    verdict: str
    statuses: tuple[str, ...] = ()
    findings: tuple[tuple[str, str | None, dict[str, object]], ...] = ()
    reason: Reason | None = None


def one_bad(index: int, status: str = "failed") -> tuple[str, ...]:
    return tuple(status if i == index else "passed" for i in range(4))


TRUTHS = {
    "good": Truth("passed", ALL_PASSED),
    "good-smp2": Truth("passed", ALL_PASSED),
    "module": Truth("passed", ALL_PASSED),
    "global-refused": Truth(
        "failed",
        ("failed", "failed", "crashed", "failed"),
        (("global-mapping-refused", None, {"prot": "0x8000000000000163", "isolation": "off"}),),
    ),
    "missing-flush": Truth(
        "failed", one_bad(3), (("missing-flush", "test_tlb_flushed", {"flushes": 0}),)
    ),
    "extra-flush": Truth(
        "failed", one_bad(3), (("extra-flush", "test_tlb_flushed", {"flushes": 2}),)
    ),
    "early-flush": Truth(
        "failed",
        one_bad(3),
        (("early-flush", "test_tlb_flushed", {"flushes": 1, "allocation": 3}),),
    ),
    "region-too-small": Truth("failed", one_bad(1), (("region-too-small", "test_size", {}),)),
    "never-wraps": Truth(
        "failed",
        ("passed", "failed", "passed", "failed"),
        (("allocation-failed", "test_tlb_flushed", {"allocation": 511}),),
    ),
    "wrong-page": Truth(
        "failed",
        one_bad(2),
        (
            (
                "wrong-page",
                "test_multiple_allocs",
                {
                    "index": 0,
                    "read": 0xE4A5,
                    "expected": 0xE4A4,
                    "belongs_to": "page 1",
                    "shift": 1,
                    "times": 4,
                },
            ),
        ),
    ),
    "oops": Truth(
        "failed",
        one_bad(1, "crashed"),
        (
            (
                "kernel-oops",
                "test_size",
                {
                    "title": "BUG: kernel NULL pointer dereference, address: 0000000000000010",
                    "top_frame": "__mermap_get+0x27b/0x320",
                },
            ),
        ),
    ),
    "warn-but-ok": Truth(
        "failed",
        ALL_PASSED,
        (("kernel-warning", "test_size", {"top_frame": "__mermap_put+0xbe/0xd0"}),),
    ),
    "kasan": Truth(
        "failed",
        one_bad(0),
        (
            (
                "kasan",
                "test_basic_alloc",
                {
                    "title": "BUG: KASAN: slab-use-after-free in mermap_mm_teardown+0x209/0x210",
                    "top_frame": "mermap_mm_teardown+0x209/0x210",
                },
            ),
        ),
    ),
    "hang-one-cpu": Truth(
        "failed",
        ("missing",) * 4,
        (
            (
                "hang",
                None,
                {
                    "last_line": "1..4",
                    "results": "0 of 4",
                    "limit": 20.0,
                    "without_result": ", ".join(NAMES),
                },
            ),
        ),
    ),
    "real-v1-trace-good": Truth("passed", ALL_PASSED),
    "real-v4-trace-good": Truth("passed", ALL_PASSED),
    "real-v4-trace-no-unmap": Truth("passed", ALL_PASSED),
    "real-v4-reserve-lost": Truth(
        "failed", one_bad(2), (("reserve-lost", "test_multiple_allocs", {}),)
    ),
    "real-v4-slot-rule": Truth(
        "failed", one_bad(2), (("too-many-live", "test_multiple_allocs", {}),)
    ),
    "real-v1-debug": Truth(
        "failed",
        ALL_PASSED,
        (
            ("percpu-preemptible", None, {}),
            ("kernel-warning", "test_basic_alloc", {"top_frame": "__mermap_put+0xa2/0xb0"}),
        ),
    ),
    "real-v1-trace-oops": Truth(
        "failed",
        one_bad(2, "crashed"),
        (
            (
                "kernel-oops",
                "test_multiple_allocs",
                {"title": "BUG: unable to handle page fault for address: ffff880000200000"},
            ),
            ("trace-ended", None, {"tests": "test_multiple_allocs, test_tlb_flushed"}),
        ),
    ),
    "kvm-broken": Truth(
        "no-verdict",
        findings=(("accelerator-failed", None, {}),),
        reason=Reason.ACCELERATOR_FAILED,
    ),
    "panic-before-ktap": Truth(
        "no-verdict",
        findings=(
            (
                "boot-failed",
                None,
                {"line": "Kernel panic - not syncing: mermap: lab boom"},
            ),
        ),
        reason=Reason.BOOT_FAILED,
    ),
    "trace-good": Truth("passed", ALL_PASSED),
    "trace-counted-not-done": Truth(
        "failed",
        ALL_PASSED,
        (
            ("stale-reuse", "test_size", {"times": 3}),
            ("counter-mismatch", "test_tlb_flushed", {"counted": 1, "done": 0}),
        ),
    ),
    "trace-lines-dropped": Truth(
        "passed", ALL_PASSED, (("trace-incomplete", None, {"messages dropped": 366}),)
    ),
}


def test_every_log_has_its_truth() -> None:
    assert {path.stem for path in LOGS.glob("*.log")} == set(TRUTHS)


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_a_log_and_its_truth(name: str) -> None:
    truth, judgement = TRUTHS[name], judged(name)
    assert (judgement.verdict, judgement.reason) == (truth.verdict, truth.reason)
    tests = [(test.name, test.status) for suite in judgement.suites for test in suite.tests]
    assert tests == list(zip(NAMES, truth.statuses, strict=False))
    assert len(judgement.findings) == len(truth.findings)
    for finding, (code, test, evidence) in zip(judgement.findings, truth.findings, strict=True):
        assert (finding.code, finding.test) == (code, test)
        assert {key: finding.evidence.get(key) for key in evidence} == evidence
        assert finding.summary
        assert finding.advice


@pytest.mark.parametrize("name", sorted(TRUTHS))
@pytest.mark.parametrize("suites", ["mermap", "mermap.*", None])
def test_the_filter_that_was_used_changes_nothing(name: str, suites: str | None) -> None:
    judgement = judged(name, expected_suites=suites)
    assert judgement.verdict == TRUTHS[name].verdict
    assert [f.code for f in judgement.findings] == [f[0] for f in TRUTHS[name].findings]


CONSEQUENCES = {
    "global-refused": ("test_basic_alloc", "test_size", "oopsed", "try faulted", "allocation 0"),
    "never-wraps": ("test_size: a second large mapping was refused",),
    "oops": ("try faulted", "the kernel warned in test_size: mm/mermap.c:322"),
    "kasan": ("test_basic_alloc failed without an assertion",),
}


@pytest.mark.parametrize("name", sorted(CONSEQUENCES))
def test_one_cause_is_one_finding(name: str) -> None:
    (finding,) = judged(name).findings
    assert len(finding.consequences) == len(CONSEQUENCES[name])
    for words, sentence in zip(CONSEQUENCES[name], finding.consequences, strict=True):
        assert words in sentence


ROWS = {
    "good": (1, 1, "one flush at reuse: counted, not observed"),
    "missing-flush": (1, 0, "reused without a flush: counted, not observed"),
    "extra-flush": (1, 2, "2 flushes at one reuse: counted, not observed"),
    "early-flush": (1, 1, "flushed too early, before allocation 3: counted, not observed"),
    "never-wraps": (1, None, "not reached: allocation 511 failed"),
    "global-refused": (1, None, "not reached: allocation 0 failed"),
    "hang-one-cpu": (1, None, "unknown: the test has no result"),
    "oops": (1, 1, "one flush at reuse: counted, not observed"),
}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_the_table_of_flushes(name: str) -> None:
    (row,) = judged(name).flushes
    assert row.test == "test_tlb_flushed"
    assert (row.expected, row.counted, row.words) == ROWS[name]
    assert (row.observed, row.allocations) == (None, None)


def test_a_trace_completes_the_table() -> None:
    (good,) = judged("trace-good").flushes
    assert (good.counted, good.observed, good.allocations) == (1, 1, 511)
    (bad,) = judged("trace-counted-not-done").flushes
    assert (bad.counted, bad.observed, bad.words) == (1, 0, "counted 1, but 0 done")


SPLATS = {
    "global-refused": [("warning", "test_basic_alloc", 146), ("oops", "test_multiple_allocs", 188)],
    "oops": [("oops", "test_size", 148), ("warning", "test_size", 198)],
    "kasan": [("kasan", "test_basic_alloc", 195)],
    "warn-but-ok": [("warning", "test_size", 148)],
    "panic-before-ktap": [("panic", None, 140)],
    "good": [],
}


@pytest.mark.parametrize("name", sorted(SPLATS))
def test_splats_belong_to_the_test_that_ran(name: str) -> None:
    found = [(splat.kind, splat.test, splat.line) for splat in judged(name).splats]
    assert found == SPLATS[name]


def test_allowed_splats_are_findings_only() -> None:
    judgement = judged("warn-but-ok", allow_splats=True)
    assert judgement.verdict is Verdict.PASSED
    (finding,) = judgement.findings
    assert (finding.code, finding.severity) == ("kernel-warning", Severity.WARNING)


def test_an_allowed_oops_still_crashed_its_test() -> None:
    assert judged("oops", allow_splats=True).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("early-flush", "mm/tests/mermap_kunit.c:194"),
        ("warn-but-ok", "mm/mermap.c:37"),
        ("oops", "mm/tests/mermap_kunit.c:62"),
        ("global-refused", "mm/mermap.c:189"),
    ],
)
def test_a_finding_names_its_place(name: str, where: str) -> None:
    assert judged(name).findings[0].where == where


def test_the_detail_of_a_boot_without_verdict() -> None:
    assert judged("panic-before-ktap").detail == "Kernel panic - not syncing: mermap: lab boom"
    assert judged("kvm-broken").detail == (
        "QEMU was started with KVM, and the guest printed no line in 20 seconds"
    )


def test_facts_of_the_console() -> None:
    judgement = judged("good")
    assert (judgement.lines, judgement.kernel) == (160, "7.3.4-gfcf46f19ecac-dirty")
    assert judgement.trace is None
    assert judged("trace-good").trace is not None
