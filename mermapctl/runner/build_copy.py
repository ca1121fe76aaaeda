# SPDX-License-Identifier: GPL-2.0-only
"""Start a new build directory as a copy of the one beside it with the most similar configuration.

Kbuild records for each object the symbols it was compiled under, and compiles it again if one of
them changes. So a copy is as safe as another configuration in the same directory, which is
kunit.py's default. Only directories whose last build succeeded are copied, and only as a whole.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from mermapctl.runner import up_to_date
from mermapctl.system import lock_holder, locks
from mermapctl.system.inputs import LARGEST, read_regular
from mermapctl.tree import build_dir

_ASKED = "last_used_kunitconfig"
"""The file with kunit.py's last kunitconfig (tools/testing/kunit/kunit_kernel.py)."""

_NOT_SET = "# CONFIG_"
_PRODUCTS = ("vmlinux", ".tmp_vmlinux", "System.map", up_to_date.STAMP, build_dir.OBJECTS)
"""Prefixes of file names at the top of a build directory that are not copied: the new kernel makes
its own."""


def _lines(text: str) -> set[str]:
    """Return the lines of a kunitconfig that set a symbol or unset it."""
    return {line.strip() for line in text.splitlines() if line.startswith(("CONFIG_", _NOT_SET))}


def _distance(directory: Path, wanted: set[str]) -> int | None:
    """Count the lines that differ from a directory's last kunitconfig; None: not to be copied."""
    try:
        if not (directory / up_to_date.STAMP).is_file():
            return None
        return len(wanted ^ _lines(read_regular(directory / _ASKED).decode()))
    except (OSError, ValueError):
        return None


def nearest(directory: Path, wanted: str) -> Path | None:
    """Return the directory beside `directory` whose last kunitconfig is nearest to `wanted`."""
    lines = _lines(wanted)
    try:
        found = [
            (distance, each)
            for each in sorted(directory.parent.iterdir())
            if each != directory and (distance := _distance(each, lines)) is not None
        ]
    except OSError:
        return None
    return min(found)[1] if found else None


@contextlib.contextmanager
def _held(directory: Path, command: str) -> Iterator[bool]:
    """Lock a build directory without waiting, and yield whether that succeeded; then unlock."""
    with contextlib.ExitStack() as stack:
        try:
            fd = locks.opened(build_dir.lock_of(directory))
            stack.callback(locks.release, fd)
            free = locks.take(fd, wait=False)
        except OSError:
            free = False
        if free:
            lock_holder.sign(fd, command)
        yield free


def _copy(origin: Path, goal: Path, final: Path) -> None:
    """Copy what make needs, with its times; replace the directory by `final` in make's records."""
    # make resolves symbolic links in its own directory's path.
    here, there = (os.fsencode(each.resolve()) + b"/" for each in (origin, final))

    def left_out(directory: str, names: list[str]) -> list[str]:
        top = directory == str(origin)
        return [name for name in names if top and name.startswith(_PRODUCTS)]

    def copied(source: str, target: str) -> None:
        if source.endswith(".cmd"):
            # tools/ records absolute paths; make fails if one of them is removed later.
            with open(source, "rb") as file, open(target, "wb") as changed:  # noqa: PTH123
                lines = iter(lambda: file.readline(LARGEST), b"")
                changed.writelines(line.replace(here, there) for line in lines)
            shutil.copystat(source, target)
        else:
            shutil.copy2(source, target, follow_symlinks=False)

    shutil.copytree(origin, goal, symlinks=True, ignore=left_out, copy_function=copied)


def begin(directory: Path, wanted: str, command: str) -> Path | None:
    """Fill an empty, locked build directory from the nearest one, and return that one.

    `wanted` is the kunitconfig that follows, `command` names this process in the lock. Return None
    if nothing was copied, for example because the disk is full: make then builds everything.
    """
    if any(directory.iterdir()):
        return None
    origin = nearest(directory, wanted)
    if origin is None:
        return None
    partial = directory.with_name(f"{directory.name}.partial")
    with _held(origin, command) as free:
        if not free:
            return None
        try:
            shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
            _copy(origin, partial, directory)
            partial.rename(directory)
        except OSError:  # shutil.Error is one
            return None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return origin
