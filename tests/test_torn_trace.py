# SPDX-License-Identifier: GPL-2.0-only
"""A trace into which something else was printed is never the ground for an accusation."""

from __future__ import annotations

import pytest

from mermapctl import manifest
from mermapctl.diagnosis import Severity, Verdict
from mermapctl.judge import Judgement, judge
from tests.mermap_model import Kernel, Shape

MANIFEST = manifest.load()
PAGES = 6


def console(*, callers: bool, by: bool) -> list[str]:
    """A suite of one test that takes its whole region and wraps once."""
    kernel = Kernel(Shape(pages=PAGES, callers=callers, by=by, stamps=callers))
    mm = kernel.prepare()
    for _ in range(PAGES):
        alloc = kernel.get(27, mm, 0, 1, reserved=False)
        assert alloc is not None
        kernel.put(27, alloc)
    kernel.teardown(mm, 1)
    head = ["KTAP version 1", "1..1", "    KTAP version 1", "    # Subtest: s", "    1..1"]
    return [*kernel.lines[:2], *head, *kernel.lines[2:], "    ok 1 t", "ok 1 s"]


def judged(lines: list[str]) -> Judgement:
    text = "\n".join(lines) + "\n"
    return judge([text.encode()], manifest=MANIFEST)


SHAPES = [(True, True), (True, False), (False, True), (False, False)]
FOREIGN = "random: crng init done"
HOW = ["split", "glued", "cut"]


@pytest.mark.parametrize(("callers", "by"), SHAPES)
def test_whole_it_is_judged_and_good(*, callers: bool, by: bool) -> None:
    judgement = judged(console(callers=callers, by=by))
    assert (judgement.verdict, judgement.findings) == (Verdict.PASSED, ())
    assert judgement.trace is not None
    assert judgement.trace.complete
    assert judgement.trace.tests[0].flushes_done == 1


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", ["mm_get", "mm_got", "mm_put", "mm_flush", "mm_walk", "mm_tear"])
@pytest.mark.parametrize(("callers", "by"), SHAPES)
def test_torn_it_accuses_nobody(name: str, how: str, *, callers: bool, by: bool) -> None:
    lines = console(callers=callers, by=by)
    at = max(number for number, line in enumerate(lines) if f"{name}: (" in line)
    line = lines[at]
    prefix = line[: line.index("mm_")]
    foreign = prefix.replace("T27", "T1").replace("T1]", " T1]", 1) + FOREIGN
    first = len(f"{prefix}mm_") if how == "cut" else 0  # of less nothing is left to see
    for cut in range(first, len(line)):
        torn = {
            "split": [line[:cut] + foreign, line[cut:]],
            "glued": [line[:cut] + foreign + line[cut:]],
            "cut": [line[:cut]],
        }[how]
        judgement = judged([*lines[:at], *torn, *lines[at + 1 :]])
        found = [each for each in judgement.findings if each.severity is not Severity.NOTE]
        assert found == [], torn
