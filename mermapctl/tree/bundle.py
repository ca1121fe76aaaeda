# SPDX-License-Identifier: GPL-2.0-only
"""Git trees as a bundle from one machine to another: whole once, then only what differs.

A bundle has commits of our own, without the history of the real ones: the files of a base, then
those of each commit of a series on top. The commit of a base is made of its files alone (no parent,
our name, 1970), so each machine that has the files can make it, and a thin bundle builds on it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from mermapctl.errors import HarnessError
from mermapctl.system import files
from mermapctl.tree import git

_TIP = "refs/mermapctl/farm"
_BASES = "refs/mermapctl/bases"
_MOST = 8
"""Bases of a repository that bundles may build on; each keeps its objects from being removed."""
_TREE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)


def _run(repository: Path, *arguments: str, text: str | None = None) -> str:
    env = {**git.identity(git.environment(), 0), "GIT_DIR": str(repository)}
    return git.git(repository, *arguments, text=text, env=env, settings=("-c", "gc.auto=0"))


def _base_commit(repository: Path, tree: str) -> str:
    return _run(repository, "commit-tree", tree, "-m", "base")


def common(repository: Path, bases: Iterable[str]) -> str | None:
    """Return the first of these git trees that a repository has; None if it has none."""
    for tree in bases:
        if _TREE.fullmatch(tree):
            with contextlib.suppress(HarnessError):
                if _run(repository, "cat-file", "-t", tree) == "tree":
                    return tree
    return None


def write(repository: Path, trees: Sequence[str], base: str | None, path: Path) -> None:
    """Write a bundle of git trees, the first of which is the nearest to the git tree `base`.

    Without a base the bundle is whole. Raises HarnessError.
    """
    on = _base_commit(repository, base) if base else None
    name, mail = git.AUTHOR
    lines = []
    for number, tree in enumerate(trees):
        lines += [f"commit {_TIP}", f"committer {name} <{mail}> 0 +0000", "data 0"]
        lines += [f"from {on}"] if on and not number else []
        lines += [f"M 040000 {tree} ", ""]
    with contextlib.suppress(HarnessError):  # the first one in this repository
        _run(repository, "update-ref", "-d", _TIP)
    _run(repository, "fast-import", "--quiet", "--force", text="\n".join(lines))
    partial = path.with_name(f".{path.name}")
    try:
        _run(repository, "bundle", "create", "-q", str(partial), _TIP, *([f"^{on}"] if on else []))
        partial.replace(path)
    except OSError as error:
        raise files.cannot_write(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def make_repository(repository: Path, hashes: str) -> None:
    """Make an empty bare repository for bundles, if there is none. Raises HarnessError."""
    if not (repository / "HEAD").exists():
        try:
            repository.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise files.cannot_write(repository, error) from error
        init = ("init", "--quiet", "--bare", "--template=", f"--object-format={hashes}")
        git.git(repository.parent, *init, str(repository))


def read(repository: Path, path: Path, base: str) -> None:
    """Take the objects of a bundle; keep the git tree `base` for later bundles to build on.

    Raises HarnessError with git's message, for example if the bundle builds on what is not here.
    """
    _run(repository, "bundle", "unbundle", str(path))
    keep(repository, base)


def keep(repository: Path, base: str) -> None:
    """Let later bundles build on a git tree that is here. Raises HarnessError if it is not."""
    number = 1 + max((number for number, _ in _kept(repository)), default=0)
    made = _base_commit(repository, base)
    for old, tree in _kept(repository)[_MOST - 1 :]:
        _run(repository, "update-ref", "-d", f"{_BASES}/{old:06}-{tree}")
    for old, tree in _kept(repository):
        if tree == base:
            _run(repository, "update-ref", "-d", f"{_BASES}/{old:06}-{tree}")
    _run(repository, "update-ref", f"{_BASES}/{number:06}-{base}", made)


def bases(repository: Path) -> tuple[str, ...]:
    """Return the git trees that a bundle may build on, newest first. Raises HarnessError."""
    return tuple(tree for _, tree in _kept(repository))


def _kept(repository: Path) -> list[tuple[int, str]]:
    if not (repository / "HEAD").exists():
        return []
    listed = _run(repository, "for-each-ref", "--format=%(refname)", "--sort=-refname", _BASES)
    pairs = (name.rpartition("/")[2].partition("-") for name in listed.splitlines())
    return [(int(number), tree) for number, _, tree in pairs if number.isdigit()]
