# SPDX-License-Identifier: GPL-2.0-only
"""The store's index: one SQLite file that answers questions about all runs at once.

It contains nothing that the runs' folders lack, so it has no migrations: an index of an older
layout, or a damaged one, is moved away and filled again from the folders. A newer one is refused.
Rollback journal, not WAL: home directories may be on network file systems.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from mermapctl.errors import HarnessError
from mermapctl.system import locks
from mermapctl.system.files import cannot_write

VERSION = 4
BUSY_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE runs (
  id TEXT PRIMARY KEY, started TEXT, seconds REAL, state TEXT, verdict TEXT,
  kernel TEXT, revision TEXT, describe TEXT, dirty INTEGER, tree TEXT, command TEXT,
  former TEXT,       -- the verdict before the last rejudging
  problem TEXT,      -- why the record cannot be read
  size INTEGER,      -- bytes on disk of the run's folder when it was read
  stale INTEGER,     -- 1: look at the record again before believing this row
  seen INTEGER,      -- modification time of the record in ns when it was read
  outcome TEXT       -- of a bisect: what it found, in words
) WITHOUT ROWID;
CREATE TABLE cells (
  run TEXT, cell INTEGER, revision TEXT, target TEXT, variant TEXT, verdict TEXT, reason TEXT,
  accelerator TEXT,
  setup TEXT,        -- what else makes a boot comparable: CPU model, CPUs, kernel arguments
  config REAL, build REAL, boot REAL, findings TEXT,
  PRIMARY KEY (run, cell)
) WITHOUT ROWID;
CREATE TABLE tests (
  run TEXT, cell INTEGER, place INTEGER, suite TEXT, test TEXT, status TEXT, seconds REAL,
  expected INTEGER, counted INTEGER, observed INTEGER,
  complaint TEXT,    -- codes of the errors found in a test that said ok
  PRIMARY KEY (run, cell, place)
) WITHOUT ROWID;
CREATE TABLE costs (
  run TEXT, cell INTEGER, what TEXT, instructions INTEGER,
  setup TEXT,        -- what the number depends on besides the kernel: QEMU's version, the guest
  PRIMARY KEY (run, cell, what)
) WITHOUT ROWID;
CREATE INDEX tests_by_name ON tests (test, run);
"""

_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
_MAY_NOT_WRITE = {errno.EROFS, errno.EACCES, errno.EPERM}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}

T = TypeVar("T")
Change = Callable[[sqlite3.Connection], object]


class Damaged(Exception):  # noqa: N818  - a state of the index; not shown to users
    """The index is unusable and must be filled again; the argument is the reason."""


class _ReadOnly(Exception):  # noqa: N818  - a state of the store; not shown to users
    """The index's directory is read-only."""


