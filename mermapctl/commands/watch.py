# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl watch`: run again after each save, and after each move of a ref.

Each run is a process of its own, `mermapctl run …`, which a signal cancels: it takes the same locks
and ends the same children as one that a user starts.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mermapctl.commands import run as run_command
from mermapctl.config import target
from mermapctl.config.plan import Request
from mermapctl.errors import CommitError, HarnessError, UserError
from mermapctl.events import Note
from mermapctl.judge.result_types import Reason
from mermapctl.records import record as records
from mermapctl.records.record import RunRecord
from mermapctl.series.watch_events import (
    Begins,
    RangeMoved,
    Saved,
    WatchedSet,
    WatchListener,
    Whole,
    Without,
)
from mermapctl.series.watch_schedule import (
    AGAIN,
    SETTLE,
    Key,
    Narrowed,
    Schedule,
    narrowed,
    pressed,
)
from mermapctl.system import paths, process
from mermapctl.system.children import ChildEnded, ChildLine, Children
from mermapctl.system.file_changes import FileChanges
from mermapctl.system.keyboard import Keyboard
from mermapctl.tree import build_dir, commits, ownership, refs, series_worktrees
from mermapctl.tree.build_inputs import ReadFiles, lacking, steers
from mermapctl.tree.commits import Range
from mermapctl.tree.refs import Mark, RefFiles

