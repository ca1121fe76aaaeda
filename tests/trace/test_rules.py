# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import gc
import time
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mermapctl.judge.result_types import Flush, Severity
from mermapctl.judge.trace_findings import RULES, table
from mermapctl.trace.reader import TraceReader
from mermapctl.trace.summary import Layout
from tests.mermap_model import FAULTS, Alloc, Kernel, Shape
from tests.tracelog import COUNTED, codes, judge
from tests.witness_model import WITNESSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHAPE = Shape(pages=8, cpus=2, nested=True)
THREAD = 100


def cycle(kernel: Kernel, times: int, pages: int = 1, cpu: int = 0, thread: int = THREAD) -> None:
    mm = kernel.prepare()
    for _ in range(times):
        alloc = kernel.get(thread, mm, cpu, pages, reserved=False)
        assert alloc is not None
        kernel.put(thread, alloc)
    kernel.teardown(mm, 1)
    kernel.test_ended("test_tlb_flushed")


def test_every_rule_has_a_fault_that_breaks_it() -> None:
    broken = set().union(*FAULTS.values(), WITNESSED.values())
    assert set(RULES) | {"counter-mismatch"} == broken


@pytest.mark.parametrize(
    ("fault", "evidence"),
    [
        ("counted-not-done", {"put", "flush", "get", "mm", "region", "times"}),
        ("flush-twice", {"flush", "get", "flushes in this get", "why", "mm", "times"}),
        ("no-unmap", {"put", "page tables walked", "mm", "times"}),
        ("maps-one-page", {"get", "page tables walked", "times"}),
        ("skips-a-page", {"get", "rule", "expected", "times"}),
    ],
)
def test_a_finding_shows_the_events_that_prove_it(fault: str, evidence: set[str]) -> None:
    kernel = Kernel(SHAPE, fault)
    cycle(kernel, 3, pages=2)
    cycle(kernel, 8)
    found, _, _ = judge(kernel.lines)
    first = next(finding for finding in found if finding.code in FAULTS[fault])
    assert evidence <= set(first.evidence)
    assert first.console_line
    assert f"line {first.console_line}" in str(first.evidence)
    assert first.severity is Severity.ERROR


@pytest.mark.parametrize(
    ("fault", "function"),
    [
        ("counted-not-done", "__mermap_get"),
        ("flush-twice", "__mermap_get+0x2b6/0x310"),
        ("no-unmap", "__mermap_put"),
        ("maps-one-page", "__mermap_get"),
    ],
)
def test_a_finding_names_the_function_that_the_console_shows(fault: str, function: str) -> None:
    """A flush is called from a place of the get; the other rules are about a whole function."""
    kernel = Kernel(replace(SHAPE, by=True), fault)
    cycle(kernel, 3, pages=2)
    cycle(kernel, 8)
    found, _, _ = judge(kernel.lines)
    first = next(finding for finding in found if finding.code in FAULTS[fault])
    assert first.evidence["function"] == function


def test_flushes_from_several_places_name_none() -> None:
    kernel = Kernel(replace(SHAPE, by=True), "flush-twice")
    cycle(kernel, 8)
    place = "by=__mermap_get+0x2b6/0x310"
    several, other = [], 0
    for line in kernel.lines:
        other += place in line
        several.append(line.replace("+0x2b6/", "+0x2f0/") if other % 2 and place in line else line)
    found, _, _ = judge(several)
    (first,) = [finding for finding in found if finding.code == "idle-flush"]
    assert "function" not in first.evidence


def test_without_the_kernels_command_line_no_function_is_named() -> None:
    kernel = Kernel(SHAPE, "counted-not-done")
    cycle(kernel, 8)
    found, _, _ = judge(line for line in kernel.lines if "kprobe_event=" not in line)
    assert all("function" not in finding.evidence for finding in found)


