# SPDX-License-Identifier: GPL-2.0-only
"""The grid of a series as a table of Markdown, and as one of a cover letter's mail."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mermapctl.judge.verdict import Reason, Verdict
from mermapctl.records.record import Cell, RunRecord
from mermapctl.records.series_facts import Series
from mermapctl.render import series_words

_GLYPHS = {Verdict.PASSED: "✅", Verdict.FAILED: "❌", Verdict.NO_VERDICT: "⚠️"}
_SUBJECT = 40


def _rows(record: RunRecord, series: Series) -> Iterator[tuple[str, str, list[Cell | None]]]:
    """Yield short hash, subject and the cells of each commit; the base first, if it has any."""
    found = {(cell.commit, cell.target, cell.variant): cell for cell in record.cells}
    commits = [(each.commit, each.subject) for each in series.commits]
    if any(place[0] == series.base for place in found):
        commits.insert(0, (series.base, "(before the series)"))
    for commit, subject in commits:
        cells = [found.get((commit, each.target, each.variant)) for each in series.columns]
        yield series_words.short(commit), subject, cells


def markdown(record: RunRecord, series: Series, code: Callable[..., str]) -> Iterator[str]:
    """Yield the lines of a table, then a list of the sentences; `code` makes a code span."""
    heads = [code(f"{each.target}/{each.variant}", row=True) for each in series.columns]
    yield f"| commit | {' | '.join(heads)} | subject |"
    yield "| :-- |" + " :-- |" * (len(heads) + 1)
    for short, subject, cells in _rows(record, series):
        marks = " | ".join(_mark(cell, code) for cell in cells)
        yield f"| {code(short)} | {marks} | {code(subject, limit=80, row=True)} |"
    yield ""
    said = list(_sentences(series))
    yield from (f"- {code(each, limit=600)}" for each in said)
    yield from [""] * bool(said)


def _mark(cell: Cell | None, code: Callable[..., str]) -> str:
    if cell is None:
        return "—"
    words = code(series_words.result(cell), row=True)
    shown = words if cell.reason is Reason.ABSENT else f"{_GLYPHS[cell.verdict]} {words}"
    source = series_words.origin(cell)
    return f"{shown} ({code(source, row=True)})" if source else shown


def mail(
    record: RunRecord,
    series: Series,
    flat: Callable[[str, int], str],
    wrap: Callable[[str, str, str], list[str]],
) -> Iterator[str]:
    """Yield the lines of a cover letter's table; `flat` makes ASCII, `wrap` folds at 72 columns."""
    for number, column in enumerate(series.columns):
        if len(series.columns) > 1:
            yield flat(f"  {column.target}/{column.variant}", 60)
        for short, subject, cells in _rows(record, series):
            cell = cells[number]
            words = flat(series_words.result(cell) if cell else "not run", 40)
            yield f"  {short}  {words:<20} {flat(subject, _SUBJECT)}"[:72].rstrip()
        yield ""
    for sentence in _sentences(series):
        yield from wrap(flat(sentence, 600), "* ", "  ")
    yield ""


def _sentences(series: Series) -> Iterator[str]:
    several = len(series.columns) > 1
    for column in series.columns:
        yield from series_words.lines(series, column, several=several)
    yield from series.notes
