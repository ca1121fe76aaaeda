# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import pytest

from mermapctl.trace import witness_reader
from mermapctl.trace.timeline import MARKS, SPANS, Span, TimelineBuilder
from tests.mermap_model import Kernel, Shape
from tests.tables import LOGS
from tests.tracelog import read

LOW = 0xFFFF880000200000
PAGE = 4096
END = LOW + 2 * PAGE


@pytest.mark.parametrize("log", ["trace-good", "trace-counted-not-done"])
def test_a_real_trace_has_one_timeline_a_test(log: str) -> None:
    lines = (LOGS / f"{log}.log").read_text(errors="replace").splitlines()
    timelines = read(lines).timelines
    assert [(timeline.test, timeline.cpu) for timeline in timelines] == [
        ("test_basic_alloc", 0),
        ("test_size", 0),
        ("test_multiple_allocs", 0),
        ("test_tlb_flushed", 0),
    ]


def test_a_long_test_keeps_its_shape_in_bounded_space() -> None:
    builder = TimelineBuilder(0)
    rounds, pages = 60, 511
    for number in range(rounds * pages):
        at = number % pages
        if at == 0 and number:
            builder.flush(3 * number)
            builder.stale_reuse(3 * number, LOW, LOW + PAGE, number)
        base = LOW + at * PAGE
        builder.span(Span(3 * number, 3 * number + 1, base, base + PAGE))
    timeline = builder.build("test_x", 0, LOW, LOW + 512 * PAGE)
    assert len(timeline.spans) <= 2 * SPANS
    assert len(timeline.flushes) < 2 * MARKS
    assert len(timeline.stale) <= MARKS
    assert sum(span.count for span in timeline.spans) == timeline.allocations == rounds * pages
    assert (timeline.flush_count, timeline.stale_count) == (rounds - 1, rounds - 1)
    assert timeline.spans[0].first == 0
    assert timeline.spans[-1].last == 3 * rounds * pages - 2


def test_the_witness_adds_what_it_read() -> None:
    log = [
        "kernel cpus=1 vmemmap=0xffffea0000000000 page=0x40 nx=1",
        "test name=test_size",
        (
            "get cpu=0 thread=1 mm=0xffff888001000000 page=0xffffea0000077200 size=0x2000 "
            "prot=0x8000000000000063 reserved=0"
        ),
        (
            f"got cpu=0 thread=1 alloc=0xffff888003000000 where=test_size "
            f"words=1,{LOW:#x},{END:#x},0,0 pair=1,2 base={LOW:#x} end={END:#x} "
            f"low={LOW:#x} entries=0x8000000001dc8063*2+0x1000"
        ),
        "put cpu=0 thread=1 alloc=0xffff888003000000 probe=mm_put",
        (
            f"after cpu=0 thread=1 alloc=0xffff888003000000 base={LOW:#x} end={END:#x} "
            "entries=0xffffffffff200,0x8000000001dc9063"
        ),
        "end",
    ]
    (timeline,) = witness_reader.read(log).trace.timelines
    assert timeline.spans == (
        Span(2, 3, LOW, END, line=4, entries="0x8000000001dc8063*2+0x1000",
             asked=0x1DC8, left="0x8000000001dc9063"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "entries"),
    [
        (None, "0x8000000001900063*2+0x1000"),
        ("first-page-again", "0x8000000001900063,0x8000000001900063"),
    ],
)
def test_a_trace_that_prints_entries_keeps_them(fault: str | None, entries: str) -> None:
    """Entries out of order are listed up to the first such one."""
    kernel = Kernel(Shape(entries=True), fault)
    mm = kernel.prepare()
    alloc = kernel.get(1, mm, 0, 2, reserved=False)
    assert alloc is not None
    kernel.put(1, alloc)
    kernel.test_ended("test_size")
    ((span,),) = [timeline.spans for timeline in read(kernel.lines).timelines]
    assert (span.entries, span.asked, span.left) == (entries, None, None)
    number = span.line or 0
    assert "mm_got" in kernel.lines[number - 1]