@pytest.mark.parametrize(
    ("counted", "fault", "mismatch"),
    [
        (1, None, None),
        (None, None, None),
        (2, None, {"counted": 2, "done": 1}),
        (1, "flush-twice", {"counted": 1, "done": 2}),
        (1, "counted-not-done", {"counted": 1, "done": 0}),
        (0, "done-not-counted", {"counted": 0, "done": 1}),
        (0, "no-flush", None),
    ],
)
def test_the_counter_is_compared_with_the_flushes(
    counted: int | None, fault: str | None, mismatch: dict[str, int] | None
) -> None:
    kernel = Kernel(SHAPE, fault)
    cycle(kernel, 8)
    asked = (Flush("test_tlb_flushed", 1, counted), Flush("test_other", None, None))
    found, rows, account = judge(kernel.lines, asked)
    shown = [f.evidence for f in found if f.code == "counter-mismatch"]
    assert [{k: e[k] for k in ("counted", "done")} for e in shown] == [mismatch] * bool(mismatch)
    assert (rows[0].allocations, rows[1].observed) == (7, None)
    summary = table(account, rows)
    assert summary is not None
    assert summary.tests[0].flushes_counted == counted


FLUSH = "mm_flush: (__flush_tlb_all+0x4/0x10) "
OTHERS = [
    "[  T100] " + FLUSH + "by=on_each_cpu_cond_mask+0x40/0x50",  # this thread, behind its put
    "[   T77] " + FLUSH + "by=__mermap_get+0x1/0x2",
    "[    C0] " + FLUSH + "by=flush_tlb_func+0x1/0x2",
    "[    C1] " + FLUSH + "by=__flush_smp_call_function_queue+0x1/0x2",
]


@pytest.mark.parametrize("line", OTHERS[1:])
def test_a_flush_by_another_thread_or_interrupt_is_not_the_mermaps(line: str) -> None:
    kernel = Kernel(SHAPE, "no-flush")
    cycle(kernel, 8)
    got = max(n for n, text in enumerate(kernel.lines) if "mm_got" in text)
    kernel.lines.insert(got, line)  # inside the get that reuses
    found, rows, account = judge(kernel.lines)
    assert codes(found) == ["stale-reuse", "counter-mismatch"]
    assert (rows[0].observed, account.tests[0].flushes_other) == (0, 1)


def test_a_flush_of_the_same_cpu_outside_the_mermap_saves_it_from_staleness_only() -> None:
    kernel = Kernel(SHAPE, "no-flush")
    cycle(kernel, 8)
    get = max(n for n, text in enumerate(kernel.lines) if "mm_get" in text)
    kernel.lines.insert(get, OTHERS[0])
    found, rows, _ = judge(kernel.lines)
    assert codes(found) == ["counter-mismatch"]
    assert rows[0].observed == 0


def refused(probe: str, symbol: str) -> str:
    return f"trace_kprobe: Failed to add event(-2): p:{probe} {symbol} by=$stack0:symbol"


@pytest.mark.parametrize(
    ("fault", "gone", "symbol", "still"),
    [
        ("no-flush", "mm_flush", "__flush_tlb_all", []),
        ("skips-a-page", "mm_flush", "__flush_tlb_all", ["bump-order"]),
        ("never-put", "mm_put", "__mermap_put", []),
        ("no-unmap", "mm_walk", "apply_to_existing_page_range", []),
        ("no-flush", "mm_walk", "apply_to_existing_page_range", ["stale-reuse"]),
        ("no-flush", "mm_got", "__mermap_get", []),
        ("no-flush", "mm_tear", "mermap_mm_teardown", ["stale-reuse"]),
    ],
)
def test_a_refused_probe_costs_only_what_it_would_have_shown(
    fault: str, gone: str, symbol: str, still: list[str]
) -> None:
    kernel = Kernel(Shape(pages=8), fault)
    cycle(kernel, 3 if fault == "never-put" else 8)
    lines = [line for line in kernel.lines if f"{gone}: (" not in line]
    found, _, _ = judge([lines[0], refused(gone, symbol), *lines[1:]], ())
    assert [c for c in codes(found) if not c.startswith("trace-")] == still
    said = next(finding for finding in found if finding.code == "trace-probe-refused")
    assert said.severity is Severity.NOTE
    assert symbol in said.summary