class Index:
    """The file `path`, opened for each transaction, so that it may be replaced at any time.

    Where it is read-only (another user's store, an archive) a copy in memory takes its place.
    """

    def __init__(self, path: Path, *, foreign: bool = False) -> None:
        """Use the file `path`, or none at all for the store of another user, `foreign`."""
        self.path = path
        self._foreign = foreign
        self._lock = path.with_name(path.name + ".lock")
        self._copy: sqlite3.Connection | None = None

    def work(self, job: Callable[[sqlite3.Connection], T], *, write: bool = False) -> T:
        """Do `job` in one transaction.

        Raises Damaged where the index must be filled again, HarnessError where it is newer than
        this mermapctl, or cannot be read or written.
        """
        if self._copy is None and self._foreign:
            self._copy = self._empty()
        if self._copy is None:
            try:
                return self._on_disk(job, write=write)
            except _ReadOnly:
                self._copy = self._copied()
        return self._in_memory(self._copy, job, write=write)

    def _on_disk(self, job: Callable[[sqlite3.Connection], T], *, write: bool) -> T:
        with self._held(shared=True):
            try:
                with contextlib.closing(self._connect()) as connection:
                    self._prepare(connection)
                    connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                    result = job(connection)
                    connection.execute("COMMIT")
                    return result
            except sqlite3.DatabaseError as error:
                raise self._explain(error) from error

    @staticmethod
    def _in_memory(
        connection: sqlite3.Connection, job: Callable[[sqlite3.Connection], T], *, write: bool
    ) -> T:
        connection.execute("BEGIN")
        try:
            result = job(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT" if write else "ROLLBACK")  # it drops temporary tables
        return result

    def _copied(self) -> sqlite3.Connection:
        """Copy the index to memory; empty, to be filled again, where the file cannot be read."""
        memory = self._empty()
        with contextlib.suppress(sqlite3.DatabaseError, Damaged):
            name = f"{self.path.absolute().as_uri()}?mode=ro"
            with contextlib.closing(sqlite3.connect(name, uri=True)) as connection:
                self._refuse_newer(self._version(connection))
                if self._version(connection) == VERSION and _whole(connection):
                    connection.backup(memory)
        self._prepare(memory)
        return memory

    def _empty(self) -> sqlite3.Connection:
        """Make an index in memory, to be filled from the folders.

        A file of another user could be a link, or have a view that never ends.
        """
        memory = sqlite3.connect(":memory:", isolation_level=None)
        weakref.finalize(self, memory.close)
        if self._foreign:
            self._prepare(memory)
        return memory

    def set_aside(self) -> Path | None:
        """Move a damaged or older index away, so that the next transaction starts an empty one.

        Returns its new path; None if another process has done so.
        """
        with self._held(shared=False):
            try:
                with contextlib.closing(self._connect()) as connection:
                    self._prepare(connection)
                    if _whole(connection):
                        return None
            except (sqlite3.DatabaseError, Damaged):
                pass
            aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns() // 1_000_000}")
            try:
                self.path.rename(aside)
                # SQLite would replay a leftover journal into the new file.
                with contextlib.suppress(FileNotFoundError):
                    journal = self.path.with_name(self.path.name + "-journal")
                    journal.rename(aside.with_name(aside.name + "-journal"))
            except OSError as error:
                raise cannot_write(self.path, error) from error
            return aside

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Check the layout's version; lay out an empty file."""
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA temp_store=MEMORY")
        version = self._version(connection)
        if version == 0:
            connection.execute("BEGIN IMMEDIATE")
            if self._version(connection) == 0:  # no other process was faster
                if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
                    raise Damaged("it was not made by mermapctl")
                for statement in _SCHEMA.split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={VERSION}")
            connection.execute("COMMIT")
            version = self._version(connection)
        self._refuse_newer(version)
        if version < VERSION:
            raise Damaged(f"it has the layout of an older mermapctl ({version})")

    def _refuse_newer(self, version: int) -> None:
        if version > VERSION:
            raise HarnessError(
                f"the store {self.path.parent} was made by a newer mermapctl "
                f"(index version {version}; this one knows up to {VERSION})",
                "Use that mermapctl, or point MERMAPCTL_HOME at another directory. "
                "Nothing was changed.",
            )

    @staticmethod
    def _version(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def _explain(self, error: sqlite3.DatabaseError) -> Exception:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _READ_ONLY:
            return _ReadOnly(str(error))
        if code in _DAMAGED:
            return Damaged(str(error))
        if code == sqlite3.SQLITE_BUSY:
            return HarnessError(
                f"the store's index {self.path} has been in use for {BUSY_SECONDS:.0f} s ({error})",
                "Another mermapctl is writing to it, or was stopped in the middle (^Z?); "
                f"`fuser -v {self.path}` names it.",
            )
        return HarnessError(
            f"cannot use the store's index {self.path}: {error}",
            f"Check the space on the file system of {self.path.parent} and that you may write "
            "there. The runs themselves are in its folder `runs`.",
        )

    @contextlib.contextmanager
    def _held(self, *, shared: bool) -> Iterator[None]:
        """Lock the file beside the index: shared for transactions, exclusive to replace it."""
        try:
            handle = locks.opened(self._lock, 0o666)
        except OSError as error:
            if error.errno in _MAY_NOT_WRITE:
                raise _ReadOnly(str(error)) from error
            raise cannot_write(self._lock, error) from error
        try:
            locks.take(handle, wait=True, shared=shared)
            yield
        finally:
            locks.release(handle)


def amended(
    connection: sqlite3.Connection, change: Change | None, job: Callable[[sqlite3.Connection], T]
) -> T:
    """Return what `job` answers as if `change` had been written, which it could not be."""
    if change is None:
        return job(connection)
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        connection.backup(memory)
        change(memory)
        return job(memory)


def _whole(connection: sqlite3.Connection) -> bool:
    """Return whether the file is intact and has all its tables."""
    tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE type='table'").fetchone()
    expected = _SCHEMA.count("CREATE TABLE")
    check = connection.execute("PRAGMA quick_check(1)").fetchone()
    return bool(tables == (expected,) and check == ("ok",))
