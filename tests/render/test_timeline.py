# SPDX-License-Identifier: GPL-2.0-only
"""Pictures of timelines: what is enlarged, what is said in words, and whose entries are shown."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mermapctl.judge.witness_summary import WitnessSummary
from mermapctl.render.html import timeline_picture
from mermapctl.render.html.event_words import EventWords, entry_words, is_wrong
from mermapctl.trace.timeline import Span
from tests import sample_records as samples

if TYPE_CHECKING:
    from mermapctl.records.record import Cell
    from mermapctl.trace.timeline import Timeline

PAGE = 4096
BASE = samples.REGION
ENTRY = 0x8000000001DC8063


def span(entries: str, asked: int | None = 0x1DC8, left: str | None = "-", pages: int = 1) -> Span:
    return Span(2, 3, BASE, BASE + pages * PAGE, entries=entries, asked=asked, left=left)


def with_entries(timeline: Timeline, **changes: object) -> Timeline:
    """Give each get the entry of the page that its place asks for."""
    spans = tuple(
        replace(each, entries=f"{ENTRY + n % 7 * PAGE:#x}", asked=0x1DC8 + n % 7, left="-")
        for n, each in enumerate(timeline.spans)
    )
    return replace(timeline, spans=spans, **changes)  # type: ignore[arg-type]


def witnessed(traced: Timeline | None, seen: Timeline) -> Cell:
    cell = samples.traced().cells[0]
    assert cell.trace is not None
    timelines = () if traced is None else (traced,)
    return replace(
        cell,
        trace=replace(cell.trace, timelines=timelines),
        witness=WitnessSummary(timelines=(seen,)),
    )


# --- enlarged -----------------------------------------------------------------------------------


def test_a_stale_reuse_and_the_put_before_it_are_enlarged() -> None:
    near = timeline_picture.draw(samples.timeline(stale=True)).closeup
    assert near.windows == ((2, 6), (1527, 1536))
    assert not near.whole
    (stale,) = [bar for bar in near.bars if bar.kind == "stale"]
    first = next(bar for bar in near.bars if bar.number == 0)
    assert (stale.label, stale.y, stale.height) == ("reused, not flushed", first.y, first.height)
    assert stale.height > 5
    assert first.tail == stale.x
    assert [tick.label for tick in near.rows][:3] == ["0", "1", "508"]
    assert len(near.bars) < 12


def test_the_flush_is_enlarged() -> None:
    near = timeline_picture.draw(samples.timeline(stale=False)).closeup
    (flush,) = near.flushes
    again = next(bar for bar in near.bars if bar.number == 511)
    assert (flush.at, flush.label) == (again.x, "event 1,536: TLB flush")
    before = [bar for bar in near.bars if bar.x < flush.at]
    assert {bar.tail for bar in before} == {flush.at}


def test_a_short_test_is_drawn_whole() -> None:
    traced = samples.traced().cells[0]
    small = timeline_picture.draw_all(traced)[1]
    assert small.closeup.whole
    assert [tick.label for tick in small.closeup.rows] == ["0", "1", "2", "3"]
    assert [bar.number for bar in small.closeup.bars] == [0, 1, 2, 3]


def test_all_is_inside_of_the_drawing() -> None:
    for stale in (True, False):
        near = timeline_picture.draw(samples.timeline(stale=stale)).closeup
        for bar in near.bars:
            assert bar.x >= 0
            assert bar.x + bar.width <= 100.6
            assert bar.y >= 0
            assert bar.y + bar.height <= 100.001
            assert bar.tail is None or bar.x <= bar.tail <= 100
        for boxes in (near.cuts_across, near.cuts_down):
            assert all(box.at >= 0 and box.at + box.size <= 100.01 for box in boxes)


def test_the_overview_has_every_get() -> None:
    picture = timeline_picture.draw(samples.timeline(stale=True))
    paths = dict(picture.overview.paths)
    assert (paths["live"].count("M"), paths["stale"].count("M")) == (511, 1)
    assert len(picture.events) == 512
    assert picture.overview.x_ticks
    ((x, y),) = picture.overview.stale
    assert x > 95
    assert y > 95
    assert all(0 < window.size < 10 for window in picture.overview.windows)


def test_a_put_range_is_ruled_until_the_flush() -> None:
    timeline = samples.timeline(stale=False, pages=2)
    (flush,) = timeline.flushes
    ends = re.findall(r"M\d+ [\d.]+H([\d.]+)", timeline_picture.draw(timeline).overview.waiting)
    assert float(ends[0]) == flush


def test_faults_come_first_then_flushes() -> None:
    good, bad = samples.timeline(stale=False), samples.timeline(stale=True)
    cell = witnessed(good, bad)
    assert [picture.source for picture in timeline_picture.draw_all(cell)] == ["witness", "console"]


# --- in words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stale", "said"),
    [
        (True, ("Page 0 was handed out again at event 1,535. This CPU's TLB was not flushed since "
               "its put at event 3.")),
        (False, "The get at event 1,536 flushed the TLB, then used page 0 again."),
    ],
)  # fmt: skip
def test_the_story(*, stale: bool, said: str) -> None:
    assert EventWords(samples.timeline(stale=stale)).story() == said


def test_a_test_without_reuse() -> None:
    small = samples.traced().cells[0].trace.timelines[0]  # type: ignore[union-attr]
    said = "The mermap did not flush this CPU's TLB, and used no address twice."
    assert EventWords(small).story() == said


def test_a_reuse_after_a_foreign_flush_is_not_called_unused() -> None:
    timeline = replace(samples.timeline(stale=True), stale=(), stale_count=0)
    assert EventWords(timeline).story() == "The mermap did not flush this CPU's TLB."


def test_each_get_in_words() -> None:
    timeline = samples.timeline(stale=True)
    words = EventWords(timeline)
    first, last = timeline.spans[0], timeline.spans[-1]
    assert words.get(first) == "event 2: get of page 0 at 0xffff880000200000, put at event 3"
    assert "live until event 1,536; " in words.get(last)
    assert "put at event 1,536; " in words.get(replace(last, left="-"))
    assert words.get(last).endswith("used before, and no TLB flush since its put at event 3")


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (span(f"{ENTRY:#x}"), ("PTE 0x8000000001dc8063: page 0x1dc8, writable, no-execute; "
                              "none is left after the put")),
        (span(f"{ENTRY:#x}", left=None), ("PTE 0x8000000001dc8063: page 0x1dc8, writable, "
                                         "no-execute")),
        (span(f"{ENTRY:#x}*3+0x1000", left=None, pages=3),
         "PTE 0x8000000001dc8063 and 2 more: pages 0x1dc8 to 0x1dca, writable, no-execute"),
        (span("", asked=None, left=None), ""),
    ],
)  # fmt: skip
def test_right_entries_in_words(one: Span, said: str) -> None:
    assert (entry_words(one), is_wrong(one)) == (said, False)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (span("0x8000000001dc9063"), "page 0x1dc8 was asked for"),
        (span("0xffffffffff200"), "PTE 0xffffffffff200, not present"),
        (span(f"{ENTRY:#x}*3", pages=3), "page 0x1dc9 was asked for"),
        (span(f"{ENTRY:#x}*3", asked=None, pages=3), "page 0x1dc9 was asked for"),
        (span(f"{ENTRY:#x},0x8000000001dff063", pages=2), "page 0x1dc9 was asked for"),
        (span(f"{ENTRY:#x}*2-0x7ff00000000e63", pages=2), "not present"),
        (span(f"{ENTRY:#x}", left=f"{ENTRY:#x}"), "still present after the put: PTE "),
    ],
)
def test_wrong_entries_in_words(one: Span, said: str) -> None:
    assert said in entry_words(one)
    assert is_wrong(one)


def test_entries_of_an_edited_record_are_left_out() -> None:
    assert entry_words(span("<b>", left="?")) == ""
    assert not is_wrong(span("0x1*99999999999"))


# --- the witness --------------------------------------------------------------------------------


def test_the_witness_adds_its_entries_to_the_same_gets() -> None:
    traced = samples.timeline(stale=True)
    moved = tuple(replace(each, first=each.first * 2, last=each.last * 2) for each in traced.spans)
    (picture,) = timeline_picture.draw_all(
        witnessed(traced, with_entries(replace(traced, spans=moved)))
    )
    assert picture.source == "both"
    assert picture.events[0].first == traced.spans[0].first
    assert picture.events[1].entries.startswith("PTE 0x8000000001dc9063: page 0x1dc9, writable")


@pytest.mark.parametrize(
    "seen",
    [
        with_entries(samples.timeline(stale=False)),
        with_entries(samples.timeline(stale=True), cpu=1),
        with_entries(samples.timeline(stale=True), test="test_size"),
        with_entries(samples.timeline(stale=True, pages=510)),
    ],
)
def test_other_gets_are_a_picture_of_their_own(seen: Timeline) -> None:
    pictures = timeline_picture.draw_all(witnessed(samples.timeline(stale=True), seen))
    assert sorted(picture.source for picture in pictures) == ["console", "witness"]
    for picture in pictures:
        assert (picture.events[0].entries != "") == (picture.source == "witness")


def test_a_kernel_without_probes_has_the_witnesss_timeline() -> None:
    seen = with_entries(samples.timeline(stale=True))
    cell = replace(witnessed(None, seen), trace=None)
    (picture,) = timeline_picture.draw_all(cell)
    assert (picture.source, picture.stale_lines) == ("witness", ())


def test_a_wrong_entry_is_enlarged_and_named() -> None:
    traced = samples.timeline(stale=False)
    seen = with_entries(traced)
    spans = list(seen.spans)
    spans[200] = replace(spans[200], entries=f"{ENTRY + 99 * PAGE:#x}")
    (picture,) = timeline_picture.draw_all(witnessed(traced, replace(seen, spans=tuple(spans))))
    (bar,) = [bar for bar in picture.closeup.bars if bar.kind == "wrong"]
    assert (bar.number, bar.label, picture.key) == (200, "wrong entries", spans[200].first)
    assert picture.story.startswith(
        f"The entries of page 200, event {spans[200].first}, are wrong."
    )
