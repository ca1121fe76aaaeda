# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mermapctl.render.terminal.timeline import draw
from mermapctl.trace.timeline import MARKS, SPANS, Span, StaleMark, Timeline, TimelineBuilder
from tests.tracelog import read

LOGS = Path(__file__).parents[1] / "logs"
LOW = 0xFFFF880000200000
PAGE = 4096


def page(number: int, first: int, last: int, *, reserved: bool = False) -> Span:
    return Span(first, last, LOW + number * PAGE, LOW + (number + 1) * PAGE, reserved)


SMALL = Timeline(
    test="test_size",
    cpu=0,
    low=LOW,
    high=LOW + 4 * PAGE,
    first_event=0,
    last_event=19,
    spans=(page(0, 0, 4), page(1, 5, 9), page(3, 8, 9, reserved=True), page(0, 15, 19)),
    flushes=(10,),
    stale=(StaleMark(15, LOW, LOW + PAGE, 77),),
    flush_count=1,
    stale_count=1,
    allocations=4,
)


def test_a_small_picture() -> None:
    assert draw(SMALL, 40, 4) == [
        "test_size: CPU 0, 4 allocations, 1 flush",
        "              +12K │        ▒▒┊",
        "               +8K │          ┊",
        "               +4K │     █████┊",
        "0xffff880000200000 │█████     ┊    !████",
        "                   └──────────F─────────",
        "                    event 0           19",
        "region of 16K  █ live  ▒ reserved",
        "F flush  ! reused with no flush (1)",
    ]


def test_the_same_where_the_terminal_has_ascii_only() -> None:
    picture = draw(SMALL, 40, 4, ascii_only=True)
    assert picture[4:6] == [
        "0xffff880000200000 |#####     :    !####",
        "                   +----------F---------",
    ]
    assert "".join(picture).isascii()


@pytest.mark.parametrize("log", ["trace-good", "trace-counted-not-done"])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_real_traces_fit_the_terminal(log: str, width: int) -> None:
    lines = (LOGS / f"{log}.log").read_text(errors="replace").splitlines()
    timelines = read(lines).timelines
    assert [timeline.test for timeline in timelines] == [
        "test_basic_alloc",
        "test_size",
        "test_multiple_allocs",
        "test_tlb_flushed",
    ]
    for timeline in timelines:
        assert timeline.cpu == 0
        picture = draw(timeline, width)
        assert max(map(len, picture)) <= width
        assert ("F flush" in picture[-1]) == bool(timeline.flushes)
    stair = [row.index("█") for row in draw(timelines[3], width)[1:15]]
    assert stair == sorted(stair, reverse=True)


def test_a_hostile_name_cannot_reach_the_terminal() -> None:
    evil = Timeline("\x1b[31m\x00" + "x" * 500, None, LOW, LOW + PAGE, 0, 1)
    for ascii_only in (False, True):
        picture = draw(evil, 60, ascii_only=ascii_only)
        assert "\x1b" not in "".join(picture)
        assert max(map(len, picture)) <= 60


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


@settings(max_examples=60, deadline=None)
@given(
    spans=st.lists(
        st.tuples(st.integers(0, 5000), st.integers(0, 50), st.integers(0, 600)), max_size=60
    ),
    flushes=st.lists(st.integers(0, 5000), max_size=20),
    width=st.integers(1, 250),
    height=st.integers(1, 60),
)
def test_every_picture_is_as_wide_and_as_high_as_asked(
    spans: list[tuple[int, int, int]], flushes: list[int], width: int, height: int
) -> None:
    builder = TimelineBuilder(0)
    for first, length, number in spans:
        base = LOW + number * PAGE
        builder.span(first, first + length, base, base + PAGE, reserved=number % 7 == 0)
    for event in flushes:
        builder.flush(event)
    picture = draw(builder.build("t", None, LOW, LOW), width, height)
    assert max(map(len, picture)) <= max(width, 40)
    assert len(picture) <= max(height, 2) + 5
    assert any("█" in row or "▒" in row for row in picture[1:-3]) == bool(spans)
