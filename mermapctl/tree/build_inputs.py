# SPDX-License-Identifier: GPL-2.0-only
"""The files of a kernel tree that a build has read, by the `.cmd` file of each of its objects.

Kbuild writes for each object the command that made it, its source, and each header that was
included (scripts/basic/fixdep.c). A tree of 6.12 has 6,456 directories; base reads files in 123.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from mermapctl.system import inputs
from mermapctl.tree.build_dir import SOURCE

LARGEST = 8 << 20
"""Bytes of a .cmd file; the longest of 6.12, that of vmlinux.o, has 0.2 MB."""
STEERING = ("Kbuild", "Kconfig", "Makefile")
"""Beginnings of the names of files that decide what is built; no .cmd file names them."""
FIRST = ("", "include/linux", "lib/kunit", "mm", "mm/tests")
"""Directories in which a change counts before anything is built."""
SUFFIXES = frozenset({".c", ".h", ".S", ".rs"})
_NO_HEADER = re.compile(
    r"^(?P<source>\S+?):\d+:\d+: fatal error: '?(?P<name>[\w./-]+)'?(?::| file not found)"
)
"""The message of gcc and clang for a header that they do not find."""
_SOURCE, _DEPS = b"\nsource_", b"\ndeps_"


class ReadFiles:
    """What the builds of a tree have read. `update` reads only what a build has written since."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._cmds: dict[str, tuple[int, frozenset[str]]] = {}
        self._names: dict[str, str] = {}

    @property
    def objects(self) -> int:
        """Return the number of objects that were made of files of the tree."""
        return sum(bool(read) for _, read in self._cmds.values())

    def update(self, builds: Iterable[tuple[Path, Path]]) -> None:
        """Read the records of build directories, each with the tree that it was built from."""
        found: dict[str, tuple[int, frozenset[str]]] = {}
        for directory, source in builds:
            # Behind ccache an object's record names the tree by the link in the build directory.
            tops = {os.fsencode(top) + b"/" for top in (source, source.resolve(), SOURCE)}
            for path, time in _cmd_files(directory):
                known = self._cmds.get(path)
                if known is None or known[0] != time:
                    known = (time, frozenset(self._read(path, tops)))
                found[path] = known
        self._cmds = found

    def _read(self, path: str, tops: Iterable[bytes]) -> Iterator[str]:
        try:
            data = inputs.read_regular(Path(path), LARGEST)
        except OSError:
            return
        for word in _words(data):
            for top in tops:
                if word.startswith(top):
                    name = os.path.normpath(os.fsdecode(word[len(top) :]))
                    yield self._names.setdefault(name, name)
                    break

    def cost(self, changed: Iterable[str]) -> int:
        """Return how many objects have read one of these files, relative to the tree."""
        wanted = frozenset(changed)
        return sum(not wanted.isdisjoint(read) for _, read in self._cmds.values())

    def files(self, *, all_sources: bool = False) -> Iterator[Path]:
        """Yield the files to watch: those that were read, and what steers their directories.

        `all_sources` adds all sources in these directories: after a failed build, as what could not
        be compiled has no record, and before the first one.
        """
        read: set[str] = set().union(*(each for _, each in self._cmds.values()))
        yield from (self._tree / name for name in read)
        places = {os.path.dirname(name) for name in read} or {*FIRST}  # noqa: PTH120 - thousands
        for place in places | {""}:
            directory = self._tree / place
            yield from (directory / name for name in STEERING)
            for name in _names_in(directory):
                kconfig = name.startswith("Kconfig.")
                if kconfig or ((all_sources or not read) and Path(name).suffix in SUFFIXES):
                    yield directory / name


def steers(name: str) -> bool:
    """Return whether a file decides what is built, such as a Makefile or Kconfig.debug."""
    return name.rpartition("/")[2].startswith(STEERING)


def lacking(tree: Path, said: str) -> Iterator[Path]:
    """Yield where a header may be put that a compiler did not find: `said` is its message."""
    found = _NO_HEADER.search(said)
    if found is None:
        return
    name, source = found["name"], Path(found["source"])
    inside = source.relative_to(tree) if source.is_relative_to(tree) else source
    if not inside.is_absolute():
        yield tree / inside.parent / name
    yield tree / "include" / name
    yield from (each / name for each in sorted(tree.glob("arch/*/include")))


def _words(data: bytes) -> Iterator[bytes]:
    """Yield the words of the source and of the dependencies in a .cmd file."""
    start = data.find(_SOURCE)
    deps = data.find(_DEPS)
    if start < 0 or deps < 0:
        return
    end = data.find(b"\n\n", deps)
    yield from data[start : end if end >= 0 else None].split()


def _cmd_files(directory: Path) -> Iterator[tuple[str, int]]:
    """Yield each .cmd file below a build directory with its time."""
    waiting = [os.fspath(directory)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.name.endswith(".cmd") and entry.is_file(follow_symlinks=False):
                        yield entry.path, entry.stat(follow_symlinks=False).st_mtime_ns
        except OSError:
            continue


def _names_in(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)  # noqa: PTH208 - hundreds of directories
    except OSError:
        return []
