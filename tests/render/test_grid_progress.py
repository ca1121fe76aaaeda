# SPDX-License-Identifier: GPL-2.0-only
"""The grid of a series while it runs, in a terminal of any size and as plain lines."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mermapctl.events import Objects, StageEnded, StageStarted
from mermapctl.judge.result_types import Finding, Reason, Severity, Verdict
from mermapctl.records.record import Cell, Phases
from mermapctl.render.terminal.grid_progress import GridState
from mermapctl.render.terminal.progress import PlainDisplay
from mermapctl.render.terminal.text import Look
from mermapctl.series.grid_events import GridCell, GridProgress, GridStarted, GridWaits

COMMITS = tuple((f"{number:012x}", f"change {number} of a long series") for number in range(30))
STARTED = GridStarted(COMMITS, ("x86_64/base", "x86_64/smp"))
PASSED = Cell("x86_64", "base", Verdict.PASSED, phases=Phases(build=3.8, boot=1.0))
EARLY = Finding("early-flush", Severity.ERROR, "the TLB was flushed early")
FAILED = Cell("x86_64", "base", Verdict.FAILED, findings=(EARLY,), inherited="f" * 40)
ABSENT = Cell("x86_64", "base", Verdict.NO_VERDICT, reason=Reason.ABSENT)


def drawn(state: GridState, width: int, height: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, color_system=None)
    console.print(state.table(Look(), width, height))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("height", [5, 24, 60])
def test_the_table_fits_its_terminal_and_shows_what_runs(width: int, height: int) -> None:
    state = GridState(STARTED)
    state.ended(GridCell(16, 0, PASSED, 1, 60))
    state.progress(GridProgress(17, 0, StageStarted("build")))
    state.progress(GridProgress(17, 0, Objects(40, 613)))
    lines = drawn(state, width, height)
    assert len(lines) <= max(5, height)
    assert max(map(len, lines)) <= width
    (running,) = (line for line in lines if COMMITS[17][0] in line)
    assert "building" in running
    assert ("40/613" in running) == (width > 40)
    (before,) = (line for line in lines if COMMITS[16][0] in line)
    assert "passed" in before


def test_a_cell_that_waits_for_another_try_does_not_run() -> None:
    state = GridState(STARTED)
    state.progress(GridProgress(3, 0, StageStarted("build")))
    assert state.running_words() == "000000000003 x86_64/base building 0 s"
    state.waits(GridWaits(3, 0))
    assert state.running_words() == ""
    state.progress(GridProgress(3, 0, StageStarted("config")))
    assert state.running_words() == "000000000003 x86_64/base configuring 0 s"


def test_a_cell_is_one_plain_line() -> None:
    out = io.StringIO()
    display = PlainDisplay(out)
    display.take(STARTED)
    display.take(GridProgress(0, 0, StageEnded("config", 0.1, ok=True)))
    display.take(GridCell(0, 0, ABSENT, 1, 60))
    display.take(GridCell(1, 0, PASSED, 2, 60))
    display.take(GridCell(2, 1, FAILED, 3, 60))
    display.take(GridCell(-1, 0, PASSED, 3, 60))
    head, *lines = out.getvalue().splitlines()
    assert head == "mermapctl: 30 commits, 60 cells"
    assert lines[:3] == [
        "mermapctl: 1/60 000000000000 x86_64/base absent: change 0 of a long series",
        (
            "mermapctl: 2/60 000000000001 x86_64/base passed (build 3.8 s, boot 1.0 s): "
            "change 1 of a long series"
        ),
        (
            "mermapctl: 3/60 000000000002 x86_64/smp failed: early-flush (same kernel as "
            "ffffffffffff): change 2 of a long series"
        ),
    ]
    assert lines[3].endswith(": before the series")
