# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run --commits BASE..TIP`: test each commit of a range, in lanes of ours."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.commands import commit_range
from mermapctl.commands import farm as farm_command
from mermapctl.commands.commit_range import CommitRange
from mermapctl.config.plan import Request
from mermapctl.errors import HarnessError, UserError
from mermapctl.events import Note
from mermapctl.judge.result_types import Verdict
from mermapctl.records import cell_files, first_bad, record
from mermapctl.records.record import Cell, RunRecord, State, TreeFacts
from mermapctl.records.series_facts import Column, Series, SeriesCommit
from mermapctl.records.store import Store
from mermapctl.series import added_warnings, order, verdict_cache
from mermapctl.series.build_seconds import BuildSeconds
from mermapctl.series.engines.dask import DaskEngine
from mermapctl.series.engines.local import LocalEngine
from mermapctl.series.engines.protocol import EngineMaker
from mermapctl.series.engines.supply import BundleSupply
from mermapctl.series.engines.work import Work
from mermapctl.series.grid import BASE, Grid, absent, take_over
from mermapctl.series.grid_events import GridCell, GridStarted, SeriesListener
from mermapctl.series.presence import Presence
from mermapctl.system import signals
from mermapctl.tree import commits, mail_origin, state
from mermapctl.tree.commits import Commit
from mermapctl.tree.mail_origin import SeriesMail
from mermapctl.tree.series_worktrees import Borrower

if TYPE_CHECKING:
    from mermapctl.series.engines.farm import Farm
    from mermapctl.series.engines.protocol import Engine
    from mermapctl.tree.state import Tree


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """What the user asked of a series: the range, how many lanes, whether known cells run again."""

    commits: str
    lanes: int | None = None
    rerun: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    """The commits to test, oldest first, on top of `base`; `notes` are for the record.

    `work_tree` is the hash of the last one if that is the user's work tree. `mail` is where exactly
    these commits came from.
    """

    base: Commit
    commits: tuple[Commit, ...]
    work_tree: str | None
    notes: tuple[str, ...]
    mail: SeriesMail | None = None


def run(
    request: Request,
    asked: SeriesRequest,
    command: tuple[str, ...],
    tell: SeriesListener,
    farm: Farm | None = None,
) -> RunRecord:
    """Run the grid, on a `farm` if there is one; return its record, which is then in the store.

    Raises UserError before anything is built, HarnessError if a program or the store fails. If
    INT, TERM or HUP arrives once the record exists, nothing is raised: it is marked `interrupted`.
    """

    def read(path: Path) -> tuple[commits.Range, Tree]:
        return read_range(path, asked.commits)

    here = farm is None
    with commit_range.opened(request, command, read, tell, built_here=here) as opened:
        rows = _rows(opened, tell)
        columns = commit_range.columns(request, opened, built_here=here)
        grid = Grid(rows.base, rows.commits, columns)
        presence = Presence(opened.repository)
        patch_ids = _patch_ids(opened.repository, rows, tell)
        make = _engine_of(opened, rows, grid, farm, patch_ids, tell)
        facts = _facts(opened.looked, rows)
        begun = record.begin(command=command, tree=facts, host=opened.host)
        return _Run(request, asked, opened, rows, grid, presence, patch_ids, make, tell).run(begun)


def _engine_of(
    opened: CommitRange,
    rows: _Found,
    grid: Grid,
    farm: Farm | None,
    patch_ids: Mapping[str, str],
    tell: SeriesListener,
) -> EngineMaker:
    """Return what makes the engine. Raises HarnessError if a farm cannot run these targets."""
    if farm is None:
        return LocalEngine
    crew = farm_command.greet(farm, [each.target for each in grid.columns], tell)
    trees = [each.tree for each in rows.commits]
    supply = BundleSupply(opened.repository, rows.base.tree, trees)
    ids = [each.id for each in rows.commits]
    patches = {row: patch_ids[each] for row, each in enumerate(ids) if each in patch_ids}
    changes = _changes(opened.repository, rows)
    changed = {row: changes.get(each, ()) for row, each in enumerate(ids)} if changes else {}

    def make(work: Work, grid: Grid, tell: SeriesListener) -> DaskEngine:
        seconds = BuildSeconds(grid.columns, patches)
        return DaskEngine(work, grid, tell, farm, crew, supply, seconds, changed)

    return make


