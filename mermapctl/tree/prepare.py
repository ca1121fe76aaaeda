# SPDX-License-Identifier: GPL-2.0-only
"""Makes a new kernel tree atomically: a base commit with the reference mermap on top.

Works in a hidden directory beside the new one, closed to other users because its unpacked files
are not checked yet, and renames the tree at the end.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mermapctl.errors import HarnessError, UserError
from mermapctl.events import Listener, Note, StageEnded, StageStarted
from mermapctl.system import locks
from mermapctl.tree import find, git, overlay, postings, state, unpack
from mermapctl.tree.overlay import Mermap
from mermapctl.tree.postings import Posting
from mermapctl.tree.source import Source, SourceKind
from mermapctl.tree.state import Tree

BYTES = 2_500_000_000
"""Disk space of a tree: 6.12 takes 1.7 GB unpacked and 0.4 GB under .git."""
INODES = 110_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A ready tree; `already` if it existed before. `patches` are the subjects on the base.

    `differs` if its reference mermap is not the one that this version makes.
    """

    tree: Tree
    base: str
    source: str
    mermap: Mermap | None
    patches: tuple[str, ...]
    already: bool = False
    differs: bool = False


def standing(directory: Path) -> Prepared | None:
    """Return the prepared tree at `directory`; None if that is missing or empty.

    Raises UserError for anything else, and leaves it untouched.
    """
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return None
    origin = state.origin(directory) if find.is_kernel(directory) else None
    if origin is None:
        if find.is_kernel(directory):
            hint = (
                f"run on it as it is: mermapctl run --tree {directory}; or make one from it: "
                f"mermapctl tree prepare NEW --source {directory}"
            )
            raise UserError(f"{directory} is a kernel tree that mermapctl did not make", hint)
        raise UserError(f"{directory} is there and is not empty", "name a directory that is not")
    mermap = overlay.present(directory)
    return Prepared(
        tree=state.inspect(directory),
        base=origin.base,
        source=origin.source,
        mermap=mermap,
        patches=state.subjects(directory, origin.base),
        already=True,
        differs=mermap is Mermap.REFERENCE and not _is_current(directory),
    )


def _is_current(tree: Path) -> bool:
    """Return whether this version would make the same mermap, or posting, as in the tree."""
    with contextlib.suppress(UserError):  # a hook finds no place
        if not overlay.plan(tree, overlay.load()):
            return True
    return postings.of(tree) is not None


def prepare(
    directory: Path,
    source: Source,
    tell: Listener,
    *,
    with_overlay: bool,
    posting: Posting | None = None,
) -> Prepared:
    """Make the tree at `directory`, which is absolute and missing or empty.

    With a `posting`, the reference mermap behaves like that one. Raises UserError and HarnessError;
    any error leaves `directory` unchanged.
    """
    _make_room(directory.parent, _needed(source))
    with _workshop(directory, tell) as partial:
        with _stage(tell, _DOING[source.kind]):
            tree, date = unpack.base(source, partial, tell)
            base = git.git(tree, "rev-parse", "HEAD")
            # EXTRAVERSION may be anything; a tag may not.
            kernel = re.sub(r"[^\w+-]+|\.\.+|\.$", ".", find.validate(tree)).strip(".")
            git.git(tree, "tag", "--force", f"base-{kernel}")
        with _stage(tell, "mermap"):
            patches = _put_on(tree, date, tell, posting) if with_overlay else ()
        git.git(tree, "config", "mermapctl.base", base)
        git.git(tree, "config", "mermapctl.source", source.spelled)
        if partial.is_symlink() or tree.is_symlink():
            raise HarnessError(f"{partial} was replaced while the tree was made", "run it again")
        try:
            tree.rename(directory)
        except OSError as error:
            message = f"cannot rename {tree} to {directory}: {error.strerror}"
            raise HarnessError(message, "see what is there now, and run it again") from error
    return Prepared(
        tree=state.inspect(directory),
        base=base,
        source=source.spelled,
        mermap=overlay.present(directory),
        patches=patches,
    )


_DOING = {
    SourceKind.TARBALL: "unpack",
    SourceKind.URL: "clone",
    SourceKind.REPOSITORY: "clone",
    SourceKind.DIRECTORY: "copy",
}


