# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report rejudge`: judge stored consoles again with today's rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.errors import MermapctlError
from mermapctl.judge.leaf_tests import leaves
from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records import cell_files, first_bad, record
from mermapctl.records.cell_verdict import judge_again
from mermapctl.records.record import Cell, Former, RunRecord, State
from mermapctl.records.record_kinds import bisect_of
from mermapctl.records.stressed import again
from mermapctl.records.witnessed import with_witness
from mermapctl.system.inputs import open_regular

if TYPE_CHECKING:
    from mermapctl.records.store import Store

_BEFORE_THE_BOOT = {Reason.CONFIG_UNSATISFIED, Reason.BUILD_FAILED, Reason.INTERRUPTED}


@dataclass(frozen=True, slots=True)
class Rejudged:
    """One run judged again; `changes` are short sentences, empty if nothing changed.

    `problem` is the reason why a run could not be judged; its record is then unchanged.
    """

    run: str
    before: Verdict
    after: Verdict
    changes: tuple[str, ...] = ()
    problem: str | None = None


def rejudge(
    store: Store, runs: Iterable[str], *, keep: bool, done: Callable[[Rejudged], None]
) -> list[Rejudged]:
    """Judge the stored consoles of `runs` again and, if `keep`, replace the records that change.

    A replaced verdict is kept in the record (`former`). `done` is called after each run.
    """
    outcomes = []
    for run in runs:
        outcome = _one(store, run, keep=keep)
        done(outcome)
        outcomes.append(outcome)
    return outcomes


def _one(store: Store, run: str, *, keep: bool) -> Rejudged:
    try:
        old = store.read(run)
        if old.run.state is State.RUNNING:
            return Rejudged(run, old.verdict, old.verdict, problem="it is still running")
        cells, lacking = [], []
        for cell in old.cells:
            judged, problem = _judged(cell)
            cells.append(judged)
            lacking += [problem] if problem else []
    except MermapctlError as error:
        return Rejudged(run, Verdict.NO_VERDICT, Verdict.NO_VERDICT, problem=error.message)
    verdict_of = record.verdict_of_bisect if bisect_of(old) else record.verdict_of
    new = first_bad.filled(replace(old, cells=tuple(cells), verdict=verdict_of(cells)))
    changes = tuple(_changes(old, new))
    if keep and new != old:
        if changes:
            former = Former(
                verdict=old.verdict,
                tool=old.tool,
                replaced=record.now(),
                cells=tuple(cell.verdict for cell in old.cells),
            )
            new = replace(new, former=(*old.former, former))
        store.replace(replace(new, tool=record.this_tool()))
        _keep_cells(new)
    problem = "; ".join(dict.fromkeys(lacking)) or None
    return Rejudged(run, old.verdict, new.verdict, changes, problem)


def _keep_cells(judged: RunRecord) -> None:
    """Write also the cells' own files in a series, from which later runs take verdicts."""
    for cell in judged.cells:
        folder = Path(cell.artifacts.directory or "")
        if cell.artifacts.directory and (folder / cell_files.CELL).is_file():
            cell_files.write(folder, cell)


def _judged(cell: Cell) -> tuple[Cell, str | None]:
    """Judge a cell again; if that fails, return it unchanged, with the reason."""
    if cell.reason in _BEFORE_THE_BOOT or cell.reused or cell.inherited:
        return cell, None
    if cell.artifacts.console is None:
        return cell, None if cell.verdict is Verdict.NO_VERDICT else "it has no console"
    try:
        with open_regular(Path(cell.artifacts.console)) as console:
            judged = judge_again(cell, console)
        if cell.witness is not None and cell.artifacts.witness is not None:
            judged = with_witness(judged, cell.witness)
        return (again(judged, cell.stress) if cell.stress else judged), None
    except OSError as error:
        return cell, f"{error.filename or cell.artifacts.console}: {error.strerror}"


def _changes(old: RunRecord, new: RunRecord) -> Iterator[str]:
    for before, after in zip(old.cells, new.cells, strict=True):
        of = f"{after.target or 'console'}/{after.variant or 'log'}: " if len(new.cells) > 1 else ""
        for change in _cell_changes(before, after):
            yield of + change


def _cell_changes(old: Cell, new: Cell) -> Iterator[str]:
    if old.verdict is not new.verdict:
        yield f"{old.verdict} -> {new.verdict}"
    if old.reason is not new.reason:
        yield f"reason {old.reason or 'none'} -> {new.reason or 'none'}"
    left, right = _statuses(old), _statuses(new)
    for test in dict.fromkeys((*left, *right)):
        before, after = left.get(test, "absent"), right.get(test, "absent")
        if before != after:
            yield f"{test} {before} -> {after}"
    had = [(f.code, f.test) for f in old.findings]
    has = [(f.code, f.test) for f in new.findings]
    yield from (f"no more {_named(one)}" for one in had if one not in has)
    yield from (f"now {_named(one)}" for one in has if one not in had)
    if len(old.splats) != len(new.splats):
        yield f"splats {len(old.splats)} -> {len(new.splats)}"
    counts = {flush.test: (flush.expected, flush.counted, flush.observed) for flush in old.flushes}
    for flush in new.flushes:
        before_counts = counts.get(flush.test)
        if before_counts not in {None, (flush.expected, flush.counted, flush.observed)}:
            yield f"flushes of {flush.test} changed"


def _statuses(cell: Cell) -> dict[str, str]:
    return {f"{leaf.suite}.{leaf.name}": leaf.word for leaf in leaves(cell)}


def _named(finding: tuple[str, str | None]) -> str:
    code, test = finding
    return f"{code} in {test}" if test else code
