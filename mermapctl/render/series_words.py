# SPDX-License-Identifier: GPL-2.0-only
"""The grid of a series in words: what a cell says, who brought a finding, who took it away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mermapctl.judge.compiler_warnings import CompilerWarning
from mermapctl.judge.result_types import Reason, Severity, Verdict
from mermapctl.records.record import Cell, RunRecord
from mermapctl.records.record_kinds import bisect_of, series_of
from mermapctl.records.series_facts import Column, Episode, FirstBad, Series
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
    of = f"{column.name}: " if several else ""
    if column.first_bad is not None:
        yield f"{of}{first_bad(series, column.first_bad)}"
        if column.first_bad.unsure:
            yield f"{of}{unsure(column.first_bad)}"
    yield from others(series, column, several=several)


def first_bad(series: Series, bad: FirstBad, *, codes: bool = True) -> str:
    """Return the sentence on a first bad commit; without `codes` no finding is named."""
    what = ", ".join(dict.fromkeys(_named(each.code, each.test) for each in bad.findings))
    said = f"first bad commit: {named(series, bad.commit)}" + (f": {what}" if codes else "")
    return f"{said}; {_before(bad.before)}"


def unsure(bad: FirstBad) -> str:
    """Return the sentence on the commits that may be the first bad one as well."""
    which = ", ".join(map(short, bad.unsure))
    return f"not sure: {which} before it has no verdict, and may have brought it"


def others(series: Series, column: Column, *, several: bool) -> Iterator[str]:
    """Yield the sentences on a column but for its first bad commit."""
    of = f"{column.name}: " if several else ""
    for each in column.episodes:
        if each.fixed is None and each.commit == series.base:
            there = named(series, each.commit)
            yield f"{of}{_named(each.code, each.test)} was there already in {there}"
        elif each.fixed is not None:
            ends = (named(series, each.commit), named(series, each.fixed))
            yield f"{of}{_fixed(each, *ends)}"
    for said in _warnings(series, column):
        yield f"{of}{said}"


def named(series: Series, commit: str) -> str:
    """Return a commit of a series with its subject, or what it is."""
    if commit == series.base:
        return f"{short(commit)} (before the series)"
    if series.work_tree and commit in [each.commit for each in series.commits[-1:]]:
        return "the work tree"
    subjects = {each.commit: each.subject for each in series.commits}
    return f"{short(commit)} ({subjects.get(commit, '?')})"


@dataclass(frozen=True, slots=True)
class BadCommit:
    """A first bad commit with the columns that have it, and its cell in the first of them."""

    found: FirstBad
    columns: tuple[Column, ...]
    cell: Cell | None


def bad_commits(record: RunRecord, series: Series) -> list[BadCommit]:
    """Return the first bad commits, oldest first; columns with the same one are together."""
    cells = {cell.place: cell for cell in record.cells}
    made: dict[object, BadCommit] = {}
    for column in series.columns:
        bad = column.first_bad
        if bad is None:
            continue
        key = (bad.commit, *((each.code, each.test) for each in bad.findings), bad.before)
        cell = cells.get(column.place(bad.commit))
        known = made.get(key, BadCommit(bad, (), cell))
        made[key] = replace(known, columns=(*known.columns, column))
    place = {each.commit: number for number, each in enumerate(series.commits)}
    return sorted(made.values(), key=lambda each: place.get(each.found.commit, -1))


def _warnings(series: Series, column: Column) -> Iterator[str]:
    for each in column.warnings[:_MOST_WARNINGS]:
        doubt = "" if each.sure else " (the commit before it was not built: it may be older)"
        yield f"new warning in {named(series, each.commit)}: {warning(each.warning)}{doubt}"
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
