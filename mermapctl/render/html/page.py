# SPDX-License-Identifier: GPL-2.0-only
"""RunRecord -> one HTML file without references to the network or other files."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from mermapctl.judge.coverage import SourceLine, percent
from mermapctl.records.comparison import Moved, compare
from mermapctl.records.record_kinds import series_of
from mermapctl.render import complaint
from mermapctl.render.account import (
    Row,
    account,
    counts,
    failure_block,
    kernel,
    label,
    log_words,
    not_listed,
    own_kernel,
    subject,
    unfinished,
    verdict_word,
    why,
)
from mermapctl.render.excerpt import Gap
from mermapctl.render.html import grid as grids
from mermapctl.render.html.annotated import Fold, LineMark, annotate
from mermapctl.render.html.answer import (
    CellView,
    assertions,
    flush_is_bad,
    flush_tile,
    headline,
    shared_errors,
    totals,
)
from mermapctl.render.html.environment import GLYPHS, NONE, document, environment, tone
from mermapctl.render.html.timeline_picture import Picture, draw_all
from mermapctl.render.missing import missing_lines
from mermapctl.render.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mermapctl.judge.result_types import Finding
    from mermapctl.records.record import Cell, RunRecord

_PHASES = ("config", "build", "boot")
_LINE = re.compile(r"\bline (\d{1,9})\b")
_LINK = Markup('<a href="#{0}-L{1}">line {1}</a>')


@dataclass(frozen=True, slots=True)
class PhaseBar:
    """One phase in the chart; `x` and `width` in per cent of the longest cell."""

    phase: str
    x: float
    width: float
    seconds: float


@dataclass(frozen=True, slots=True)
class View(CellView):
    """The parts of the page for one cell."""

    pictures: tuple[Picture, ...]
    bars: tuple[PhaseBar, ...]
    seconds: float
    kernel: str | None
    console: tuple[Fold | Gap, ...]
    lines: int
    anchors: frozenset[int]


def render(
    record: RunRecord,
    *,
    console: Callable[[Cell], Iterable[str]] | None = None,
    previous: RunRecord | None = None,
) -> str:
    """Return the page; `previous` is an earlier run to compare with."""
    longest = max((_seconds(cell) for cell in record.cells), default=0.0)
    views = [
        _view(cell, f"c{n}", record, longest, console(cell) if console else ())
        for n, cell in enumerate(grids.opened(record))
    ]
    grid = grids.grid(record, views)
    _with_functions()
    return document(
        "page.html",
        ("page.css", "timeline.css", *(("grid.css",) if grid else ()), *_coverage_style(views)),
        ("theme.js", "page.js", "timeline.js"),
        record=record,
        views=views,
        alone=len(views) == 1 and grid is None,
        grid=grid,
        subjects=_subjects(record),
        suites={} if grid else _suites(views),
        totals=totals(record, _every(record) if grid else views),
        headline=grids.first_bad(record, views) or headline(views),
        errors=shared_errors(views) if len(views) > 1 else (),
        comparison=compare(previous, record) if previous else None,
        previous=previous,
        title=f"{verdict_word(record.verdict)}: {subject(record)} on {kernel(record)}",
        subject=subject(record),
        logs=log_words(record),
        unfinished=unfinished(record),
    )


@functools.cache
def _with_functions() -> None:
    """Add the functions of this page to the environment."""
    made = environment()
    made.filters |= {"why": why, "moved": _moved}
    made.globals |= {
        "complaint_facts": complaint.facts,
        "state": _state,
        "find": _find,
        "failure_block": failure_block,
        "counts": counts,
        "not_listed": not_listed,
        "kernel": kernel,
        "is_gap": lambda item: isinstance(item, Gap),
        "row_findings": _row_findings,
        "missing_lines": missing_lines,
        "flush_tile": lambda view: flush_tile(view.account, view.cell.flushes),
        "flush_is_bad": lambda view, flush: flush_is_bad(view.account, flush),
        "assertions": lambda view, finding: assertions(view.account, finding),
        "parts_of": _parts_of,
        "linked": _linked,
        "line_link": _line_link,
        "told": _told,
        "percent": percent,
        "source_tone": _source_tone,
    }


def _view(cell: Cell, prefix: str, record: RunRecord, longest: float, lines: Iterable[str]) -> View:
    pictures = draw_all(cell)
    stale: dict[int, LineMark] = {}
    for n, picture in enumerate(pictures):
        for line in picture.stale_lines:
            stale.setdefault(line, LineMark("stale reuse", f"{prefix}-p{n}"))
    folds, shown = annotate(cell, lines, f"{prefix}-", stale)
    anchors = {line.number for fold in folds if isinstance(fold, Fold) for line in fold.lines}
    return View(
        id=prefix,
        label=label(cell, record),
        cell=cell,
        account=account(cell),
        pictures=pictures,
        bars=_bars(cell, longest),
        seconds=_seconds(cell),
        kernel=own_kernel(cell, record),
        console=folds,
        lines=shown,
        anchors=frozenset(anchors),
    )


def _every(record: RunRecord) -> list[CellView]:
    """Return the cells of a series, also those that are not on the page in full."""
    return [CellView("", "", cell, account(cell)) for cell in record.cells]


def _subjects(record: RunRecord) -> dict[str | None, str]:
    """Return the subject of each commit of a series."""
    series = series_of(record)
    return {each.commit: each.subject for each in series.commits} if series else {}


def _seconds(cell: Cell) -> float:
    phases = cell.phases
    return (phases.config or 0.0) + (phases.build or 0.0) + (phases.boot or 0.0)


def _bars(cell: Cell, longest: float) -> tuple[PhaseBar, ...]:
    bars = []
    at = 0.0
    for phase in _PHASES:
        value = getattr(cell.phases, phase)
        if value is None or longest <= 0:
            continue
        width = value / longest * 100
        bars.append(PhaseBar(phase, round(at, 3), round(width, 3), value))
        at += width
    return tuple(bars)


def _suites(views: list[View]) -> dict[str, list[str]]:
    """Return the tests of all cells by suite."""
    suites: dict[str, dict[str, None]] = {}
    for view in views:
        for row in view.account.rows:
            suites.setdefault(row.suite, {})[row.name] = None
    return {suite: list(names) for suite, names in suites.items()}


def _parts_of(view: View) -> list[tuple[str, str]]:
    """Return the parts of a cell, as link targets and names, for the bar of a page with one."""
    cell = view.cell
    return [
        (f"{view.id}-{name.lower()}", name)
        for name, there in (
            ("Findings", cell.findings),
            ("Tests", view.account.rows),
            ("Coverage", cell.coverage),
            ("Timeline", view.pictures),
            ("Splats", cell.splats),
            ("Console", True),
            ("Reproduce", cell.reproduce),
        )
        if there
    ]


def _find(view: View, suite: str, name: str) -> tuple[int, Row] | None:
    for number, row in enumerate(view.account.rows):
        if (row.suite, row.name) == (suite, name):
            return number, row
    return None


def _state(row: Row) -> tuple[str, str, str]:
    """Return tone, glyph and words of a test."""
    if row.failed_by_finding:
        return "fail", "✗", f"passed, but {one_line(row.errors[0].code, limit=60)}"
    return tone(row.test.status), GLYPHS[row.test.status], str(row.test.status)


def _row_findings(view: View, row: Row) -> list[tuple[int, Finding]]:
    """Return the findings of a test, with their indices in the cell."""
    own = (*row.findings, *row.elsewhere)
    return [(n, f) for n, f in enumerate(view.cell.findings) if any(f is g for g in own)]


def _linked(view: View, text: str) -> Markup:
    """Link each "line 12" in a text to that line of the console, if the page has it."""
    shown = one_line(text, limit=1000)
    parts: list[str] = []
    at = 0
    for found in _LINE.finditer(shown):
        if int(found[1]) in view.anchors:
            parts.append(escape(shown[at : found.start()]))
            parts.append(_LINK.format(view.id, found[1]))
            at = found.end()
    return Markup("").join([*parts, escape(shown[at:])])


def _line_link(view: View, number: int | None) -> Markup:
    """Link a line of the console, if the page has it."""
    if number is None:
        return Markup()
    if number in view.anchors:
        return Markup('<a class="at" href="#{0}-L{1}">console line {1}</a>').format(view.id, number)
    return Markup('<span class="at dim">console line {}</span>').format(number)


def _told(view: View, row: Row) -> bool:
    """Return whether a finding of a test shows its failed assertions."""
    return any(assertions(view.account, finding) for finding in row.findings)


def _coverage_style(views: list[View]) -> tuple[str, ...]:
    return ("coverage.css",) if any(view.cell.coverage for view in views) else ()


def _source_tone(line: SourceLine) -> str:
    """Return the colours of a line of source: run, run in part, not run, or no code."""
    if line.count is None:
        return "code"
    if not line.count:
        return "fail"
    return "pass" if line.taken == line.branches else "warn"


def _moved(change: Moved) -> str:
    if change.before is None or change.after is None:
        return NONE
    if not change.before:
        return f"{change.after - change.before:+g}"
    return f"{(change.after - change.before) / change.before * 100:+.0f} %"
