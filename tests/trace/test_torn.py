# SPDX-License-Identifier: GPL-2.0-only
"""A trace with other text printed into it never leads to a finding."""

from __future__ import annotations

import pytest

from mermapctl.judge.console_verdict import Judgement, judge
from mermapctl.judge.result_types import Severity, Verdict
from tests.mermap_model import Kernel, Shape
from tests.tables import MANIFEST, SEARCH

PAGES = 6
SHAPES = {
    "threads": Shape(pages=PAGES, stamps=True),
    "breakpoints": Shape(pages=PAGES, stamps=True, breakpoints=0xB5A3),
    "names": Shape(pages=PAGES, by=False),
    "no-callers": Shape(pages=PAGES, callers=False),
    "names-only": Shape(pages=PAGES, callers=False, by=False),
    "entries": Shape(pages=PAGES, entries=True, walks="newest", slots="three"),
    "first": Shape(pages=PAGES, callers=False, entries=True, walks="first", inlined=True),
}
FOREIGN = "random: crng init done"


def console(shape: Shape) -> list[str]:
    """Return a suite of one test that uses its whole region and wraps once."""
    kernel = Kernel(shape)
    mm = kernel.prepare()
    for number in range(PAGES):
        alloc = kernel.get(27, mm, 0, 1, reserved=number == PAGES - 2)
        assert alloc is not None
        kernel.put(27, alloc)
    kernel.teardown(mm, 1)
    head = ["KTAP version 1", "1..1", "    KTAP version 1", "    # Subtest: s", "    1..1"]
    return [*kernel.lines[:2], *head, *kernel.lines[2:], "    ok 1 t", "ok 1 s"]


def judged(lines: list[str]) -> Judgement:
    text = "\n".join(lines) + "\n"
    return judge([text.encode()], manifest=MANIFEST)


def torn(line: str, cut: int, how: str, foreign: str) -> list[str]:
    if how == "split":
        return [line[:cut] + foreign, line[cut:]]
    return [line[:cut] + (foreign + line[cut:] if how == "glued" else "")]


def cuts(line: str, first: int, number: int) -> list[int]:
    """Return cuts at both sides of each end of a token, and every third other place, by shape.

    The lines of one event differ little between shapes, so each place is cut in two of seven; a
    search cuts all of them.
    """
    ends = {0, first, len(line) - 1}
    for at in range(1, len(line)):
        if line[at - 1].isalnum() != line[at].isalnum():
            ends |= {at - 1, at, at + 1}
    every = range(first, len(line))
    return [at for at in every if SEARCH or at in ends or (at + number) % 3 == 0]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_an_intact_trace_is_judged_and_passes(shape: Shape) -> None:
    judgement = judged(console(shape))
    assert (judgement.verdict, judgement.findings) == (Verdict.PASSED, ())
    assert judgement.trace is not None
    assert judgement.trace.complete
    assert judgement.trace.tests[0].flushes_done == 1


@pytest.mark.parametrize("how", ["split", "glued", "cut"])
@pytest.mark.parametrize(
    "name",
    ["mm_get", "mm_got", "mm_put", "mm_put_outer", "mm_flush", "mm_walk", "mm_tables", "mm_pte",
     "mm_walk_any", "mm_tear"],
)  # fmt: skip
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_torn_it_accuses_nobody(shape: Shape, name: str, how: str) -> None:
    lines = console(shape)
    there = [number for number, line in enumerate(lines) if f"{name}: (" in line]
    if not there:  # this shape has no such event
        assert f"{name}," not in lines[0] or name in ("mm_walk", "mm_tables")
        return
    at = max(there)
    line = lines[at]
    begins = line.index("mm_")
    stamp = "[    0.000001]" if shape.stamps else ""
    foreign = f"{stamp}[    T1] {FOREIGN}" if shape.callers else FOREIGN
    first = begins + len("mm_") if how == "cut" else 0  # a shorter rest shows nothing
    for cut in cuts(line, first, list(SHAPES.values()).index(shape)):
        pieces = torn(line, cut, how, foreign)
        judgement = judged([*lines[:at], *pieces, *lines[at + 1 :]])
        found = [each for each in judgement.findings if each.severity is not Severity.NOTE]
        assert found == [], pieces
