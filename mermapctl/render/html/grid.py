# SPDX-License-Identifier: GPL-2.0-only
"""The grid of a series on its page: commits by columns, each field a link to its cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records.record import Cell, RunRecord
from mermapctl.records.record_kinds import series_of
from mermapctl.records.series_facts import Column, Place
from mermapctl.render import series_words
from mermapctl.render.html.answer import CellView, Headline

MOST = 60
"""Cells of a series that the page has in full; first those that brought a finding."""


@dataclass(frozen=True, slots=True)
class GridCellView:
    """A field of the grid. `target` is the id of the cell's part, null where the page has none."""

    verdict: Verdict | None
    words: str
    source: str
    target: str | None
    first_bad: bool


@dataclass(frozen=True, slots=True)
class GridRowView:
    """A commit of the grid; `short` are the first digits of its hash."""

    commit: str
    short: str
    subject: str
    cells: tuple[GridCellView, ...]


@dataclass(frozen=True, slots=True)
class GridView:
    """The grid, and the sentences on it.

    `size` is its number of cells, `ran` those with a result, `full` those on the page in full.
    """

    columns: tuple[str, ...]
    rows: tuple[GridRowView, ...]
    sentences: tuple[str, ...]
    size: int
    ran: int
    full: int


def opened(record: RunRecord) -> tuple[Cell, ...]:
    """Return the cells that the page has in full, in their order: all cells but for a series."""
    if series_of(record) is None:
        return record.cells
    there = [cell for cell in record.cells if cell.reason is not Reason.ABSENT]
    first = {id(cell) for cell in series_words.shown_whole(record)}
    chosen = sorted(there, key=lambda cell: id(cell) not in first)[:MOST]
    kept = {id(cell) for cell in chosen}
    return tuple(cell for cell in there if id(cell) in kept)


def grid(record: RunRecord, views: Iterable[CellView]) -> GridView | None:
    """Return the grid of a series with links to the cells that have a view."""
    series = series_of(record)
    if series is None:
        return None
    places = {view.cell.place: view.id for view in views}
    rows = tuple(
        GridRowView(
            row.commit,
            row.short,
            row.subject,
            tuple(
                _field(row.commit, column, cell, places)
                for column, cell in zip(series.columns, row.cells, strict=True)
            ),
        )
        for row in series_words.rows(record, series)
    )
    return GridView(
        columns=tuple(each.name for each in series.columns),
        rows=rows,
        sentences=(*series_words.sentences(series), *series.notes),
        size=len(series.commits) * len(series.columns),
        ran=sum(cell.reason is not Reason.ABSENT for cell in record.cells),
        full=len(places),
    )


def _field(
    commit: str, column: Column, cell: Cell | None, ids: Mapping[Place, str]
) -> GridCellView:
    if cell is None:
        return GridCellView(None, "not run", "", None, first_bad=False)
    absent = cell.reason is Reason.ABSENT
    return GridCellView(
        verdict=None if absent else cell.verdict,
        words=series_words.result(cell),
        source=series_words.origin(cell),
        target=ids.get(cell.place),
        first_bad=column.first_bad is not None and column.first_bad.commit == commit,
    )


def first_bad(record: RunRecord, views: Iterable[CellView]) -> Headline | None:
    """Return the sentence on the first bad commit of the first column that has one."""
    series = series_of(record)
    known = {view.cell.place: view for view in views}
    for column in series.columns if series else ():
        bad = column.first_bad
        view = known.get(column.place(bad.commit)) if bad else None
        if series is None or bad is None or view is None:
            continue
        several = len(series.columns) > 1
        said = next(iter(series_words.lines(series, column, several=several)))
        numbers = [n for n, each in enumerate(view.cell.findings) if each in bad.findings]
        if numbers:
            target = f"{view.id}-f{numbers[0]}"
            return Headline(target, said, view, view.cell.findings[numbers[0]])
        return Headline(view.id, said, view)
    return None
