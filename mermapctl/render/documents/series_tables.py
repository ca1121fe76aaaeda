# SPDX-License-Identifier: GPL-2.0-only
"""The grid of a series as a table of Markdown, and as one of a cover letter's mail."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records.record import Cell, RunRecord
from mermapctl.records.series_facts import Series
from mermapctl.render import series_words

_GLYPHS = {Verdict.PASSED: "✅", Verdict.FAILED: "❌", Verdict.NO_VERDICT: "⚠️"}
_SUBJECT = 40


def markdown(record: RunRecord, series: Series, code: Callable[..., str]) -> Iterator[str]:
    """Yield the lines of a table, then a list of the sentences; `code` makes a code span."""
    heads = [code(each.name, row=True) for each in series.columns]
    yield f"| {' | '.join(['commit', *heads, 'subject'])} |"
    yield "| :-- |" + " :-- |" * (len(heads) + 1)
    for row in series_words.rows(record, series):
        marks = [_mark(cell, code) for cell in row.cells]
        fields = [code(row.short, row=True), *marks, code(row.subject, limit=80, row=True)]
        yield f"| {' | '.join(fields)} |"
    yield ""
    said = [*series_words.sentences(series), *series.notes]
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
            yield flat(f"  {column.name}", 60)
        for row in series_words.rows(record, series):
            cell = row.cells[number]
            words = flat(series_words.result(cell) if cell else "not run", 40)
            short, subject = flat(row.short, 12), flat(row.subject, _SUBJECT)
            yield f"  {short}  {words:<20} {subject}"[:72].rstrip()
        yield ""
    for sentence in (*series_words.sentences(series), *series.notes):
        yield from wrap(flat(sentence, 600), "* ", "  ")
    yield ""
