# SPDX-License-Identifier: GPL-2.0-only
"""Histories of a correct mermap never give a finding; those of a broken one always do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mermapctl.judge.result_types import Flush, Severity
from tests.mermap_model import FAULTS, WALKS, Alloc, Kernel, Mm, Shape
from tests.tracelog import codes, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

THREADS = 3


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    style = draw(st.sampled_from(["array", "words", "legacy"]))
    legacy = style == "legacy"
    base, end = draw(st.sampled_from([(1, 2), (0, 1), (2, 1), (3, 7), (5, 6), (0, 7)]))
    callers = draw(st.booleans())
    by = callers and draw(st.booleans())
    return Shape(
        style=style,
        base_word=base,
        end_word=end,
        callers=callers and not legacy,
        stamps=draw(st.booleans()),
        walks="" if legacy else draw(st.sampled_from(["", *WALKS])),
        entries=callers and not legacy and draw(st.booleans()),
        outer=not legacy and draw(st.booleans()),
        inlined=draw(st.booleans()),
        slots=draw(st.sampled_from(["four", "three"])),
        teardown=not legacy and draw(st.booleans()),
        by=by and not legacy,
        nested=by and not legacy and draw(st.booleans()),
        pages=draw(st.integers(6, 24)),
        cpus=draw(st.integers(1, 3)),
        pins=callers and not legacy and draw(st.booleans()),
        tables="" if legacy else draw(st.sampled_from(["", "whole", "each"])),
        breakpoints=draw(st.just(0) | st.integers(1, 0xFFFF)),
    )


class Player:
    """Run operations on a Kernel as threads may: on one CPU while a mapping is live."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.mms: list[Mm] = [kernel.prepare()]
        self.held: list[tuple[int, Alloc]] = []
        self.cpu = dict.fromkeys(range(THREADS), 0)
        self.tests = 0

    def threads(self) -> range:
        return range(THREADS if self.kernel.shape.callers else 1)

    def play(self, operation: tuple[str, int, int, int]) -> None:
        name, who, which, amount = operation
        thread = who % len(self.threads())
        mm = self.mms[which % len(self.mms)]
        match name:
            case "get" | "reserved":
                self.get(thread, mm, amount, reserved=name == "reserved")
            case "put":
                self.put_any(thread, which)
            case "cycle":
                for _ in range(amount):
                    self.cycle(thread, mm, 1 + which % 3)
            case "migrate":
                self.migrate(thread, which)
            case "process":
                self.mms += [self.kernel.prepare()] if len(self.mms) < 3 else []
            case "exit":
                self.exit(mm)
            case "flush":
                self.kernel.foreign_flush(f"T{50 + who}" if which % 2 else f"C{who}")
            case "test":
                self.end_test()

    def migrate(self, thread: int, cpu: int) -> None:
        if self.kernel.shape.breakpoints:
            return  # with several CPUs the thread of a breakpoint may be unknown
        if all(held[0] != thread for held in self.held):
            self.cpu[thread] = cpu % self.kernel.shape.cpus

    def cycle(self, thread: int, mm: Mm, pages: int) -> None:
        if self.get(thread, mm, pages, reserved=False) is not None:
            self.put(self.held[-1])

    def put_any(self, thread: int, which: int) -> None:
        mine = [held for held in self.held if held[0] == thread]
        if mine:
            self.put(mine[which % len(mine)])

    def get(self, thread: int, mm: Mm, pages: int, *, reserved: bool) -> Alloc | None:
        cpu = self.cpu[thread]
        busy = any(held[0] != thread and held[1].cpu == cpu for held in self.held)
        if reserved and busy:
            return None  # its user keeps the CPU for itself
        alloc = self.kernel.get(100 + thread, mm, cpu, 1 if reserved else pages, reserved=reserved)
        if alloc is not None:
            self.held.append((thread, alloc))
        return alloc

    def put(self, held: tuple[int, Alloc]) -> None:
        self.held.remove(held)
        self.kernel.put(100 + held[0], held[1])

    def exit(self, mm: Mm) -> None:
        for held in [held for held in self.held if held[1].mm is mm]:
            self.put(held)
        self.kernel.teardown(mm, 1)
        self.mms.remove(mm)
        if self.kernel.shape.teardown:  # its address may serve again at once
            self.mms.append(self.kernel.prepare(recycle=mm))
        elif not self.mms:
            self.mms.append(self.kernel.prepare())

    def end_test(self, name: str | None = None) -> None:
        old = self.mms
        for mm in list(old):
            self.exit(mm)
        self.kernel.test_ended(name or f"test_{self.tests}")
        self.tests += 1
        self.mms = [self.kernel.prepare(recycle=old[0])] if old else [self.kernel.prepare()]

    def history(self, operations: Sequence[tuple[str, int, int, int]]) -> None:
        before: tuple[int, int] | None = None  # thread and first line of the operation before
        for operation in operations:
            name, who, _, amount = operation
            thread, start = who % len(self.threads()), len(self.kernel.lines)
            self.play(operation)
            if name not in ("get", "put"):
                before = None
            elif before and self.cpu[before[0]] != self.cpu[thread]:
                self.interleave(before[1], start, amount)
                before = None
            else:
                before = (thread, start)
        self.get(0, self.mms[0], 1, reserved=False)
        self.end_test()

    def interleave(self, first: int, second: int, seed: int) -> None:
        """Two CPUs at once: their lines mix, in the order of each CPU."""
        lines = self.kernel.lines
        one, two = lines[first:second], lines[second:]
        mixed = []
        while one or two:
            mixed.append((one if one and (seed & 1 or not two) else two).pop(0))
            seed = seed >> 1 | (seed & 1) << 4
        lines[first:] = mixed


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["get", "get", "get", "put", "put", "cycle", "cycle", "reserved", "migrate", "process",
             "exit", "flush", "test"]
        ),
        st.integers(0, 7),
        st.integers(0, 7),
        st.integers(1, 30),
    ),
    max_size=120,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@example(  # a wrap onto addresses that an earlier wrap's flush has cleaned flushes all the same
    shape=Shape(pages=7, cpus=1),
    operations=[("cycle", 0, 0, 2), ("get", 0, 0, 1), ("cycle", 0, 0, 1), ("put", 0, 0, 1)],
    small=True,
)
@example(  # the refusal of a fourth get says nothing of the region's end
    shape=Shape(pages=8, cpus=1, slots="three", tables="whole"),
    operations=[("get", 0, 0, 1)] * 4 + [("reserved", 0, 0, 1), ("get", 0, 0, 1)],
    small=True,
)
@given(shape=shapes(), operations=OPERATIONS, small=st.booleans())
def test_a_correct_mermap_gives_no_finding(
    shape: Shape, operations: list[tuple[str, int, int, int]], small: bool
) -> None:
    player = Player(Kernel(shape))
    sized = [(n, a, b, 1 + amount % 3 if small else amount) for n, a, b, amount in operations]
    player.history(sized)
    found, _, account = judge(player.kernel.lines, ())
    assert [finding for finding in found if finding.severity is not Severity.NOTE] == []
    assert account.complete