def test_probes_that_never_fired_are_listed_as_silent() -> None:
    found, rows, _ = judge([Kernel(SHAPE).lines[0], "    ok 1 test_size"])
    assert (codes(found), rows) == (["trace-silent"], COUNTED)


def test_a_mermap_that_unmaps_by_other_means_is_not_accused() -> None:
    kernel = Kernel(Shape(pages=8))
    cycle(kernel, 8)
    lines = [line for line in kernel.lines if "mm_walk: (" not in line]
    found, _, _ = judge(lines)
    assert codes(found) == []


def test_a_test_that_died_inside_a_get_is_no_finding_of_the_trace() -> None:
    kernel = Kernel(SHAPE)
    cycle(kernel, 3)
    dying = "[  T101] mm_get: (__mermap_get+0x4/0x340) mm=0xffff9e5e41063000 size=4096 rsv=0"
    found, _, account = judge([*kernel.lines, dying, "    not ok 2 test_size"], ())
    assert (codes(found), account.complete) == ([], True)


def size_test(kernel: Kernel) -> None:
    """Replay test_size of the suite: the only reserved get in a real trace."""
    mm = kernel.prepare()
    low, high = kernel.region(0)
    pages = (high - low) // 4096

    def get(size: int, *, reserved: bool = False) -> Alloc | None:
        return kernel.get(THREAD, mm, 0, size, reserved=reserved)

    full = get(pages - 1)
    assert full is not None
    kernel.put(THREAD, full)
    held = [get(pages), get(pages - 2), get(1), get(1), get(1, reserved=True)]
    for alloc in filter(None, reversed(held)):
        kernel.put(THREAD, alloc)
    kernel.teardown(mm, 1)
    kernel.test_ended("test_size")


@pytest.mark.parametrize("slots", ["four", "three"])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (None, []),
        ("bounds-short", ["region-too-small"]),
        ("bounds-long", ["outside-region"]),
        ("no-flush", ["stale-reuse"]),
        ("flush-twice", ["idle-flush"]),
    ],
)
def test_the_suites_reserved_get_tells_where_the_region_ends(
    fault: str | None, expected: list[str], slots: str
) -> None:
    kernel = Kernel(Shape(pages=16, cpus=1, tables="whole", slots=slots), fault)
    size_test(kernel)
    cycle(kernel, 40)
    found, _, account = judge(kernel.lines, ())
    assert (codes(found), account.complete) == (expected, True)


def test_tables_that_were_forgotten_accuse_nobody() -> None:
    kernel = Kernel(Shape(pages=8, tables="whole", teardown=False))
    mms = [kernel.prepare() for _ in range(300)]
    for mm in (mms[-1], mms[0]):
        alloc = kernel.get(THREAD, mm, 0, 1, reserved=False)
        assert alloc is not None
        kernel.put(THREAD, alloc)
    kernel.test_ended("test_tlb_flushed")
    found, _, _ = judge(kernel.lines, ())
    assert codes(found) == []


def test_the_table_of_numbers() -> None:
    kernel = Kernel(SHAPE)
    cycle(kernel, 15)
    cycle(kernel, 2, cpu=1, thread=THREAD + 1)
    _, rows, account = judge(kernel.lines)
    made = table(account, rows)
    assert made is not None
    first, second = made.tests
    assert (first.gets, first.puts, first.refusals) == (15, 15, 0)
    assert (first.flushes_counted, first.flushes_done, first.flushes_needed) == (1, 2, 2)
    assert (first.pages_between_flushes, first.first_reuse) == ((7, 7), 7)
    assert (second.gets, second.first_reuse, second.cpus) == (2, None, 1)
    assert [timeline.allocations for timeline in made.timelines] == [15, 2]
    assert made.complete


