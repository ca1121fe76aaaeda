# SPDX-License-Identifier: GPL-2.0-only
"""Summaries of stored runs -> one HTML page, with links to the pages of runs that have one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records.rows import RunSummary
from mermapctl.render.html.environment import document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mermapctl.records.rows import CellSummary

_WORST = (Verdict.FAILED, Verdict.NO_VERDICT, Verdict.PASSED)
_CODES = 4
"""Findings listed for one cell."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the list. `word` is its verdict or state, `page` the address of its page."""

    run: RunSummary
    verdict: Verdict
    word: str
    cells: tuple[CellRow, ...]
    page: str | None


@dataclass(frozen=True, slots=True)
class CellRow:
    """A cell of a run in the list; `more` counts findings beyond `codes`.

    A column of a series is one, with the verdicts of its commits, oldest first, null for absent.
    """

    name: str
    verdict: Verdict
    reason: str | None
    codes: tuple[str, ...]
    more: int
    marks: tuple[Verdict | None, ...] = ()


def render(runs: Sequence[RunSummary], total: int, pages: Mapping[str, str]) -> str:
    """Return the page of `runs`, newest first, out of `total`; `pages` are addresses by run id."""
    rows = [_row(run, pages.get(run.id)) for run in runs]
    tally = Counter(row.verdict for row in rows)
    return document(
        "runs.html",
        ("page.css", "runs.css"),
        ("theme.js", "runs.js"),
        rows=rows,
        total=total,
        tally=[(verdict, tally[verdict]) for verdict in Verdict],
        latest=rows[0] if rows else None,
    )


def _row(run: RunSummary, page: str | None) -> RunRow:
    verdict = Verdict(run.verdict)
    word = verdict.value.replace("-", " ") if run.state == "finished" else run.state
    if run.state != "finished" and verdict is Verdict.FAILED:
        word = f"failed, {run.state}"
    if run.outcome and run.state == "finished":
        word = run.outcome
    series = len({cell.commit for cell in run.cells}) > 1
    cells = _columns(run.cells) if series else map(_cell, run.cells)
    return RunRow(run, verdict, word, tuple(cells), page)


def _columns(cells: Sequence[CellSummary]) -> Iterator[CellRow]:
    """Yield a row for each target and variant of a series."""
    names = dict.fromkeys((cell.target, cell.variant) for cell in cells)
    for name in names:
        own = [cell for cell in cells if (cell.target, cell.variant) == name]
        marks = tuple(None if each.reason == Reason.ABSENT else Verdict(each.verdict)
                      for each in own)  # fmt: skip
        worst = next((each for each in _WORST if each in marks), Verdict.NO_VERDICT)
        codes = tuple(dict.fromkeys(code for cell in own for code in cell.findings))
        made = _cell(replace(own[0], verdict=worst, reason=None, findings=codes))
        yield replace(made, marks=marks)


def _cell(cell: CellSummary) -> CellRow:
    name = f"{cell.target or '?'}/{cell.variant or '?'}"
    codes = tuple(dict.fromkeys(cell.findings))
    verdict = Verdict(cell.verdict)
    return CellRow(name, verdict, cell.reason, codes[:_CODES], max(len(codes) - _CODES, 0))