FIRST = {
    "wrap-onto-live": "g",
    "same-address-twice": "g",
    "neighbours-region": "gn",
    "no-slot-limit": "ggggg",
    "takes-reserve": "gp",
    "stale-reserve": "fprprp",
    "wrap-early": "fp",
    "bounds-short": "lgrpp",
    "refusal-stays-pinned": "fffpp",
    "unmaps-one-page": "dp",
    "maps-one-page": "dp",
    "first-page-again": "dp",
    "other-page": "gpgpgpgp",
    "skips-an-entry": "dp",
}
"""A fault -> operations that show it: g(et), p(ut), r(eserved), d(ouble), f(ull), l(arge, all but
a page), n(ext CPU)."""


def provoke(player: Player, fault: str) -> int:
    """Make a fault show after any history; return the suite's counter."""
    region = player.kernel.shape.pages
    for held in list(player.held):
        player.put(held)
    mm = player.kernel.prepare()
    player.mms.append(mm)
    player.cpu = dict.fromkeys(range(THREADS), 0)
    pages = {"g": 1, "r": 1, "n": 1, "d": 2, "f": region - 1, "l": region - 2}
    for letter in FIRST.get(fault, "") + "gp" * (region + 2):
        if letter == "p":
            if player.held:
                player.put(player.held[-1])
            continue
        thread = int(letter == "n")
        player.cpu[thread] = thread
        player.get(thread, mm, pages[letter], reserved=letter == "r")
    return mm.cpus[0].counted


NEEDS: dict[str, dict[str, object]] = {
    "takes-reserve": {"tables": "whole", "teardown": True},
    "no-unmap": {"walks": "first"},
    "unmaps-one-page": {"walks": "newest"},
    "maps-one-page": {"walks": "existing"},
    "stays-pinned": {"pins": True},
    "refusal-stays-pinned": {"pins": True},
    "bounds-short": {"tables": "whole", "teardown": True, "breakpoints": 0},
    "bounds-long": {"tables": "whole", "teardown": True},
    "flush-at-put": {"by": True},
    "neighbours-region": {"cpus": 2},
    "never-put": {"outer": True},
    "first-page-again": {"entries": True},
    "other-page": {"entries": True},
    "skips-an-entry": {"entries": True},
    "entry-too-many": {"entries": True},
}
"""Return the probes and the shape without which a fault cannot be seen."""


def able(shape: Shape, fault: str) -> Shape:
    needs = NEEDS.get(fault, {})
    if "stays-pinned" in fault or needs.get("entries") or "by" in needs:
        needs = {**needs, "callers": shape.style != "legacy"}
    return replace(shape, **needs)  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", FAULTS)
@settings(max_examples=25, deadline=None)
@given(shape=shapes(), operations=OPERATIONS)
def test_a_broken_mermap_is_always_found(
    fault: str, shape: Shape, operations: list[tuple[str, int, int, int]]
) -> None:
    player = Player(Kernel(able(shape, fault), fault))
    player.history(operations)
    counted = provoke(player, fault)
    player.end_test("test_tlb_flushed")
    found, _, _ = judge(
        player.kernel.lines, (Flush("test_tlb_flushed", expected=None, counted=counted),)
    )
    assert FAULTS[fault] <= set(codes(found))
