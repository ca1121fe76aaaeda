# SPDX-License-Identifier: GPL-2.0-only
"""A series on a terminal: the grid, the first bad commit of each column, what was fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from mermapctl.judge.verdict import Reason, Verdict
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
    several = len(series.columns) > 1
    said = [
        each for one in series.columns for each in series_words.lines(series, one, several=several)
    ]
    if said:
        yield Text()
    for line in said:
        yield look.text(line, "bold red" if "first bad" in line else "", limit=1000)
    for note in series.notes:
        yield look.text(f"note: {note}", "cyan", limit=1000)


def _grid(record: RunRecord, series: Series, look: Look) -> RenderableType:
    heads = [f"{each.target}/{each.variant}" for each in series.columns]
    made = table(look, "Commit", *map(look.plain, heads), "Subject")
    found = {(cell.commit, cell.target, cell.variant): cell for cell in record.cells}
    bad = {
        (column.first_bad.commit, column.target, column.variant)
        for column in series.columns
        if column.first_bad is not None
    }

    def field(commit: str, column: Column) -> Text:
        place = (commit, column.target, column.variant)
        cell = found.get(place)
        text = mark(cell, look)
        return text.append("  <- first bad", style="bold") if place in bad else text

    if any(place[0] == series.base for place in found):
        fields = [field(series.base, each) for each in series.columns]
        short = Text(series_words.short(series.base), "dim")
        made.add_row(short, *fields, Text("(before the series)", "dim"))
        made.add_section()
    for each in series.commits:
        made.add_row(
            Text(series_words.short(each.commit)),
            *(field(each.commit, column) for column in series.columns),
            look.text(each.subject),
        )
    last = made.columns[-1]
    last.no_wrap, last.overflow = True, "ellipsis"
    return made


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