def _changes(repository: Borrower, rows: _Found) -> Mapping[str, tuple[str, ...]]:
    """Return the paths that each commit changes: they only decide which worker gets which cell."""
    try:
        return repository.changes(rows.base.id, rows.commits[-1].id)
    except HarnessError:
        return {}


def read_range(path: Path, spelled: str) -> tuple[commits.Range, Tree]:
    """Return the commits of a range and the state of the tree. Raises UserError if it is empty."""
    found, looked = commits.read(path, spelled), state.inspect(path)
    if not found.commits and not (found.at_head and looked.dirty):
        raise _empty(spelled)
    return found, looked


def _empty(spelled: str) -> UserError:
    base, _, tip = spelled.partition("..")
    return UserError(
        f"{spelled} has no commits: all of {tip or 'HEAD'} is in {base}",
        f"is it the other way round: --commits {tip or 'HEAD'}..{base}?",
    )


def _rows(opened: CommitRange, tell: SeriesListener) -> _Found:
    found = opened.found
    mail = _mail(opened, tell)
    if not (found.at_head and opened.looked.dirty):
        return _Found(found.base, found.commits, None, (), mail)
    head = found.commits[-1] if found.commits else found.base
    made, unread = opened.repository.snapshot(head)
    notes = (f"not all new files of the work tree could be read: {unread}",) if unread else ()
    return _Found(found.base, (*found.commits, made), made.id, notes)


def _mail(opened: CommitRange, tell: SeriesListener) -> SeriesMail | None:
    """Return the mail that exactly these commits came from; note what else is tested."""
    found, tree = opened.found, opened.looked.path
    origin = mail_origin.read(tree)
    if origin is None:
        return None
    dirty = found.at_head and opened.looked.dirty
    if not dirty and (found.base.id, found.tip) == (origin.base, origin.tip):
        return origin.mail
    tell(
        Note(
            f"not exactly the commits of {origin.mail.subject}: a report on them is no reply to "
            f"that mail (--commits {origin.base[:12]}..{origin.tip[:12]} has these)"
        )
    )
    return None


def _facts(looked: Tree, rows: _Found) -> TreeFacts:
    tip = rows.commits[-1].id
    describe = looked.describe if tip == looked.commit else None
    return TreeFacts(looked.kernel, tip, describe, rows.work_tree is not None, str(looked.path))


