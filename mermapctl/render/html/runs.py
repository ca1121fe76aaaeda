# SPDX-License-Identifier: GPL-2.0-only
"""Summaries of stored runs -> one HTML page, with links to the pages of runs that have one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.judge.verdict import Verdict
from mermapctl.records.rows import RunSummary
from mermapctl.render.html.environment import document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mermapctl.records.rows import CellSummary

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
    """A cell of a run in the list; `more` counts findings beyond `codes`."""

    name: str
    verdict: Verdict
    reason: str | None
    codes: tuple[str, ...]
    more: int


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
    return RunRow(run, verdict, word, tuple(map(_cell, run.cells)), page)


def _cell(cell: CellSummary) -> CellRow:
    name = f"{cell.target or '?'}/{cell.variant or '?'}"
    codes = tuple(dict.fromkeys(cell.findings))
    verdict = Verdict(cell.verdict)
    return CellRow(name, verdict, cell.reason, codes[:_CODES], max(len(codes) - _CODES, 0))
