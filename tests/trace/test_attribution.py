# SPDX-License-Identifier: GPL-2.0-only
"""Whose events are those that a kernel prints while its kprobes are still breakpoints."""

from __future__ import annotations

import pytest

from mermapctl.trace import events
from mermapctl.trace.attribution import Callers

GET = "mm_get: (__mermap_get+0x0/0x250) mm=0xff01 size=4096 rsv=0"
GOT = "mm_got: (get+0xa0/0x140 <- __mermap_get) ret=0xff88 w={0x1,0xff80,0xff90}"
WALK = "mm_walk: (apply_to_existing_page_range+0x0/0x10) mm=0xff01 len=4096 at=0xffff880000200000"
OTHER_WALK = WALK.replace("0xff01", "0xff02")
NEXT_WALK = WALK.replace("0000200000", "0000400000")
PUT = "mm_put: (__mermap_put+0x0/0x90) alloc=0xff88"
FLUSH = "mm_flush: (__flush_tlb_all+0x0/0x90) by=__mermap_get+0x173/0x250"
FOREIGN = "mm_flush: (__flush_tlb_all+0x0/0x90) by=flush_all_zero_pkru+0x1/0x2"
UNPIN = "mm_unpin: (migrate_enable+0x0/0x90) by=__mermap_put+0x1/0x2"


@pytest.mark.parametrize(
    ("printed", "whose"),
    [
        # One thread on one CPU: some of its probes are breakpoints.
        ([("T19", GET), ("C0", WALK), ("T19", GOT), ("C0", PUT), ("C0", WALK)], ["T19"] * 5),
        ([("T19", GET), ("C0", FLUSH), ("C0", FLUSH), ("T19", GOT)], ["T19"] * 4),
        ([("T19", GET), ("T19", GOT), ("C0", PUT), ("T19", WALK), ("C0", UNPIN)], ["T19"] * 5),
        # Its get was a breakpoint: later events of the thread get the same name.
        ([("C0", GET), ("C0", WALK), ("T19", GOT), ("T19", PUT), ("C0", WALK)], ["C0"] * 5),
        # A clean-up thread puts the mapping of another one: a put printed as a CPU's is taken for
        # that thread's, and so are its consequences, whichever thread prints them.
        (
            [("T19", GET), ("T19", GOT), ("C0", PUT), ("T20", WALK), ("T20", UNPIN)],
            ["T19"] * 5,
        ),
        (
            [("T19", GET), ("T19", GOT), ("C0", PUT), ("T20", OTHER_WALK), ("T20", WALK)],
            ["T19"] * 3 + ["T20", "T19"],
        ),
        # Not so for a put printed as its thread's, or a get of that thread.
        ([("T19", GET), ("T19", GOT), ("T20", PUT), ("T20", WALK)], ["T19", "T19", "T20", "T20"]),
        (
            [("T19", GET), ("T19", GOT), ("C0", PUT), ("T20", GET), ("T20", WALK), ("T20", GOT)],
            ["T19"] * 3 + ["T20"] * 3,
        ),
        # An interrupt's flush, and a walk of another process, are not the get's.
        ([("T19", GET), ("C0", FOREIGN), ("T19", GOT)], ["T19", "C0", "T19"]),
        ([("T19", GET), ("C0", OTHER_WALK), ("T19", GOT)], ["T19", "C0", "T19"]),
        # Another CPU's thread is told apart once it was seen there.
        (
            [("T19", GET), ("C0", WALK), ("T20", GET), ("C1", FLUSH), ("C0", FLUSH)],
            ["T19", "T19", "T20", "T20", "T19"],
        ),
        # Two gets at once: a thread that was seen on a CPU comes before one never seen.
        (
            [
                *(("T19", GET), ("C0", WALK), ("T19", GOT)),
                *(("T19", GET), ("T20", GET), ("C0", WALK), ("C1", WALK), ("T19", GOT)),
            ],
            ["T19"] * 4 + ["T20", "T19", "T20", "T19"],
        ),
        # A put whose walk follows the entry of a get of a thread not yet seen on a CPU.
        (
            [
                *(("T19", GET), ("C0", WALK), ("T19", GOT), ("C0", PUT)),
                *(("T20", GET), ("C0", WALK), ("C1", NEXT_WALK), ("T20", GOT)),
            ],
            ["T19"] * 4 + ["T20", "T19", "T20", "T20"],
        ),
        # A get in place of that put's thread walks its own range.
        (
            [
                *(("T19", GET), ("C0", WALK), ("T19", GOT), ("C0", PUT), ("C0", WALK)),
                *(("T20", GET), ("C0", WALK), ("T20", GOT)),
            ],
            ["T19"] * 5 + ["T20"] * 3,
        ),
        # Without a caller nothing is attributed.
        ([("", GET), ("", WALK), ("", GOT)], [""] * 3),
    ],
)
def test_an_event_is_its_threads_however_it_printed(
    printed: list[tuple[str, str]], whose: list[str]
) -> None:
    callers = Callers()
    found = []
    for number, (caller, text) in enumerate(printed, 1):
        match = events.START.search(text)
        assert match
        found.append(callers.of(events.parse(match, text, len(text), number, caller)))
    assert found == whose


def test_the_next_test_has_threads_of_its_own() -> None:
    callers = Callers()
    for caller, text in (("C0", GET), ("T19", GOT)):
        match = events.START.search(text)
        assert match
        assert callers.of(events.parse(match, text, len(text), 1, caller)) == "C0"
    callers.test_ended()
    match = events.START.search(GET)
    assert match
    assert callers.of(events.parse(match, GET, len(GET), 2, "T19")) == "T19"
