# SPDX-License-Identifier: GPL-2.0-only
"""The brief report of a series: the grid, the first bad commit with its finding, the command.

A series of eight commits in one column has at most FAILED_ROWS rows on a terminal of 80 columns.
`--full` shows everything.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.render import series_words
from mermapctl.render.account import kernel, subject
from mermapctl.render.grouped import faults
from mermapctl.render.terminal import brief
from mermapctl.render.terminal.plain import count
from mermapctl.render.terminal.series import grid
from mermapctl.render.terminal.wrap import shortened, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mermapctl.records.record import Cell, RunRecord
    from mermapctl.records.series_facts import Series
    from mermapctl.render.grouped import Fault
    from mermapctl.render.terminal.brief import Detail
    from mermapctl.render.terminal.brief_tables import Page

_LINE = 1000
_TERSEST = 2
_DETAILS = (
    replace(brief.DETAILS[0], grid=40),
    replace(brief.DETAILS[2], grid=20),
    replace(brief.DETAILS[4], grid=14),
    replace(brief.DETAILS[4], summary=1, advice=0, notes=0, grid=12, terse=1),
    replace(brief.DETAILS[4], summary=1, advice=0, notes=0, grid=12, terse=_TERSEST),
    replace(brief.DETAILS[4], summary=1, advice=0, notes=0, evidence=0, grid=8, terse=_TERSEST),
)
_AROUND = 63
"""Columns of the sentence on a first bad commit besides the subject."""
_COMMITS = re.compile(r"--commits=([0-9a-f]{12})[0-9a-f]*\^\.\.([0-9a-f]{12})[0-9a-f]*")


def render(record: RunRecord, series: Series, page: Page) -> str:
    """Return the report, with as much detail as its rows allow."""

    def lines_of(shown: Page, detail: Detail) -> Iterator[str]:
        return _lines(record, series, shown, detail)

    return brief.fitted(lines_of, page, brief.FAILED_ROWS, _DETAILS)


def _lines(record: RunRecord, series: Series, page: Page, detail: Detail) -> Iterator[str]:
    shown = _shown(record, series)
    chosen = replace(record, cells=(shown,) if shown else ())
    found = _faults(chosen, series)
    yield from _head(record, series, page, detail)
    yield from grid(record, series, page, detail.grid)
    yield from _sentences(record, _cut(series, page, detail), page)
    yield from brief.notes_lines(chosen, page, detail)
    if shown is not None and shown.verdict is Verdict.NO_VERDICT:
        yield from brief.none_lines(shown, page, detail)
    yield from brief.found_lines(chosen, page, detail, found)
    if shown is not None and shown.reproduce:
        yield f"reproduce  {page.look.verbatim(_shorter(shown.reproduce[0]))}"
    if not detail.terse:
        yield from brief.read_on(record, page, found)
    else:
        yield from brief.read_on(record, page, [], folder=detail.terse < _TERSEST)
    yield from brief.last_lines(record, page, found)


def _shown(record: RunRecord, series: Series) -> Cell | None:
    """Return the cell to explain: of the first bad commit, else of one that was fixed later.

    Without either, it is the latest that did not pass.
    """
    bad = series_words.bad_commits(record, series)
    if bad:
        return bad[0].cell
    brought = [each.commit for column in series.columns for each in column.episodes]
    for cell in record.cells:
        if cell.commit in brought and cell.verdict is Verdict.FAILED:
            return cell
    for verdict in (Verdict.FAILED, Verdict.NO_VERDICT):
        for cell in reversed(record.cells):
            if cell.verdict is verdict and cell.reason is not Reason.ABSENT:
                return cell
    return None


def _faults(record: RunRecord, series: Series) -> list[Fault]:
    """Return the faults of the cell that is shown, those that its commit brought first."""
    bad = series_words.bad_commits(record, series)
    brought = {(each.code, each.test) for each in bad[0].found.findings} if bad else set()
    return sorted(faults(record), key=lambda each: (each.name, each.test) not in brought)


def _cut(series: Series, page: Page, detail: Detail) -> Series:
    """Return the series with subjects of which a line has room, if `detail` is terse."""
    if not detail.terse:
        return series
    room = max(page.width - _AROUND, 1)
    return replace(
        series,
        commits=tuple(
            replace(each, subject=shortened(each.subject, room, page.end))
            for each in series.commits
        ),
    )


def _shorter(command: str) -> str:
    """Cut the commits in a command as git does."""
    return _COMMITS.sub(r"--commits=\1^..\2", command)


def _head(record: RunRecord, series: Series, page: Page, detail: Detail) -> Iterator[str]:
    look = page.look
    columns = look.plain(", ".join(each.name for each in series.columns))
    commits = count(len(series.commits), "commit")
    what = look.plain(f"{subject(record)} on {kernel(record)}")
    yield from brief.headed([what, commits, columns], record, page, terse=detail.terse > 0)
    yield from brief.states(record, page)


def _sentences(record: RunRecord, series: Series, page: Page) -> Iterator[str]:
    """Yield the first bad commits with what was before them, then what was fixed and is new."""
    several = len(series.columns) > 1
    for number, each in enumerate(series_words.bad_commits(record, series)):
        names = ", ".join(column.name for column in each.columns)
        of = f"{names}: " if len(each.columns) < len(series.columns) else ""
        said = series_words.first_bad(series, each.found, codes=number > 0)
        yield from _prose(f"{of}{said}", page, "bold red")
        if each.found.unsure:
            yield from _prose(f"{of}{series_words.unsure(each.found)}", page)
    for column in series.columns:
        for said in series_words.others(series, column, several=several):
            yield from _prose(said, page)
    for note in series.notes:
        yield from _prose(note, page, "cyan", label="note: ")


def _prose(said: str, page: Page, style: str = "", label: str = "") -> Iterator[str]:
    lines = wrapped(page.look.plain(said, limit=_LINE), page.width, label=label)
    yield from brief.styled(lines, style, page)