def _put_on(tree: Path, date: int, tell: Listener, posting: Posting | None) -> tuple[str, ...]:
    """Commit the reference mermap patch by patch, and the posting; return the subjects."""
    there = overlay.present(tree)
    if there is not None and posting is None:
        tell(Note("the source has a mermap already; the reference mermap is left out"))
        return ()
    subjects: list[str] = []
    for each in (overlay.load(), *([postings.load(posting)] if posting else ())):
        for patch in overlay.plan(tree, each):
            overlay.apply(tree, [patch])
            git.git(tree, "add", "--force", "--", *patch.files)
            subjects.append(patch.subject)
            # A second apart, so that a log sorted by date shows them in order.
            git.commit(tree, f"{patch.subject}\n\n{patch.body}\n", date + len(subjects))
    return tuple(subjects)


@contextlib.contextmanager
def _stage(tell: Listener, name: str) -> Iterator[None]:
    tell(StageStarted(name))
    began = time.monotonic()
    ok = False
    try:
        yield
        ok = True
    finally:
        tell(StageEnded(name, time.monotonic() - began, ok))


def _needed(source: Source) -> int:
    """Return BYTES, or less for a tarball too small for that (xz packs to a twelfth)."""
    size = Path(source.location).stat().st_size if source.kind is SourceKind.TARBALL else BYTES
    return min(BYTES, 20 * size)


def _make_room(parent: Path, needed: int) -> None:
    """Check that the tree fits, before a minute's work. Raises HarnessError."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        space = os.statvfs(parent)
    except OSError as error:
        raise UserError(f"cannot make {parent}: {error.strerror}", "name another place") from error
    free = space.f_bavail * space.f_frsize
    if free < needed:
        raise HarnessError(
            f"{parent} has {free / 1e9:.1f} GB free; a kernel tree needs {needed / 1e9:.1f}",
            "free some space, or name a place on a larger disk",
        )
    if space.f_files and space.f_favail < INODES and needed == BYTES:
        raise HarnessError(
            f"{parent} has {space.f_favail} inodes left; a kernel tree needs {INODES}",
            "remove files you do not need, or name a place on another disk",
        )


@contextlib.contextmanager
def _workshop(directory: Path, tell: Listener) -> Iterator[Path]:
    """Make an empty, locked, private directory beside `directory`; remove it at the end.

    A killed run leaves it behind unlocked, and the next run clears it. Removes what was made by its
    handle, not by its name: whoever owns the place may have put a link there.
    """
    partial = directory.with_name(f".{directory.name}.mermapctl-partial")
    handle = _lock(partial, directory)
    made = Path(f"/proc/self/fd/{handle}")
    try:
        if any(made.iterdir()):
            tell(Note(f"starting again: removing what an interrupted run left in {partial}"))
            _clear(made)
        yield partial
    finally:
        try:
            _clear(made)
            if _is(partial, handle):
                partial.rmdir()
        finally:
            locks.release(handle)


def _lock(partial: Path, directory: Path) -> int:
    """Make and lock the directory. Raises UserError if another process has locked it."""
    while True:
        try:
            partial.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            raise UserError(
                f"cannot make {partial}: {error.strerror}", "name a place that you can write to"
            ) from error
        if os.fstat(handle).st_uid != os.geteuid():  # planted in a world-writable directory
            locks.release(handle)
            raise UserError(f"{partial} belongs to another user", "name another place")
        if not locks.take(handle, wait=False):
            locks.release(handle)
            raise UserError(
                f"another mermapctl is preparing {directory}", "wait until it has ended"
            )
        if _is(partial, handle):
            os.fchmod(handle, 0o700)
            return handle
        locks.release(handle)  # the other process has just ended


def _is(path: Path, handle: int) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(path.lstat(), os.fstat(handle))
    return False


def _clear(partial: Path) -> None:
    for entry in partial.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
            _open_up(entry)  # a tarball may have made it unreadable
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _open_up(directory: Path) -> None:
    """Make every remaining directory accessible to us."""
    for top, names, _ in os.walk(directory):  # from the top down
        for path in (Path(top, name) for name in names):
            with contextlib.suppress(OSError):
                if not path.is_symlink():
                    path.chmod(0o700)