def long_trace(events: int) -> Iterator[str]:
    mm, base = "mm=0xffff9e5e41063700", 0xFFFF880000200000
    for number in range(events // 3):
        page = base + number % 511 * 4096
        yield f"mm_get: (__mermap_get+0x4/0x340) {mm} size=4096 rsv=0"
        if number % 511 == 0 and number:
            yield "mm_flush: (__flush_tlb_all+0x4/0x10) by=__mermap_get+0x2b6/0x310"
        yield (
            "mm_got: (test_x+0x15f/0x400 <- __mermap_get) ret=0xffff9e5e7ec284e8 "
            f"w={{0x1,{page:#x},{page + 4096:#x},0x0}}"
        )
        yield "mm_put: (__mermap_put+0x4/0xc0) alloc=0xffff9e5e7ec284e8"


def held() -> int:
    """Return the bytes in use; Python keeps thousands of dead tuples until it collects."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def peak(lines: Iterable[str]) -> int:
    gc.collect()
    gc.freeze()  # do not scan the objects of other tests each time
    tracemalloc.start()
    try:
        reader = TraceReader()
        most = 0
        for number, line in enumerate(lines, 1):
            reader.feed(number, line, None, "T27")
            if number % 500 == 0:
                most = max(most, held())
        reader.test_ended("test_x")
        account = reader.finish()
        assert (account.layout, account.breaches) == (Layout.KNOWN, ())
        return max(most, held())
    finally:
        tracemalloc.stop()
        gc.unfreeze()


def test_memory_does_not_grow_with_the_trace() -> None:
    full = peak(long_trace(5_000))  # every bound is reached
    assert peak(long_trace(15_000)) < full * 1.1


def test_a_wrap_too_early_behind_a_reserved_get_is_no_region_of_one_page() -> None:
    kernel = Kernel(Shape(pages=6, cpus=1), "wrap-early")
    mm = kernel.prepare()
    for pages, reserved in ((1, True), (2, False), (1, False)):
        alloc = kernel.get(THREAD, mm, 0, pages, reserved=reserved)
        assert alloc is not None
        kernel.put(THREAD, alloc)
    kernel.teardown(mm, 1)
    kernel.test_ended("test_size")
    found, _, _ = judge(kernel.lines, ())
    assert codes(found) == []  # it is not known yet whether the get would have fitted
    size_test(kernel)
    found, _, _ = judge(kernel.lines, ())
    assert codes(found) == ["bump-order"]


@pytest.mark.parametrize(
    ("fault", "evidence"),
    [("first-page-again", "page 0x1900"), ("other-page", "page 0x1"), ("skips-an-entry", None)],
)
def test_entries_that_show_another_page_are_evidence(fault: str, evidence: str | None) -> None:
    kernel = Kernel(Shape(pages=8, entries=True), fault)
    cycle(kernel, 9, pages=2)
    found, _, account = judge(kernel.lines, ())
    (only,) = found
    assert FAULTS[fault] == {only.code}
    if evidence:
        shown = str(only.evidence["entry"])
        assert evidence in shown
        assert "asked 0x1" in shown
    assert "the later pages of a mapping" not in account.not_exercised


def never_put(gets: int, apart: int) -> Iterator[str]:
    """Yield gets that nobody puts; `apart` are the bytes between their allocations."""
    probes = "p:mm_get,__mermap_get;r:mm_got,__mermap_get;p:mm_put,__mermap_put"
    yield f"Command line: tp_printk kprobe_event={probes} x=y"
    for number in range(gets):
        base, alloc = 0xFFFF880000200000 + number * 4096, 0xFFFF888002000000 + number * apart
        yield "[T19] mm_get: (__mermap_get+0x0/0x310) mm=0xffff888001000000 size=4096 rsv=0"
        words = f"0x0,{base:#x},{base + 4096:#x},0x0,0x0"
        yield f"[T19] mm_got: (t+0x1/0x2 <- __mermap_get) ret={alloc:#x} w={{{words}}}"
    yield "    ok 1 test_size"


@pytest.mark.parametrize(
    ("apart", "code"), [(1, "too-many-live"), (4096, "trace-incomplete")], ids=["slots", "CPUs"]
)
def test_mappings_without_end_cost_no_time_without_end(apart: int, code: str) -> None:
    """What was found before they were too many counts; if nothing was, nothing is concluded."""
    began = time.process_time()
    found, _, account = judge(never_put(20_000, apart))
    assert time.process_time() - began < 10
    assert code in codes(found)
    assert account.complete is (code == "too-many-live")
