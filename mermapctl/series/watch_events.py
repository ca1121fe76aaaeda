# SPDX-License-Identifier: GPL-2.0-only
"""The events of `mermapctl watch`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mermapctl.events import Note
from mermapctl.records.record import RunRecord


@dataclass(frozen=True, slots=True)
class WatchedSet:
    """What is watched while nothing runs. `polling` is why inotify is not used, "" if it is.

    `objects` is the number of objects that the builds have made, `keys` whether keys are read.
    """

    files: int
    directories: int
    objects: int
    polling: str
    refs: bool
    keys: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """Files of the tree have changed, which `objects` of `of` have read; `running`: a run was on.

    Those in `steering` decide what is built, as a Makefile does: they may cost any number.
    """

    names: tuple[str, ...]
    objects: int
    of: int
    steering: tuple[str, ...]
    running: bool


@dataclass(frozen=True, slots=True)
class RangeMoved:
    """The range has other commits: `commits` of them, of which `new` were not in it before."""

    commits: int
    new: int


@dataclass(frozen=True, slots=True)
class Begins:
    """A run begins, with these words behind `mermapctl run`; only cells that failed if `failed`."""

    words: tuple[str, ...]
    failed: bool


@dataclass(frozen=True, slots=True)
class Whole:
    """A run has ended by itself, with this record."""

    record: RunRecord


@dataclass(frozen=True, slots=True)
class Without:
    """A run has ended without a record: `code` is its exit code. Cancelled: it does not count."""

    code: int
    cancelled: bool


WatchEvent = WatchedSet | Saved | RangeMoved | Begins | Whole | Without | Note
WatchListener = Callable[[WatchEvent], None]
