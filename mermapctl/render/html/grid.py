# SPDX-License-Identifier: GPL-2.0-only
"""The grid of a series on its page: commits by columns, each field a link to its cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from mermapctl.judge.verdict import Reason, Verdict
from mermapctl.records.record import Cell, RunRecord
from mermapctl.records.series_facts import Column, Series
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


def series_of(record: RunRecord) -> Series | None:
    """Return the series of a record, null for another run."""
    return None if isinstance(record.series, msgspec.UnsetType) else record.series


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
    places = {_place(view.cell): view.id for view in views}
    found = {_place(cell): cell for cell in record.cells}
    commits = [(each.commit, each.subject) for each in series.commits]
    if any(place[0] == series.base for place in found):
        commits.insert(0, (series.base, "(before the series)"))
    rows = tuple(
        GridRowView(
            commit,
            series_words.short(commit),
            subject,
            tuple(_field(commit, column, found, places) for column in series.columns),
        )
        for commit, subject in commits
    )
    several = len(series.columns) > 1
    sentences = tuple(
        said
        for each in series.columns
        for said in series_words.lines(series, each, several=several)
    )
    return GridView(
        columns=tuple(f"{each.target}/{each.variant}" for each in series.columns),
        rows=rows,
        sentences=(*sentences, *series.notes),
        size=len(series.commits) * len(series.columns),
        ran=sum(cell.reason is not Reason.ABSENT for cell in record.cells),
        full=len(places),
    )


_CellPlace = tuple[str | None, str | None, str | None]


def _place(cell: Cell) -> _CellPlace:
    return (cell.commit, cell.target, cell.variant)


def _field(
    commit: str, column: Column, found: Mapping[_CellPlace, Cell], ids: Mapping[_CellPlace, str]
) -> GridCellView:
    place = (commit, column.target, column.variant)
    cell = found.get(place)
    if cell is None:
        return GridCellView(None, "not run", "", None, first_bad=False)
    absent = cell.reason is Reason.ABSENT
    return GridCellView(
        verdict=None if absent else cell.verdict,
        words=series_words.result(cell),
        source=series_words.origin(cell),
        target=ids.get(place),
        first_bad=column.first_bad is not None and column.first_bad.commit == commit,
    )


def first_bad(record: RunRecord, views: Iterable[CellView]) -> Headline | None:
    """Return the sentence on the first bad commit of the first column that has one."""
    series = series_of(record)
    known = {_place(view.cell): view for view in views}
    for column in series.columns if series else ():
        bad = column.first_bad
        view = known.get((bad.commit, column.target, column.variant)) if bad else None
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
