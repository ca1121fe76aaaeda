# SPDX-License-Identifier: GPL-2.0-only
"""Which commit of a column brought which finding, and which one took it away. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from mermapctl.judge.result_types import Finding, Reason, Severity, Verdict
from mermapctl.records.record import Cell, RunRecord
from mermapctl.records.record_kinds import series_of
from mermapctl.records.series_facts import Column, Episode, FirstBad

ABSENT = "absent"
FAILED = "failed"
"""The code of a cell that failed without a finding that is an error."""

Key = tuple[str, str | None]
"""Code and test of a finding: its numbers and lines may differ from commit to commit."""


def errors(cell: Cell) -> dict[Key, Finding | None]:
    """Return what makes a cell fail, by key; a failed cell has at least one."""
    found: dict[Key, Finding | None] = {
        (each.code, each.test): each for each in cell.findings if each.severity is Severity.ERROR
    }
    if cell.verdict is Verdict.PASSED:
        return {}
    return found or {(FAILED, None): None}


@dataclass(slots=True)
class _Walk:
    """The state of a column while its commits are walked, oldest first."""

    before: str | None = None
    gap: tuple[str, ...] = ()
    open: dict[Key, Episode] = field(default_factory=dict)
    closed: list[Episode] = field(default_factory=list)

    def step(self, commit: str, cell: Cell | None) -> None:
        if cell is not None and cell.reason is Reason.ABSENT:
            self.before, self.gap = ABSENT, ()
            return
        if cell is None or cell.verdict is Verdict.NO_VERDICT:
            self.gap = (*self.gap, commit)
            return
        found = errors(cell)
        for key in [key for key in self.open if key not in found]:
            ended = self.open.pop(key)
            self.closed.append(replace(ended, fixed=commit, fixed_unsure=self.gap))
        for key in found:
            if key not in self.open:
                self.open[key] = Episode(*key, commit, self.before, self.gap)
        self.before, self.gap = str(cell.verdict), ()


def episodes(cells: Iterable[tuple[str, Cell | None]]) -> tuple[Episode, ...]:
    """Return the episodes of one column, by the commit that brought them.

    `cells` are commits with their cells, oldest first; None where a cell was not run.
    """
    cells = tuple(cells)
    walk = _Walk()
    for commit, cell in cells:
        walk.step(commit, cell)
    place = {commit: number for number, (commit, _) in enumerate(cells)}
    every = [*walk.closed, *walk.open.values()]
    return tuple(sorted(every, key=lambda each: place[each.commit]))


def column(
    target: str, variant: str, cells: Sequence[tuple[str, Cell | None]], base: str
) -> Column:
    """Return a column with its first bad commit.

    What the commit `base` has already is no commit's of the series.
    """
    found = episodes(cells)
    staying = [each for each in found if each.fixed is None and each.commit != base]
    if not staying:
        return Column(target, variant, None, found)
    first = staying[0]
    cell = dict(cells)[first.commit]
    keys = {(each.code, each.test) for each in staying if each.commit == first.commit}
    known = errors(cell) if cell else {}
    brought = tuple(known[key] or _unexplained() for key in known if key in keys)
    return Column(
        target, variant, FirstBad(first.commit, brought, first.before, first.unsure), found
    )


def _unexplained() -> Finding:
    return Finding(FAILED, Severity.ERROR, "the cell failed, and no finding says why")


def needs_base(cells: Sequence[tuple[str, Cell | None]]) -> bool:
    """Return whether the oldest cell with a verdict fails, and nothing before it was tested."""
    return any(each.before is None for each in episodes(cells))


def filled(record: RunRecord) -> RunRecord:
    """Return the record of a series with its columns made from its cells; any other as it is."""
    series = series_of(record)
    if series is None:
        return record
    found = {cell.place: cell for cell in record.cells}
    commits = [series.base, *(each.commit for each in series.commits)]
    columns = tuple(
        replace(
            column(
                each.target,
                each.variant,
                [(commit, found.get(each.place(commit))) for commit in commits],
                series.base,
            ),
            warnings=each.warnings,
        )
        for each in series.columns
    )
    return replace(record, series=replace(series, columns=columns))
