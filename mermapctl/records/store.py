# SPDX-License-Identifier: GPL-2.0-only
"""The store: one folder a run with its record and artifacts, and an index over all of them.

`STATE/runs/ID/record.json` is authoritative and only ever replaced whole. Each query first updates
the index from the folders, so a kill between the two loses nothing.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mermapctl.errors import HarnessError, MermapctlError, UserError
from mermapctl.judge.result_types import Verdict
from mermapctl.records import cell_files, index, record_states, rows, run_folders
from mermapctl.records.folder import RunFolder, cell_slug, console_lines, placed, size_of
from mermapctl.records.index import Change, Damaged, Index
from mermapctl.records.record import RunRecord, State, from_json, still_running, to_json
from mermapctl.records.rows import Filters, RunSummary
from mermapctl.system import files, paths
from mermapctl.system.inputs import read_regular
from mermapctl.tree import ownership

if TYPE_CHECKING:
    import sqlite3


__all__ = ["Filters", "RunFolder", "RunSummary", "Store", "cell_slug", "console_lines"]

T = TypeVar("T")


class Store:
    """All runs of this user. `notices` are sentences for stderr."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs = root / "runs"
        self.notices: list[str] = []
        self._strangers: set[str] = set()
        self._foreign = ownership.owner_of_place(root)
        self._index = Index(root / "store.sqlite3", foreign=not self.is_own)

    @classmethod
    def open(cls, root: Path | None = None) -> Store:
        """Open the store in `root` (default: the state directory); make it if needed.

        Another user's store is only read. Raises HarnessError where it is unusable or was made by
        a newer mermapctl.
        """
        store = cls(root or paths.state_dir())
        try:
            if store.is_own:
                paths.make_private(store.root)
                store.runs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            message = files.cannot_write(store.runs, error).message
            hint = "set MERMAPCTL_HOME or XDG_STATE_HOME to a place that can be written"
            raise HarnessError(message, hint) from error
        store._work(rows.count)
        return store

    @property
    def is_own(self) -> bool:
        """Whether it may be written: it is no other user's."""
        return self._foreign is None

    # Writing: the record first, then the index.

    def begin(self, record: RunRecord) -> RunFolder:
        """Store a run that starts now; its folder appears with its record in it, or not at all."""
        self._require_own()
        record = record_states.begun(record)
        folder = self.folder(record.run.id)
        new = self.runs / f"{run_folders.NEW}{record.run.id}"
        try:
            new.mkdir()
            files.write_own(new / run_folders.RECORD, to_json(record))
            files.reserve(new / run_folders.ROOM, ROOM_BYTES)
            if folder.path.exists():
                raise FileExistsError(f"{folder.path} exists")
            new.rename(folder.path)
        except (OSError, HarnessError) as error:
            shutil.rmtree(new, ignore_errors=True)
            if isinstance(error, OSError):
                raise files.cannot_write(folder.path, error) from error
            raise
        self._clear()
        self._note_if_not(lambda db: rows.put(db, record, stale=True))
        return folder

    def save(self, record: RunRecord) -> None:
        """Replace the record of a run in progress."""
        files.write_own(self.folder(record.run.id).record, to_json(record))

    def finish(self, record: RunRecord) -> RunRecord:
        """Replace the record for good: finished, unless it is interrupted. Return it.

        On a full disk, uses the space that `begin` reserved; a larger record is stored without its
        tests, with a note.
        """
        if record.run.state is State.RUNNING:
            record = replace(record, run=replace(record.run, state=State.FINISHED))
        folder = self.folder(record.run.id)
        room = folder.path / run_folders.ROOM
        self._doubt(folder)
        try:
            files.write_reserved(room, folder.record, to_json(record))
        except HarnessError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or not files.is_full(cause):
                raise
            note = f"stored without its tests and splats: {error.message}"
            record = record_states.noted(record, note)
            files.write_reserved(room, folder.record, to_json(record_states.bare(record)))
        run_folders.sweep_folder(folder.path)
        self._believe(folder, record)
        return record

    def replace(self, record: RunRecord) -> None:
        """Replace the record of a run that has ended."""
        self._require_own()
        folder = self.folder(record.run.id)
        self._doubt(folder)
        files.write_own(folder.record, to_json(record))
        self._believe(folder, record)

    def _require_own(self) -> None:
        """Raise UserError for the store of another user."""
        if not self.is_own:
            ownership.require_own(self.root)

    def _doubt(self, folder: RunFolder) -> None:
        """Mark the row stale until it is right again, in case this process is killed in between."""
        self._note_if_not(
            lambda db: db.execute("UPDATE runs SET stale=1, seen=NULL WHERE id=?", (folder.id,))
        )

    def _believe(self, folder: RunFolder, record: RunRecord) -> None:
        size = size_of(folder.path)
        self._note_if_not(lambda db: rows.put(db, record, stale=False, size=size))

    def _clear(self) -> None:
        """Remove leftovers of killed runs: new and removed ones, and in others' folders."""
        run_folders.sweep(self.runs)
        known = self._work(rows.looked_at)
        for run_id in (run for run, (stale, _) in known.items() if stale):
            with contextlib.suppress(MermapctlError):
                if self.read(run_id).run.state is not State.RUNNING:
                    run_folders.sweep_folder(self.folder(run_id).path)

    def remove(self, run_ids: Iterable[str]) -> int:
        """Delete runs with all their artifacts; return the bytes freed."""
        self._require_own()
        freed = 0
        for run_id in run_ids:
            folder = self.folder(run_id)
            trash = self.runs / f"{run_folders.TRASH}{run_id}"
            try:
                folder.path.rename(trash)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise files.cannot_write(folder.path, error) from error
            freed += size_of(trash)
        run_folders.sweep(self.runs)  # also a removal that was killed
        self._sync()
        return freed

    # Reading: the index is first brought up to date with the folders.

    def folder(self, run_id: str) -> RunFolder:
        """Return the folder of a run, whether or not it exists."""
        return RunFolder(run_id, self.runs / run_id)

    def get(self, key: str | None = None) -> RunRecord:
        """Read the record named by `key` (see `resolve`); the latest where it is None."""
        return self.read(self.resolve(key))

    def read(self, run_id: str) -> RunRecord:
        """Read the record of one run; a killed run is interrupted, without a verdict."""
        folder = self.folder(run_id)
        record = _load(folder.record)
        if record.run.state is State.RUNNING:
            if not still_running(record.run):
                record = _load(folder.record)  # it may have ended well between the two reads
                if record.run.state is State.RUNNING:
                    record = record_states.killed(record)
            record = cell_files.joined(record, folder)
            if record.run.state is not State.FINISHED and record.verdict is Verdict.PASSED:
                record = replace(record, verdict=Verdict.NO_VERDICT)  # not all cells have passed
        return placed(record, folder)

    def resolve(self, key: str | None = None) -> str:
        """Return the run id for `latest`, `latest~N`, a whole id, or a unique start or end of one.

        Raises UserError where there is none or more than one.
        """
        ids = self.ids()
        if not ids:
            raise UserError(
                f"no run is stored in {self.runs}",
                "`mermapctl run` makes one; `mermapctl report log FILE` judges any console log.",
            )
        back = re.fullmatch(r"latest(?:~(\d{1,9}))?", "latest" if key is None else key)
        if back:
            number = int(back[1] or 0)
            if number >= len(ids):
                only = "is only 1 run" if len(ids) == 1 else f"are only {len(ids)} runs"
                raise UserError(f"{key}: there {only}", _LIST)
            return ids[number]
        if key in ids:
            return str(key)
        found = [run for run in ids if run.startswith(str(key)) or run.endswith(str(key))]
        if len(found) == 1:
            return found[0]
        if not found:
            raise UserError(f"no stored run is named {key!r}", _LIST)
        raise UserError(f"{key!r} fits {len(found)} runs: {_some(found)}", "Give more of the id.")

    def ids(self) -> list[str]:
        """Return the ids of all runs, newest first, from the folders."""
        try:
            names, strangers = run_folders.scan(self.runs)
        except OSError as error:
            raise HarnessError(f"cannot read the store {self.runs}: {error.strerror}") from error
        new = [each for each in strangers if each not in self._strangers]
        if new:
            self._strangers.update(new)
            self.notices.append(f"no run of mermapctl, passed over in {self.runs}: {_some(new)}")
        if names and run_folders.is_ahead(names[0]) and names[0] not in self._strangers:
            self._strangers.add(names[0])
            self.notices.append(
                f"run {names[0]} is dated in the future, and stays `latest` until then: was the "
                "clock wrong? `mermapctl report show ID` shows another run"
            )
        return names

    def list(self, filters: Filters | None = None) -> list[RunSummary]:
        """Return the runs that pass `filters`, newest first."""
        wanted = filters or Filters()
        return self.query(lambda db: rows.summaries(db, wanted))

    def count(self) -> int:
        """Return how many runs are stored."""
        return len(self.ids())

    def query(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Answer a question from the index, updated first."""
        unwritten = self._sync()
        known = len(self.notices)
        answer = self._work(lambda db: index.amended(db, unwritten, job))
        if len(self.notices) == known:
            return answer
        unwritten = self._sync()  # the index broke during the query
        return self._work(lambda db: index.amended(db, unwritten, job))

    def _sync(self) -> Change | None:
        """Bring the index up to date: runs that came, went, or may have changed.

        Returns the change where it could not be written, as on a full disk.
        """
        known = self._work(rows.looked_at)  # before the folders: a row is written after its folder
        ids = set(self.ids())
        gone = [run for run in known if run not in ids]
        fresh = [run for run in ids if run not in known or self._changed(run, *known[run])]
        if not gone and not fresh:
            return None
        read = [(run, *self._examine(run)) for run in fresh]

        def job(connection: sqlite3.Connection) -> None:
            rows.drop(connection, gone)
            for run, seen, outcome in read:
                if isinstance(outcome, RunRecord):
                    stale = outcome.run.state is State.RUNNING
                    if not stale and self.is_own:
                        run_folders.sweep_folder(self.folder(run).path)
                    size = size_of(self.folder(run).path)
                    rows.put(connection, outcome, stale=stale, seen=seen, size=size)
                elif outcome is not None:
                    rows.put_unreadable(connection, run, outcome, seen)

        return None if self._note_if_not(job) else job

    def _changed(self, run_id: str, stale: bool, seen: int | None) -> bool:  # noqa: FBT001
        """Return whether a run may differ from its row."""
        if not stale:
            return False
        if seen is None or seen != _modified(self.folder(run_id).record):
            return True
        try:
            return self.read(run_id).run.state is not State.RUNNING  # it may have been killed
        except MermapctlError:
            return False  # still unreadable

    def _examine(self, run_id: str) -> tuple[int | None, RunRecord | str | None]:
        """Return modification time, and the record, or why it is unreadable, or None if gone."""
        seen = _modified(self.folder(run_id).record)
        try:
            return seen, self.read(run_id)
        except MermapctlError as error:
            return seen, error.message if self.folder(run_id).path.is_dir() else None

    def _work(self, job: Callable[[sqlite3.Connection], T], *, write: bool = False) -> T:
        """Do `job` on the index; make a damaged one again first."""
        try:
            return self._index.work(job, write=write)
        except Damaged as damage:
            aside = self._index.set_aside()
            if aside is not None:
                self.notices.append(
                    f"the store's index was set aside as {aside.name} ({damage}); it is made again "
                    f"from the {len(self.ids())} runs in {self.runs}, nothing is lost"
                )
        try:
            return self._index.work(job, write=write)
        except Damaged as damage:
            raise HarnessError(
                f"the store's index {self._index.path} cannot be made again: {damage}",
                f"Check the disk. The runs themselves are whole, each in its folder in {self.runs}",
            ) from damage

    def _note_if_not(self, job: Change) -> bool:
        """Write to the index; a failure is a notice, since the next reader writes it again."""
        try:
            self._work(job, write=True)
        except HarnessError as error:
            self.notices.append(f"{error.message}; the runs themselves are stored")
            return False
        return True


ROOM_BYTES = 4 << 20
"""Space for the last record of a run: that of four tests takes 20 KB, a long trace's 1 MB."""
_LIST = "`mermapctl report list` shows the runs."


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def _load(path: Path) -> RunRecord:
    try:
        data = read_regular(path, run_folders.LARGEST)
    except OSError as error:
        raise HarnessError(f"cannot read {path}: {error.strerror}") from error
    return from_json(data, str(path))


def _modified(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def run_ids() -> list[str]:
    """Return this user's run ids, newest first, for a shell's completion: no error, no write."""
    try:
        return Store(paths.state_dir()).ids()
    except MermapctlError:
        return []
