# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import pytest

from mermapctl.trace.timeline import MARKS, SPANS, TimelineBuilder
from tests.tables import LOGS
from tests.tracelog import read

LOW = 0xFFFF880000200000
PAGE = 4096


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
        builder.span(3 * number, 3 * number + 1, base, base + PAGE, reserved=False)
    timeline = builder.build("test_x", 0, LOW, LOW + 512 * PAGE)
    assert len(timeline.spans) <= 2 * SPANS
    assert len(timeline.flushes) < 2 * MARKS
    assert len(timeline.stale) <= MARKS
    assert sum(span.count for span in timeline.spans) == timeline.allocations == rounds * pages
    assert (timeline.flush_count, timeline.stale_count) == (rounds - 1, rounds - 1)
    assert timeline.spans[0].first == 0
    assert timeline.spans[-1].last == 3 * rounds * pages - 2
