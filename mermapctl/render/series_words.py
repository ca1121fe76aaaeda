# SPDX-License-Identifier: GPL-2.0-only
"""The grid of a series in words: what a cell says, who brought a finding, who took it away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mermapctl.judge.compiler_warnings import CompilerWarning
from mermapctl.judge.result_types import Reason, Severity, Verdict
from mermapctl.records.record import Cell, RunRecord
from mermapctl.records.record_kinds import bisect_of, series_of
from mermapctl.records.series_facts import Column, Episode, Series
from mermapctl.render.account import verdict_word
from mermapctl.render.visible import one_line

SHORT = 12
"""Digits of a commit, as git's core.abbrev in the kernel's documentation."""
_MOST_CODES = 3
_MOST_WARNINGS = 10


def short(commit: str) -> str:
    """Return the first digits of a commit, which a record from elsewhere may not have."""
    return one_line(commit[:SHORT])[:SHORT]


def shown_whole(record: RunRecord) -> tuple[Cell, ...]:
    """Return the cells to show in full: of a series those that brought a finding or lack a verdict.

    All cells of another run.
    """
    bisected = bisect_of(record)
    if bisected is not None:
        return tuple(cell for cell in record.cells if cell.commit in bisected.suspects)
    series = series_of(record)
    if series is None:
        return record.cells
    brought = {column.place(each.commit) for column in series.columns for each in column.episodes}
    return tuple(
        cell
        for cell in record.cells
        if cell.place in brought
        or (cell.verdict is Verdict.NO_VERDICT and cell.reason is not Reason.ABSENT)
    )


def codes(cell: Cell) -> str:
    """Return the codes of what makes a cell fail: `early-flush, kernel-warning`."""
    found = [each.code for each in cell.findings if each.severity is Severity.ERROR]
    names = list(dict.fromkeys(found))
    more = f" +{len(names) - _MOST_CODES}" if len(names) > _MOST_CODES else ""
    return ", ".join(names[:_MOST_CODES]) + more


def result(cell: Cell) -> str:
    """Return a cell's result: `failed: early-flush`, `no verdict: build-failed`, `absent`."""
    if cell.reason is Reason.ABSENT:
        return "absent"
    word = verdict_word(cell.verdict).lower()
    if cell.verdict is Verdict.NO_VERDICT:
        return f"{word}: {cell.reason}" if cell.reason else word
    said = codes(cell) if cell.verdict is Verdict.FAILED else ""
    return f"{word}: {said}" if said else word


def origin(cell: Cell) -> str:
    """Return where a verdict comes from if not from a boot of this run, else nothing."""
    if cell.reused:
        return f"as run {cell.reused}"
    return f"same kernel as {short(cell.inherited)}" if cell.inherited else ""


@dataclass(frozen=True, slots=True)
class GridRow:
    """A commit of the grid: its cells are those of the columns, None if one was not run."""

    commit: str
    subject: str
    cells: tuple[Cell | None, ...]

    @property
    def short(self) -> str:
        """Its first digits."""
        return short(self.commit)


def rows(record: RunRecord, series: Series) -> Iterator[GridRow]:
    """Yield a row for each commit, oldest first; the base before them, if it has any cell."""
    found = {cell.place: cell for cell in record.cells}
    commits = [(each.commit, each.subject) for each in series.commits]
    if any(commit == series.base for commit, *_ in found):
        commits.insert(0, (series.base, "(before the series)"))
    for commit, subject in commits:
        cells = tuple(found.get(column.place(commit)) for column in series.columns)
        yield GridRow(commit, subject, cells)


def sentences(series: Series) -> Iterator[str]:
    """Yield the sentences on all columns."""
    for column in series.columns:
        yield from lines(series, column, several=len(series.columns) > 1)


def lines(series: Series, column: Column, *, several: bool) -> Iterator[str]:
    """Yield the sentences on a column: its first bad commit, what the base has, what was fixed."""
    subjects = {each.commit: each.subject for each in series.commits}
    of = f"{column.name}: " if several else ""

    def named(commit: str) -> str:
        if commit == series.base:
            return f"{short(commit)} (before the series)"
        if series.work_tree and commit == series.commits[-1].commit:
            return "the work tree"
        return f"{short(commit)} ({subjects.get(commit, '?')})"

    if column.first_bad is not None:
        bad = column.first_bad
        what = ", ".join(dict.fromkeys(_named(each.code, each.test) for each in bad.findings))
        yield f"{of}first bad commit: {named(bad.commit)}: {what}; {_before(bad.before)}"
        if bad.unsure:
            which = ", ".join(map(short, bad.unsure))
            yield f"{of}not sure: {which} before it has no verdict, and may have brought it"
    for each in column.episodes:
        if each.fixed is None and each.commit == series.base:
            yield f"{of}{_named(each.code, each.test)} was there already in {named(each.commit)}"
        elif each.fixed is not None:
            yield f"{of}{_fixed(each, named(each.commit), named(each.fixed))}"
    for said in _warnings(column, named):
        yield f"{of}{said}"


def _warnings(column: Column, named: Callable[[str], str]) -> Iterator[str]:
    for each in column.warnings[:_MOST_WARNINGS]:
        doubt = "" if each.sure else " (the commit before it was not built: it may be older)"
        yield f"new warning in {named(each.commit)}: {warning(each.warning)}{doubt}"
    more = len(column.warnings) - _MOST_WARNINGS
    if more > 0:
        yield f"{more} more new warnings of the compiler are in the record"


def new_warnings(record: RunRecord, cell: Cell) -> tuple[str, ...]:
    """Return the warnings that a cell's commit added."""
    series = series_of(record)
    if series is None:
        return ()
    return tuple(
        warning(each.warning)
        for column in series.columns
        if (column.target, column.variant) == (cell.target, cell.variant)
        for each in column.warnings
        if each.commit == cell.commit
    )


def warning(found: CompilerWarning) -> str:
    """Return a warning with its place: `mm/mermap.c:12: unused variable 'x'`."""
    line = f":{found.line}" if found.line else ""
    return f"{found.file}{line}: {found.text}"


def _fixed(episode: Episode, brought: str, fixed: str) -> str:
    sure = "" if not episode.fixed_unsure and not episode.unsure else (
        ", or by a neighbour without a verdict"
    )  # fmt: skip
    return f"{_named(episode.code, episode.test)} came with {brought}, was fixed by {fixed}{sure}"


def _named(code: str, test: str | None) -> str:
    return f"{code} in {test}" if test else code


def _before(word: str | None) -> str:
    if word is None:
        return "nothing before it was tested"
    if word == "absent":
        return "the commits before it do not have the suite"
    return (
        "the commit before it passed"
        if word == "passed"
        else "the commit before it fails otherwise"
    )


def counts(cells: Sequence[Cell]) -> str:
    """Return how many cells have which result, and where they come from: `3 passed, 1 failed`."""
    names = {
        "passed": sum(each.verdict is Verdict.PASSED for each in cells),
        "failed": sum(each.verdict is Verdict.FAILED for each in cells),
        "absent": sum(each.reason is Reason.ABSENT for each in cells),
    }
    names["no verdict"] = len(cells) - sum(names.values())
    return ", ".join(f"{number} {name}" for name, number in names.items() if number)
