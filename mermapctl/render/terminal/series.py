# SPDX-License-Identifier: GPL-2.0-only
"""A series on a terminal: the grid, the first bad commit of each column, what was fixed."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

from rich.text import Text

from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.render import series_words
from mermapctl.render.terminal.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from mermapctl.records.record import Cell, RunRecord
    from mermapctl.records.series_facts import Column, Series
    from mermapctl.render.terminal.text import Look


def parts(record: RunRecord, series: Series, look: Look) -> Iterator[RenderableType]:
    """Yield the grid, then the sentences on its columns."""
    yield _grid(record, series, look)
    said = [*series_words.sentences(series)]
    if said:
        yield Text()
    for line in said:
        yield look.text(line, "bold red" if "first bad" in line else "", limit=1000)
    for note in series.notes:
        yield look.text(f"note: {note}", "cyan", limit=1000)


def _grid(record: RunRecord, series: Series, look: Look) -> RenderableType:
    heads = [look.plain(each.name) for each in series.columns]
    made = table(look, "Commit", *heads, "Subject")
    for row in series_words.rows(record, series):
        dim = "dim" if row.commit == series.base else ""
        fields = map(_field, row.cells, series.columns, repeat(row.commit), repeat(look))
        made.add_row(Text(row.short, dim), *fields, look.text(row.subject, dim))
        if dim:
            made.add_section()
    last = made.columns[-1]
    last.no_wrap, last.overflow = True, "ellipsis"
    return made


def _field(cell: Cell | None, column: Column, commit: str, look: Look) -> Text:
    text = mark(cell, look)
    bad = column.first_bad is not None and column.first_bad.commit == commit
    return text.append("  <- first bad", style="bold") if bad else text


def mark(cell: Cell | None, look: Look) -> Text:
    """Return a cell of the grid: glyph, result, and where the verdict comes from."""
    if cell is None:
        return Text("-", style="dim")
    if cell.reason is Reason.ABSENT:
        return Text("absent", style="dim")
    words = look.plain(series_words.result(cell))
    if cell.verdict is Verdict.NO_VERDICT:
        words = words.removeprefix("no verdict: ")
    text = look.mark(cell.verdict, words)
    source = series_words.origin(cell)
    return text.append(f"  {look.plain(source)}", style="dim") if source else text
