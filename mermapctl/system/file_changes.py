# SPDX-License-Identifier: GPL-2.0-only
"""Find which files of a set have changed: inotify reports it, or each file is looked at.

inotify does not see what another machine writes (NFS, 9p, a virtual machine's shared directory),
nor a lower layer of overlayfs; it also has a limit of directories for each user. There the files
are looked at once a second, which takes some 20 ms for 2,500 of them.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from watchfiles._rust_notify import RustNotify

from mermapctl.system import inputs
from mermapctl.system.signals import deferred

POLL_SECONDS = 1.0
_UNSEEN = re.compile(r"nfs|9p|overlay|aufs|cifs|smb|fuse|virtiofs|vboxsf|ceph|afs|drvfs|prl_fs")
"""Beginnings of the names of file systems whose changes inotify may not see."""
_STEP_MS = 1
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")

Identity = tuple[int, int, int]


class FileChanges:
    """A set of files, and what has changed of it. `why_polling` is a phrase, "" with inotify."""

    def __init__(self) -> None:
        self.why_polling = ""
        self._known: dict[Path, Identity | None] = {}
        self._directories: frozenset[Path] = frozenset()
        self._notify: RustNotify | None = None
        self._looked = time.monotonic()

    @property
    def files(self) -> int:
        """Return the number of files."""
        return len(self._known)

    @property
    def directories(self) -> int:
        """Return the number of directories that contain the files."""
        return len(self._directories)

    def watch(self, files: Iterable[Path], since: float | None = None) -> tuple[Path, ...]:
        """Replace the set. A file that stays keeps its state: a change of it is still reported.

        Return those new in the set that were written after `since`, in seconds since 1970.
        """
        before = self._known
        self._known = {each: before[each] if each in before else _identity(each) for each in files}
        wanted = frozenset(each.parent for each in self._known)
        directories = frozenset(each for each in wanted if each.is_dir())
        if directories != self._directories or (self._notify is None and not self.why_polling):
            self.close()
            self._directories = directories
            self._open()
        new = {each: state for each, state in self._known.items() if each not in before and state}
        return tuple(each for each in new if since is not None and new[each][0] > since * 1e9)

    def changed(self) -> tuple[Path, ...]:
        """Return the files that differ from the last call; a removed one does, too."""
        if not self._due():
            return ()
        now = {each: _identity(each) for each in self._known}
        found = tuple(each for each, state in now.items() if state != self._known[each])
        self._known = now
        return found

    def close(self) -> None:
        """End the notifications."""
        if self._notify is not None:
            self._notify.close()
        self._notify = None

    def _open(self) -> None:
        self.why_polling = _unseen(self._directories)
        if self.why_polling or not self._directories:
            return
        places = sorted(os.fspath(each) for each in self._directories)
        try:
            self._notify = RustNotify(
                places,
                debug=False,
                force_polling=False,
                poll_delay_ms=0,
                recursive=False,
                ignore_permission_denied=True,
            )
        except (OSError, RuntimeError, UnicodeError) as error:  # the limit of a user, an odd name
            self.why_polling = f"inotify does not take {len(places)} directories ({error})"

    def _due(self) -> bool:
        """Return whether there may be a change."""
        now = time.monotonic()
        if self._notify is None:
            if now - self._looked < POLL_SECONDS:
                return False
            self._looked = now
            return True
        with deferred():  # it would drop the exception of an ending signal
            said = self._notify.watch(_STEP_MS, _STEP_MS, _STEP_MS, None)
        return isinstance(said, set)


def _identity(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _unseen(directories: Iterable[Path]) -> str:
    """Return why changes below some directories may not be seen, as a phrase; "" if they are."""
    mounts = _mounts()
    for each in sorted(directories):
        place = each.resolve()
        kind = next((mounts[above] for above in (place, *place.parents) if above in mounts), "")
        if _UNSEEN.match(kind):
            return f"inotify does not see all changes on {kind}"
    return ""


def _mounts() -> Mapping[Path, str]:
    """Return mount points with the type of their file system. Source: proc(5)."""
    try:
        lines = inputs.read_text(_MOUNTS).splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    found = {}
    for line in lines:
        before, _, after = line.partition(" - ")
        words = before.split()
        if len(words) > 4 and after:
            point = _ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), words[4])
            found[Path(point)] = after.split()[0]
    return found
