# SPDX-License-Identifier: GPL-2.0-only
"""The grid of a series on a terminal: a line a commit, a column a target and variant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from mermapctl.judge.result_types import Reason
from mermapctl.render import series_words
from mermapctl.render.terminal.columns import GAP, columns
from mermapctl.render.terminal.wrap import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mermapctl.records.record import Cell, RunRecord
    from mermapctl.records.series_facts import Series
    from mermapctl.render.series_words import GridRow
    from mermapctl.render.terminal.brief_tables import Page
    from mermapctl.render.terminal.columns import Field
    from mermapctl.render.terminal.plain import PlainLook

_NARROWEST = 16
"""Columns of a subject; where there are fewer, none is shown."""
_FIRST_BAD = "  <- first bad"


def grid(record: RunRecord, series: Series, page: Page, most: int) -> Iterator[str]:
    """Yield the grid, a line a commit.

    If `most` rows are too few, of equal ones in a row only the ends are shown. If the width is too
    small, first the words behind a result are left out, then subjects; subjects are cut.
    """
    rows = [*series_words.rows(record, series)]
    kept = _kept(rows, series, most)
    names = [page.look.plain(each.name) for each in series.columns]
    for told in (True, False):
        fields = [_fields(row, series, page, told=told) for row in rows]
        sizes = [
            max(cell_len(name), *(cell_len(row[at][0]) for row in fields))
            for at, name in enumerate(names)
        ]
        room = page.width - series_words.SHORT - sum(sizes) - len(GAP) * (len(sizes) + 1)
        if room >= 2 * _NARROWEST:
            break
    heads = ["Commit", *names, *["Subject"] * (room >= _NARROWEST)]
    body: list[list[Field]] = []
    for number, (row, results) in enumerate(zip(rows, fields, strict=True)):
        if number in kept:
            dim = "dim" if row.commit == series.base else ""
            said = shortened(page.look.plain(row.subject, limit=200), room, page.end)
            line = [(page.look.plain(row.short), dim), *results, (said, dim)]
            body.append(line[: len(heads)])
        elif number - 1 in kept:
            left = next(n for n in range(number, len(rows)) if n in kept) - number
            body.append(
                [(f"{left} more", "dim"), ("the same", "dim"), *[("", "")] * (len(heads) - 2)]
            )
    yield from columns(heads, body, color=page.color).splitlines()


def _kept(rows: Sequence[GridRow], series: Series, most: int) -> set[int]:
    """Return the rows to show: if there are too many, of equal ones in a row the ends alone."""
    every = range(len(rows))
    if len(rows) <= most:
        return {*every}
    said = [tuple(series_words.result(cell) if cell else "" for cell in row.cells) for row in rows]
    bad = {column.first_bad.commit for column in series.columns if column.first_bad}
    kept = {
        at
        for at in every
        if at in (0, every[-1])
        or rows[at].commit in bad
        or not said[at - 1] == said[at] == said[at + 1]
    }
    return kept | {at for at in every if {at - 1, at + 1} <= kept}


def _fields(row: GridRow, series: Series, page: Page, *, told: bool) -> list[Field]:
    """Return the results of a commit; `told`: with what is known of each besides."""
    found = []
    for cell, column in zip(row.cells, series.columns, strict=True):
        words, style = _result(cell, page.look)
        source = series_words.origin(cell) if cell and told else ""
        words += f"  {page.look.plain(source)}" if source else ""
        bad = column.first_bad is not None and column.first_bad.commit == row.commit
        found.append((words + _FIRST_BAD * (bad and told), style))
    return found


def _result(cell: Cell | None, look: PlainLook) -> Field:
    """Return the glyph and the finding or reason of a cell: `✗ early-flush`."""
    if cell is None:
        return "-", "dim"
    if cell.reason is Reason.ABSENT:
        return "absent", "dim"
    words = look.plain(series_words.result(cell))
    for verdict in ("failed: ", "no verdict: "):
        words = words.removeprefix(verdict)
    return f"{look.glyph(cell.verdict)} {words}", look.style(cell.verdict)
