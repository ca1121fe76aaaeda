# SPDX-License-Identifier: GPL-2.0-only
"""Run records as the stages make them, for tests of code that reads records."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mermapctl.config.fragment import MissingSymbol
from mermapctl.console.ktap import Failure, FailureKind, Status, Suite, Test
from mermapctl.console.splat import Splat, SplatKind
from mermapctl.judge.compiler_warnings import CompilerWarning
from mermapctl.judge.result_types import Finding, Flush, Reason, Severity, Verdict
from mermapctl.records import first_bad
from mermapctl.records.host import Host
from mermapctl.records.record import (
    SCHEMA,
    Artifacts,
    Cell,
    Phases,
    Run,
    RunRecord,
    State,
    Tool,
    TreeFacts,
)
from mermapctl.records.series_facts import AddedWarning, Column, Series, SeriesCommit
from mermapctl.trace.summary import TraceSummary, TraceTable
from mermapctl.trace.timeline import Span, StaleMark, Timeline
from mermapctl.tree.mail_origin import SeriesMail
from tests.tables import LOGS, NAMES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mermapctl.records.folder import RunFolder

COMMIT = "fcf46f19ecac0123456789abcdef0123456789ab"
FILE = "mm/tests/mermap_kunit.c"


def log(name: str) -> Callable[[Cell], list[str]]:
    """Return the captured console `name` as a source for renderers."""
    lines = (LOGS / f"{name}.log").read_text("utf-8", "surrogateescape").split("\n")
    return lambda _cell: lines


def record(*cells: Cell, **run: object) -> RunRecord:
    """Return a finished run of these cells."""
    verdicts = {cell.verdict for cell in cells}
    worst = next((v for v in (Verdict.FAILED, Verdict.NO_VERDICT) if v in verdicts), Verdict.PASSED)
    base = Run(
        id="20261123-070512-123a1b2",
        started="2026-11-23T07:05:12.123Z",
        seconds=38.4,
        command=("mermapctl", "run", "--tree", "linux", "--variant", "base"),
        host=Host(
            "builder", "Debian GNU/Linux 12", "x86_64", 2, "3.11.2", "QEMU 7.2.22", "gcc 12.2.0"
        ),
    )
    return RunRecord(
        schema=SCHEMA,
        tool=Tool("mermapctl", "0.1.0"),
        run=dataclasses.replace(base, **run),  # type: ignore[arg-type]
        tree=TreeFacts("7.3.4", COMMIT, "v7.3-1204-gfcf46f19ecac", dirty=False, path="/src/linux"),
        verdict=worst,
        cells=cells,
    )


def suite(*tests: Test) -> Suite:
    """Return the suite `mermap` with these tests."""
    bad = [t.status for t in tests if t.status not in {Status.PASSED, Status.SKIPPED}]
    return Suite("mermap", bad[0] if bad else Status.PASSED, tests, seconds=0.42, console_line=118)


def passing(*names: str) -> tuple[Test, ...]:
    """Return passed tests of these names."""
    return tuple(
        Test(name, Status.PASSED, 0.01 * n, console_line=122 + n) for n, name in enumerate(names)
    )


def cell_passed(**changes: object) -> Cell:
    """Return a passed cell."""
    cell = Cell(
        target="x86_64",
        variant="base",
        verdict=Verdict.PASSED,
        commit=COMMIT,
        accelerator="tcg",
        cpu="Haswell",
        smp=1,
        kernel_args=("pti=on", "panic=-1"),
        phases=Phases(2.1, 33.9, 1.4),
        suites=(suite(*passing(*NAMES)),),
        flushes=(
            Flush("test_size", 1, None, 1, 3, "one flush, as it must"),
            Flush("test_tlb_flushed", 1, 1, 1, 511, "one flush at the reuse"),
        ),
        notes=("KVM cannot run this kernel here; booted under TCG.",),
        reproduce=(
            "mermapctl run --tree /src/linux --target x86_64 --variant base",
            (
                "./tools/testing/kunit/kunit.py run --arch=x86_64 --kunitconfig=/runs/1/kunitconfig"
                " --build_dir=/build/mermap --kernel_args=pti=on --qemu_args='-cpu Haswell' mermap"
            ),
        ),
        artifacts=Artifacts("/runs/1/console.log", "/runs/1/config", "/runs/1/kunitconfig"),
    )
    return dataclasses.replace(cell, **changes)  # type: ignore[arg-type]


def passed() -> RunRecord:
    """One cell, four tests, no finding."""
    return record(cell_passed())


def cell_missing_flush() -> Cell:
    """Return the cell of tests/logs/missing-flush.log."""
    failure = Failure(
        FailureKind.ASSERTION,
        FILE,
        210,
        "mc->tlb_flushes == 1",
        {"mc->tlb_flushes": "0 (0x0)"},
        console_line=157,
    )
    last = Test(NAMES[3], Status.FAILED, 0.31, (failure,), console_line=160)
    return cell_passed(
        verdict=Verdict.FAILED,
        suites=(suite(*passing(*NAMES[:3]), last),),
        flushes=(Flush(NAMES[3], 1, 0, None, None, "addresses came back without a flush"),),
        findings=(
            Finding(
                "missing-flush",
                Severity.ERROR,
                "Addresses were handed out again and no TLB flush was counted before.",
                test=NAMES[3],
                evidence={"flushes": 0, "expected": 1},
                where=f"{FILE}:210",
                advice="Look at the wrap in __mermap_get(): it must flush before it starts over.",
                console_line=157,
            ),
        ),
    )


def cell_warning() -> Cell:
    """Return the cell of tests/logs/warn-but-ok.log: every test ok, and a WARN in the middle."""
    title = "WARNING: mm/mermap.c:189 at __mermap_get+0x2b6/0x310, CPU#0: kunit_try_catch/31"
    splat = Splat(
        SplatKind.WARNING,
        title,
        NAMES[0],
        124,
        160,
        ("__mermap_get+0x2b6/0x310", "test_basic_alloc+0x15f/0x400"),
        ("------------[ cut here ]------------", title, "RIP: 0010:__mermap_get+0x2b6/0x310"),
        cause="no slot is free",
        caller="T31",
        top_frame="__mermap_get+0x2b6/0x310",
    )
    return cell_passed(
        variant="debug",
        verdict=Verdict.FAILED,
        splats=(splat,),
        findings=(
            Finding(
                "kernel-warning",
                Severity.ERROR,
                "The kernel warned in __mermap_get while test_basic_alloc ran.",
                test=NAMES[0],
                evidence={"title": title, "frame": "__mermap_get+0x2b6/0x310"},
                where="mm/mermap.c:189",
                advice="A WARN means that the mermap's own rules were broken; read its condition.",
                console_line=124,
            ),
        ),
    )


def cell_refused() -> Cell:
    """Return the cell of tests/logs/global-refused.log: one cause, four failed tests."""
    statuses = (Status.FAILED, Status.FAILED, Status.CRASHED, Status.FAILED)
    tests = tuple(
        Test(name, status, 0.1, (Failure(FailureKind.ASSERTION, FILE, 40 + n, f"x{n} != NULL"),))
        for n, (name, status) in enumerate(zip(NAMES, statuses, strict=True))
    )
    return cell_passed(
        variant="nopti",
        verdict=Verdict.FAILED,
        suites=(suite(*tests),),
        findings=(
            Finding(
                "global-mapping-refused",
                Severity.ERROR,
                "PAGE_KERNEL is global on this CPU model, so every get was refused.",
                evidence={"refused": 4},
                advice="Boot with pti=on, or with another CPU model (--cpu Haswell).",
                consequences=tuple(f"{name} failed" for name in NAMES),
                console_line=126,
            ),
        ),
    )


def cell_hung() -> Cell:
    """Return a cell with a hung test and the rest missing."""
    return cell_passed(
        variant="hang",
        verdict=Verdict.FAILED,
        suites=(
            suite(
                *passing(NAMES[0]),
                Test(NAMES[1], Status.HUNG),
                *(Test(n, Status.MISSING) for n in NAMES[2:]),
            ),
        ),
        findings=(
            Finding(
                "hang",
                Severity.ERROR,
                "The console fell silent in test_size for 20 s.",
                test=NAMES[1],
                evidence={"last line": "ok 1 test_basic_alloc", "seconds": 20.0},
                consequences=("test_multiple_allocs never ran", "test_tlb_flushed never ran"),
            ),
        ),
    )


def cell_truncated() -> Cell:
    """Return a cell with an error of no test: the console stops."""
    return cell_passed(
        variant="cut",
        verdict=Verdict.FAILED,
        suites=(suite(*passing(*NAMES[:3])),),
        findings=(
            Finding("output-truncated", Severity.ERROR, "The console stops in the middle."),
            Finding("idle-flush", Severity.WARNING, "A flush while nothing waited.", test=NAMES[1]),
        ),
    )


def cell_nested() -> Cell:
    """Return a cell with parameterised tests, a skip and two suites."""
    children = (
        Test("order=0", Status.PASSED, 0.01),
        Test("order=9", Status.FAILED, 0.02, (Failure(FailureKind.FAIL, None, None, None),)),
    )
    parent = Test("test_orders", Status.FAILED, 0.03, tests=children)
    skipped = Test("test_la57", Status.SKIPPED, reason="needs 5-level page tables")
    return cell_passed(
        target="um",
        variant="all",
        verdict=Verdict.FAILED,
        accelerator=None,
        suites=(suite(parent, skipped), Suite("example", Status.PASSED, passing("test_one"))),
    )


WHY = """\
CONFIG_PREEMPT_RT is n, not y, on x86_64: its dependencies fail
  defined at kernel/Kconfig.preempt:70 (bool, 'Fully Preemptible Kernel (Real-Time)')
  depends on EXPERT [=n] && ARCH_SUPPORTS_RT [=y]
  blocked by EXPERT [=n] (init/Kconfig:1589): nothing asks for it
  what gives it on x86_64 (this tree's olddefconfig gives y):
    CONFIG_EXPERT=y
    CONFIG_PREEMPT_RT=y
  other targets that can have it: arm64, riscv"""


def cell_no_verdict(reason: Reason = Reason.BOOT_FAILED) -> Cell:
    """Return a cell whose kernel printed no results."""
    return cell_passed(
        variant="rt",
        verdict=Verdict.NO_VERDICT,
        reason=reason,
        detail="Kernel panic - not syncing: initcall that never returns",
        phases=Phases(2.0, 30.0, None),
        suites=(),
        flushes=(),
        missing=(MissingSymbol("PREEMPT_RT", "y", "n", WHY),),
        findings=(
            Finding(
                "boot-failed",
                Severity.ERROR,
                "The kernel panicked before KTAP.",
                evidence={"line": "Kernel panic - not syncing"},
                console_line=100,
            ),
        ),
    )


def failed() -> RunRecord:
    """One failed cell, of tests/logs/missing-flush.log."""
    return record(cell_missing_flush())


def no_verdict(reason: Reason = Reason.BOOT_FAILED) -> RunRecord:
    """One cell without a verdict."""
    return record(cell_no_verdict(reason))


def multi_cell() -> RunRecord:
    """One cell of each kind."""
    return record(
        cell_passed(),
        dataclasses.replace(cell_missing_flush(), variant="smp", smp=2),
        cell_warning(),
        cell_refused(),
        cell_hung(),
        cell_truncated(),
        cell_nested(),
        cell_no_verdict(),
    )


def repeated() -> RunRecord:
    """The same cell three times; the second time a test failed."""
    return record(cell_passed(), cell_missing_flush(), cell_passed())


def bare_log() -> RunRecord:
    """A record of `report log`: without commit, target, variant and phases."""
    cell = dataclasses.replace(
        cell_missing_flush(),
        target=None,
        variant=None,
        commit=None,
        accelerator=None,
        cpu=None,
        smp=None,
        phases=Phases(),
        reproduce=(),
        artifacts=Artifacts(),
    )
    made = record(cell, host=None)
    return dataclasses.replace(made, tree=TreeFacts())


def commits() -> RunRecord:
    """Two commits of one series."""
    return record(cell_passed(), dataclasses.replace(cell_missing_flush(), commit="b" * 40))


def series() -> RunRecord:
    """Three commits in two variants: absent, passed, failed; a warning; a cell that was not run."""
    absent, good, bad = ("a" * 40, "b" * 40, COMMIT)
    named = ((absent, "mm: types"), (good, "mm: add the mermap"), (bad, "mm: flush <never>"))
    unused = CompilerWarning("mm/mermap.c", 12, "unused variable 'x' [-Wunused-variable]")
    told = Series(
        base="0" * 40,
        tip=bad,
        commits=tuple(SeriesCommit(each, subject) for each, subject in named),
        columns=(
            Column("x86_64", "base", warnings=(AddedWarning(good, unused),)),
            Column("x86_64", "smp"),
        ),
    )
    cells = (
        cell_no_verdict(Reason.ABSENT),
        cell_passed(warnings=(unused,)),
        dataclasses.replace(cell_passed(), reused="20261122-070512-123a1b2", artifacts=Artifacts()),
        cell_missing_flush(),
    )
    places = ((absent, "base"), (good, "base"), (good, "smp"), (bad, "base"))
    placed = tuple(
        dataclasses.replace(cell, commit=commit, variant=variant)
        for cell, (commit, variant) in zip(cells, places, strict=True)
    )
    return first_bad.filled(dataclasses.replace(record(*placed), series=told))


def mailed() -> RunRecord:
    """A series from the mail whose first commit is absent and whose others passed."""
    made = series()
    assert isinstance(made.series, Series)
    mail = SeriesMail(
        subject="[PATCH v3 0/3] mm: mappings that are local to one process and one CPU, again",
        author="A. Sender <sender@example.org>",
        patches=3,
        base_from="base-commit",
        message_id="20261120.3-0@example.org",
        references=("20261101.1-0@example.org", "20261110.2-0@example.org"),
    )
    told = dataclasses.replace(made.series, mail=mail)
    cells = [dataclasses.replace(cell_passed(), commit=each.commit) for each in told.commits]
    cells[0] = dataclasses.replace(made.cells[0], variant="base")
    passed = dataclasses.replace(
        made,
        series=told,
        cells=tuple(cells),
        verdict=Verdict.PASSED,
        tree=dataclasses.replace(made.tree, dirty=False),
    )
    return first_bad.filled(passed)


def nothing_ran() -> RunRecord:
    """A run interrupted before its first cell."""
    made = record(state=State.INTERRUPTED)
    return dataclasses.replace(made, verdict=Verdict.NO_VERDICT)


def another_suite() -> RunRecord:
    """Another suite than the mermap's, under UML."""
    told = Suite("example", Status.PASSED, passing("test_one"))
    return record(cell_passed(target="um", suites=(told,), flushes=(), suite="example"))


REGION = 0xFFFF880000200000
REGION_END = REGION + 512 * 4096


def timeline(stale: bool, pages: int = 511) -> Timeline:
    """The trace of test_tlb_flushed on one CPU: a page after the other, then reuse."""
    spans = tuple(
        Span(3 * n + 2, 3 * n + 3, REGION + n * 4096, REGION + (n + 1) * 4096) for n in range(pages)
    )
    reuse = 3 * pages + 3 - stale
    again = Span(reuse, reuse + 1, REGION, REGION + 4096)
    mark = StaleMark(reuse, REGION, REGION + 4096, 157)
    return Timeline(
        test=NAMES[3],
        cpu=0,
        low=REGION,
        high=REGION_END,
        first_event=2,
        last_event=reuse + 1,
        spans=(*spans, again),
        flushes=() if stale else (reuse,),
        stale=(mark,) if stale else (),
        flush_count=0 if stale else 1,
        stale_count=int(stale),
        allocations=pages + 1,
    )


def traced(stale: bool = True) -> RunRecord:  # noqa: FBT002 - a sample
    """A traced run; `stale`: the flush at the wrap was counted but not done."""
    cell = cell_missing_flush() if stale else cell_passed()
    done = 0 if stale else 1
    rows = (
        TraceSummary("test_basic_alloc", 1, 1, cpus=1, processes=1),
        TraceSummary(
            NAMES[3], 512, 512, flushes_done=done, flushes_needed=1, first_reuse=511,
            pages_between_flushes=() if stale else (511,), cpus=1, processes=1,
        ),
    )  # fmt: skip
    small = Timeline(
        NAMES[2], 0, REGION, REGION_END, 2, 12,
        tuple(Span(2 + 2 * n, 12 - n, REGION + n * 4096, REGION + (n + 1) * 4096)
              for n in range(4)),
        allocations=4,
    )  # fmt: skip
    table = TraceTable(rows, (small, timeline(stale)), events=1567)
    return record(dataclasses.replace(cell, variant="trace", trace=table))


SAMPLES: dict[str, Callable[[], RunRecord]] = {
    "passed": passed,
    "failed": failed,
    "no verdict": no_verdict,
    "multi cell": multi_cell,
    "repeated": repeated,
    "bare log": bare_log,
    "commits": commits,
    "traced": traced,
    "traced and good": lambda: traced(stale=False),
    "nothing ran": nothing_ran,
    "another suite": another_suite,
}
"""Each kind of record, by name; a series has its own table on a terminal."""
WITH_SERIES = SAMPLES | {"series": series, "mailed": mailed}


def cell_folder(folder: RunFolder) -> Path:
    """Make the folder of a run's cell x86_64/base."""
    directory = folder.cell_path("x86_64-base")
    directory.mkdir(parents=True, exist_ok=True)
    return directory
