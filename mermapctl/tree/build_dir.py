# SPDX-License-Identifier: GPL-2.0-only
"""Build directories: one per tree x target x variant, in the user's cache, locked while in use."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mermapctl.errors import HarnessError, UserError
from mermapctl.system import cache_file, lock_holder, locks, paths
from mermapctl.tree import ownership

_OBJECT = re.compile(rb"^[ \t]++(?:CC|AS|CXX|RUSTC|HOSTCC)\b", re.MULTILINE)
OBJECTS = ".mermapctl-objects"
SOURCE = "source"
"""The link in a build directory to its tree: Kbuild makes it (outputmakefile, 5.5 to 7.3)."""
_SPECIAL = r"""[$`"'\\;&|<>(){}*?\[\]#%]"""


def slug(text: str) -> str:
    """Return a text as part of a directory's name."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-") or "x"


def locate(tree: Path, target: str, variant: str) -> Path:
    """Return a cell's build directory; two trees of the same name do not share one."""
    place = hashlib.sha256(os.fsencode(tree)).hexdigest()[:8]
    name = f"{slug(tree.name)}-{place}"
    return paths.cache_dir() / "builds" / name / slug(target) / slug(variant)


def require_plain(*paths: Path) -> None:
    """Raise UserError if make, PATH or a shell would split one of these paths, or obey it.

    The kernel's Makefiles hand paths to make's functions and to shells without quotes: what stands
    between backticks would be run.
    """
    for path in paths:
        if special := re.search(_SPECIAL, str(path)):
            raise UserError(
                f"{str(path)!r}: a kernel cannot be built where a path has a {special[0]}, "
                "which make or a shell would obey",
                "use a path without it; MERMAPCTL_HOME moves what is ours",
            )
        if re.search(r"[\s:]", str(path)):
            raise UserError(
                f"{str(path)!r}: a kernel cannot be built where a path has a blank or a colon",
                "use a path without them; MERMAPCTL_HOME moves what is ours",
            )


def lock_of(directory: Path) -> Path:
    """Return the lock file of a build directory."""
    return directory.with_name(directory.name + ".lock")


@contextlib.contextmanager
def locked(
    directory: Path, command: str, *, wait: bool, waiting: Callable[[str], None]
) -> Iterator[None]:
    """Hold the lock of a build directory; call `waiting` once with the holder if it is taken.

    The kernel drops the lock when the holder and all its children have ended, however they ended.
    Raises UserError with `wait=False` when another process holds it, and where it is another
    user's, HarnessError when the cache cannot be written.
    """
    cache = paths.cache_dir()
    lock = lock_of(directory)
    above = directory.relative_to(cache).parents if directory.is_relative_to(cache) else ()
    ownership.require_own(*(cache / each for each in reversed(above)), directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        fd = locks.opened(lock, 0o644)
    except OSError as error:
        raise HarnessError(
            f"cannot make the build directory {directory}: {error.filename}: {error.strerror}",
            "set MERMAPCTL_HOME or XDG_CACHE_HOME to a place that can be written",
        ) from error
    try:
        lock_holder.take(
            fd,
            command,
            wait=wait,
            waiting=waiting,
            taken=f"{lock.parent / lock.stem} is in use by",
            waits="waiting for the build directory, in use by",
        )
        yield
    finally:
        locks.release(fd)


def objects_in(log: bytes) -> int:
    """Count the objects being made in this part of make's output."""
    return len(_OBJECT.findall(log))


def expected_objects(directory: Path) -> int | None:
    """Return how many objects the last full build here made, if there was one."""
    return cache_file.read(directory / OBJECTS, int)


def remember_objects(directory: Path, made: int) -> None:
    """Store the largest count: an incremental build remakes only a few."""
    if made > (expected_objects(directory) or 0):
        cache_file.write(directory / OBJECTS, made)


def guessed_objects(directory: Path, otherwise: int | None = None) -> int | None:
    """Return about how many objects a first build here makes, by the nearest other build.

    Nearest are the same tree and target, then the same target; without any, it is `otherwise`. None
    for a build that begins with objects, as it makes few.
    """
    if (directory / "init/main.o").is_file():
        return None
    builds, target = directory.parents[2], directory.parent.name
    for pattern in (f"{directory.parents[1].name}/{target}/*", f"*/{target}/*"):
        known = [expected_objects(each) for each in sorted(builds.glob(pattern))]
        if counted := [number for number in known if number]:
            return max(counted)
    return otherwise