_TICK = 0.1
_REFS_EVERY = 0.5
_CHILD = 1


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What to run: the request, the range (None: the work tree alone).

    `words` makes the words behind `mermapctl run`, narrowed to some cells or not.
    """

    request: Request
    commits: str | None
    words: Callable[[Narrowed | None], tuple[str, ...]]


def run(asked: WatchRequest, tell: WatchListener) -> None:
    """Run, and run again, until the key q. Raises UserError before the first run, Interrupted."""
    path = target.tree_for(asked.request.tree, asked.request.targets)
    ownership.require(path)
    if "-" in map(str, asked.request.configs):
        raise UserError("--config - is read once, and cannot be watched", "name a file")
    found = _WatchedRange.begin(path, asked.commits) if asked.commits is not None else None
    builds = _builds(asked, path)
    files = FileChanges()
    # The innermost block ends first: the terminal is as it was before a child is waited for.
    try:
        with Children() as children, Keyboard() as keyboard:
            loop = _Loop(asked, path, builds, found, tell, children, keyboard, files)
            while loop.step():
                pass
    finally:
        files.close()


def _builds(asked: WatchRequest, path: Path) -> tuple[tuple[str, str], ...]:
    """Return target and name of each build directory. Raises UserError for what cannot be run."""
    try:
        cells = run_command.cells_of((asked.request,))
    except CommitError:
        if asked.commits is None:
            raise
        return ()  # another commit of the range may have what this one lacks
    build_dir.require_plain(path)
    return tuple((each.target.name, each.build_name) for each in cells)


@dataclass(slots=True)
class _WatchedRange:
    """The range as it was last read, and when it is to be read again."""

    tree: Path
    spelled: str
    places: RefFiles
    mark: Mark
    range: Range
    look: float | None = None
    next: float = 0.0

    @classmethod
    def begin(cls, tree: Path, spelled: str) -> _WatchedRange:
        places = refs.of(tree)
        mark = places.mark()
        return cls(tree, spelled, places, mark, commits.read(tree, spelled))

    def moved(self, now: float) -> Range | None:
        """Return the former range once the refs have moved and have then been at rest."""
        if now >= self.next:
            self.next = now + _REFS_EVERY
            mark = self.places.mark()
            if mark != self.mark:
                self.mark, self.look = mark, now + AGAIN
        if self.look is None or now < self.look:
            return None
        self.look = None
        before, self.range = self.range, commits.read(self.tree, self.spelled)
        return before if before != self.range else None

    @property
    def ids(self) -> frozenset[str]:
        """The commits of the range."""
        return frozenset(each.id for each in self.range.commits)


@dataclass(slots=True)
class _Loop:
    """Waits for keys, saves, refs and the end of a run, ten times a second."""

    asked: WatchRequest
    tree: Path
    builds: tuple[tuple[str, str], ...]
    found: _WatchedRange | None
    tell: WatchListener
    children: Children
    keyboard: Keyboard
    files: FileChanges
    read: ReadFiles = field(init=False)
    schedule: Schedule = field(init=False)
    last: RunRecord | None = None
    said: list[bytes] = field(default_factory=list)
    began: float = 0.0

    def __post_init__(self) -> None:
        settle = SETTLE if self.found is None else AGAIN  # a rebase writes files and moves a ref
        self.schedule = Schedule(settle=settle, due=0.0)
        self.read = ReadFiles(self.tree)
        self._watch()

    def step(self) -> bool:
        """Do what is due; return whether to go on."""
        for each in self.children.wait(_TICK):
            if isinstance(each, ChildLine):
                self.said.append(each.text)
            else:
                self._ended(each)
        now = time.monotonic()
        was_on = self.schedule.cancelled
        for key in pressed(self.keyboard.keys()):
            if key is Key.QUIT:
                return False
            self.schedule.pressed(key, now)
        self._look(now)
        if self.schedule.cancelled and not was_on and len(self.children):
            self.children.ask_to_end(_CHILD)
        if self.schedule.is_due(now):
            self._start()
        return True

    def _look(self, now: float) -> None:
        """Look at files and refs."""
        if self.found is None or self.found.range.at_head:
            changed = self.files.changed()
            if changed:
                self._saved(changed, now)
        if self.found is None:
            return
        try:
            before = self.found.moved(now)
        except UserError as error:  # in the middle of a rebase, or BASE is gone
            self.tell(Note(error.message))
            return
        if before is not None:
            new = self.found.ids - {each.id for each in before.commits}
            self.tell(RangeMoved(len(self.found.range.commits), len(new)))
            self.schedule.moved(self.found.ids, now)

    def _saved(self, changed: Sequence[Path], now: float) -> None:
        names = tuple(sorted(_shown(each, self.tree) for each in changed))
        running = self.schedule.commits is not None and not self.schedule.cancelled
        cost, steering = self.read.cost(names), tuple(filter(steers, names))
        self.tell(Saved(names, cost, self.read.objects, steering, running))
        self.schedule.saved(now)

    def _start(self) -> None:
        plan = self.schedule.plan
        cells = narrowed(self.last) if plan.failed else None
        words = self.asked.words(cells)
        if plan.rerun and self.found is not None:
            words = (*words, "--rerun")
        self.tell(Begins(words, failed=cells is not None))
        self.said.clear()
        self.began = time.time()
        argv = [sys.executable, "-P", "-m", "mermapctl", "run", *words]
        self.schedule.started(self.found.ids if self.found else ())
        self.children.start(_CHILD, argv, process.inherited())

    def _ended(self, ended: ChildEnded) -> None:
        counts = self.schedule.ended(time.monotonic())
        made = self._record() if counts else None
        if made is None:
            self.tell(Without(ended.returncode, cancelled=not counts))
        else:
            self.last = made
            self.tell(Whole(made))
        if not counts:
            return
        late = self._watch(self.began)
        if late:
            self._saved(late, time.monotonic())
        self._rest()

    def _record(self) -> RunRecord | None:
        if not self.said:
            return None
        try:
            return records.from_json(b"\n".join(self.said))
        except HarnessError:
            return None

    def _watch(self, since: float | None = None) -> tuple[Path, ...]:
        """Watch what the builds have read; return what is new of it and was saved `since`."""
        places = [self.tree] if self.found is None else series_worktrees.trees(self.tree)
        self.read.update(
            (build_dir.locate(place, *each), place) for place in places for each in self.builds
        )
        cells = self.last.cells if self.last else ()
        failed = [each.detail or "" for each in cells if each.reason is Reason.BUILD_FAILED]
        own = [Path(os.path.abspath(each)) for each in self.asked.request.configs]  # noqa: PTH100
        own += sorted(paths.config_dir().glob("*.kunitconfig"))
        own += [path for said in failed for path in lacking(self.tree, said)]
        return self.files.watch((*self.read.files(all_sources=bool(failed)), *own), since)

    def _rest(self) -> None:
        """Report what is watched, if no run is due."""
        if self.schedule.due is None:
            self.tell(
                WatchedSet(
                    files=self.files.files,
                    directories=self.files.directories,
                    objects=self.read.objects,
                    polling=self.files.why_polling,
                    refs=self.found is not None,
                    keys=self.keyboard.active,
                )
            )


def _shown(path: Path, tree: Path) -> str:
    return str(path.relative_to(tree)) if path.is_relative_to(tree) else str(path)