def _patch_ids(repository: Borrower, rows: _Found, tell: SeriesListener) -> Mapping[str, str]:
    """Return the patch-id of each commit; without them series are compared by subject."""
    try:
        return repository.patch_ids(rows.base.id, rows.commits[-1].id)
    except HarnessError as error:
        tell(Note(f"the record has no patch-ids: {error.message}"))
        return {}


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a series, with all that its steps share."""

    request: Request
    asked: SeriesRequest
    opened: CommitRange
    rows: _Found
    grid: Grid
    presence: Presence
    patch_ids: Mapping[str, str]
    make: EngineMaker
    tell: SeriesListener

    def run(self, begun: RunRecord) -> RunRecord:
        """Run what no earlier run has; return the stored record."""
        store = Store.open()
        for notice in store.notices:
            self.tell(Note(notice))
        begun = replace(begun, series=self._series())
        began = time.monotonic()
        ran = begun
        # In this block an ending signal ends the cells, and the record is kept.
        with contextlib.suppress(signals.Interrupted), signals.deferred():
            folder = store.begin(begun)
            work = Work(
                request=self.request,
                own=self.opened.own,
                repository=self.opened.repository,
                folder=folder,
                invoked=self.opened.invoked,
                work_tree=self.rows.work_tree,
                rerun=self.asked.rerun,
                lanes=self.asked.lanes,
            )
            ended = self._cells(work)
            warned = self._warned(begun)
            kept = cell_files.with_cells(warned, [*self.grid.cells.values(), *(ended or ())])
            at_end = State.RUNNING if ended is None else State.INTERRUPTED
            if len(kept.cells) < self.grid.size and kept.verdict is Verdict.PASSED:
                kept = replace(kept, verdict=Verdict.NO_VERDICT)  # not all cells have passed
            seconds = round(time.monotonic() - began, 3)
            ran = store.finish(replace(kept, run=replace(kept.run, seconds=seconds, state=at_end)))
        return ran

    def _warned(self, begun: RunRecord) -> RunRecord:
        """Add the new warnings of the compiler; without them if git fails."""
        try:
            series = added_warnings.filled(
                self._series(), self.grid, self.opened.repository.changed
            )
        except HarnessError as error:
            self.tell(Note(f"new warnings of the compiler are not listed: {error.message}"))
            return begun
        return replace(begun, series=series)

    def _series(self) -> Series:
        return Series(
            base=self.grid.base.id,
            tip=self.grid.commits[-1].id,
            commits=tuple(
                SeriesCommit(each.id, each.subject, each.tree, self.patch_ids.get(each.id))
                for each in self.grid.commits
            ),
            columns=tuple(Column(each.target, each.variant) for each in self.grid.columns),
            work_tree=self.rows.work_tree is not None,
            notes=self.rows.notes,
            mail=self.rows.mail,
        )

    def _cells(self, work: Work) -> list[Cell] | None:
        """Fill the grid; return the cells that a signal cut short, None if there was no signal."""
        engine: Engine | None = None
        try:
            with signals.interruptible():
                engine = self.make(work, self.grid, self.tell)
                self._know(engine)
                open_rows = self.grid.open_rows()
                room = engine.room(len(open_rows))
                self._first(engine, order.first(open_rows, room.lanes) if room.tip_first else [])
                if open_rows := self.grid.open_rows():
                    engine.run(order.segments(open_rows, room.lanes), jobs=room.jobs)
                self._base(engine)
        except signals.Interrupted:
            return engine.unfinished() if engine else []
        return None

    def _know(self, engine: Engine) -> None:
        """Put in the cells that need no run, and report them."""
        grid = self.grid
        heads = tuple((each.id[:12], each.subject) for each in grid.commits)
        self.tell(GridStarted(heads, tuple(each.name for each in grid.columns)))
        lacking = self.presence.before_suite(grid.commits, grid.columns[0].symbols)
        for row, symbol in lacking.items():
            for number, column in enumerate(grid.columns):
                grid.cells[row, number] = absent(column, grid.commits[row], symbol)
        if not self.asked.rerun:
            take_over(grid, engine.keys)
        places = sorted(grid.cells)
        for done, place in enumerate(places, 1):
            self.tell(GridCell(*place, grid.cells[place], done, grid.size))

    def _first(self, engine: Engine, rows: list[int]) -> None:
        """Run the last commit and, if it fails, the base: together they show what to look for."""
        if not rows:
            return
        engine.run([rows])
        grid = self.grid
        tip = [grid.cells.get((len(grid.commits) - 1, each)) for each in range(len(grid.columns))]
        failing = tuple(
            each for each, cell in enumerate(tip) if cell and cell.verdict is Verdict.FAILED
        )
        if failing and not self._base_lacks():
            self._run_base(engine, failing, "the last commit fails")

    def _base(self, engine: Engine) -> None:
        """Run the base in the columns whose oldest commit fails: the base may fail as well."""
        grid = self.grid
        places = range(len(grid.columns))
        wanted = tuple(each for each in places if first_bad.needs_base(grid.of_column(each)))
        missing = self._base_lacks() if wanted else None
        if missing:
            for number in wanted:
                grid.cells[BASE, number] = absent(grid.columns[number], grid.base, missing)
            return
        self._run_base(engine, wanted, "the oldest commit fails")

    def _base_lacks(self) -> str | None:
        grid = self.grid
        return self.presence.lacking(grid.base.tree, grid.columns[0].symbols)

    def _run_base(self, engine: Engine, columns: tuple[int, ...], why: str) -> None:
        """Run the base in the columns where its cell is not known."""
        grid = self.grid
        for number in columns:
            keys = engine.keys(grid.columns[number])
            known = None if self.asked.rerun else verdict_cache.find_any(keys, grid.base.tree)
            if known is not None and (BASE, number) not in grid.cells:
                grid.cells[BASE, number] = replace(known, commit=grid.base.id)
        if any((BASE, number) not in grid.cells for number in columns):
            before = grid.base.id[:12]
            self.tell(Note(f"{why}; {before}, the one before the range, is tested too"))
            engine.run([[BASE]], columns)
