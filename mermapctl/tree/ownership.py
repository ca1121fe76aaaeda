# SPDX-License-Identifier: GPL-2.0-only
"""Whose tree is it: the one gate before a program of a tree is started.

A kernel tree is full of programs: kunit.py, the Makefile, Kconfig's macros, scripts/, what its git
configuration names. Before any of them runs, `require` asks who could have put it there. The rule
is that of git's safe.directory, for trees without a `.git` too: the owner is us or root, or the
tree is one that the user has listed.
"""

from __future__ import annotations

import os
import pwd
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.errors import HarnessError, UserError
from mermapctl.system import process

if TYPE_CHECKING:
    from collections.abc import Iterator

_WHOLE = (
    "arch",
    "scripts",
    "scripts/basic",
    "scripts/kconfig",
    "tools/testing/kunit",
    "tools/testing/kunit/qemu_configs",
)
"""Directories of which every entry is looked at: programs, and what those import beside them."""
_SINGLE = (
    *(".git", "Makefile", "GNUmakefile", "makefile", "Kbuild", "Kconfig"),
    *("include", "init", "kernel", "lib", "mm", "tools", "tools/testing"),
)
"""What make and kunit.py read first, and the directories that the rest is reached through.

make prefers GNUmakefile and makefile to Makefile.
"""
_GITFILE = b"gitdir: "
_PROTECTED = frozenset({"system", "global", "command"})
"""git takes safe.directory from these alone: a repository cannot vouch for itself."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A path of a tree, and the user id that it belongs to, which is neither ours nor root's."""

    path: Path
    uid: int

    @property
    def owner(self) -> str:
        """The user's name, or its number where it has none here."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"user id {self.uid}"


def require(tree: Path) -> None:
    """Return where programs of `tree` may be run. Raises UserError with the command that allows it.

    A few hundred stats, 3 ms; the user's git configuration is asked only where the owner is
    another. What holds now may not hold later: call it right before each start.
    """
    found = stranger(tree)
    if found is not None:
        raise refusal(tree, found)


def is_trusted(tree: Path) -> bool:
    """Whether `require` would return."""
    try:
        return stranger(tree) is None
    except UserError:
        return False


def refusal(tree: Path, found: Stranger) -> UserError:
    """What `require` raises."""
    return UserError(
        f"{found.path} belongs to another user ({found.owner}): no program of this tree is run",
        f"where you trust that user: git config --global --add safe.directory "
        f"{shlex.quote(str(tree))}",
    )


def stranger(tree: Path) -> Stranger | None:
    """What of a tree belongs to another user; None where it may be run. Raises UserError."""
    trusted = _trusted_owners()
    try:
        found = next((each for each in _owners(tree) if each.uid not in trusted), None)
    except OSError as error:
        raise UserError(
            f"whose tree {tree} is cannot be told: {error.filename}: {error.strerror}",
            "nothing of it is run; see its permissions",
        ) from error
    return None if found is None or _is_listed(tree) else found


def _trusted_owners() -> frozenset[int]:
    """As git counts (`SUDO_UID` for root alone), and root, who could do anything anyway."""
    own = os.geteuid()
    behind = os.environ.get("SUDO_UID", "")
    if own == 0 and behind.isascii() and behind.isdigit():
        return frozenset({0, int(behind)})
    return frozenset({0, own})


def _owners(tree: Path) -> Iterator[Stranger]:
    """Who owns the tree, what is run of it, and the git directory that a gitfile leads to."""
    yield from _owners_of(tree)
    for name in _SINGLE:
        yield from _owners_of(tree / name)
    yield from _owners_of(_beyond(tree / ".git"))
    for name in _WHOLE:
        yield from _owners_of(tree / name)
        try:
            listed = os.scandir(tree / name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        with listed:
            for entry in listed:
                yield Stranger(Path(entry.path), entry.stat(follow_symlinks=False).st_uid)
                if entry.is_symlink():
                    yield from _owners_of(Path(entry.path))


def _owners_of(path: Path | None) -> Iterator[Stranger]:
    """The owner of a path and, where that is a symbolic link, of what it leads to."""
    if path is None:
        return
    for follow in (False, True):
        try:
            yield Stranger(path, path.stat(follow_symlinks=follow).st_uid)
        except (FileNotFoundError, NotADirectoryError):
            return
        if not path.is_symlink():
            return


def _beyond(dot_git: Path) -> Path | None:
    """The git directory that a `.git` file names (linked worktrees); None where it is no file."""
    if not dot_git.is_file():
        return None
    with dot_git.open("rb") as file:
        said = file.read(1 << 12)
    if not said.startswith(_GITFILE):
        return None
    named = os.fsdecode(said.removeprefix(_GITFILE).split(b"\n")[0])
    return None if "\0" in named else dot_git.parent / named


def _is_listed(tree: Path) -> bool:
    """Whether the user's own git configuration lists the tree as safe.directory, or all trees."""
    listed: list[str] = []
    for value in _safe_directories():
        listed = [*listed, value] if value else []  # an empty one takes back those before it
    here = os.path.realpath(tree)
    for each in listed:
        if each == "*":
            return True
        path = os.path.expanduser(each)  # noqa: PTH111 - Path.expanduser raises for ~nobody
        if path.endswith("/*") and here.startswith(os.path.realpath(path[:-2]).rstrip("/") + "/"):
            return True
        if os.path.isabs(path) and os.path.realpath(path) == here:  # noqa: PTH117 - as above
            return True
    return False


def _safe_directories() -> Iterator[str]:
    ask = ["git", "config", "--null", "--show-scope", "--get-all", "safe.directory"]
    env = {**process.inherited(), "LC_ALL": "C"}
    for name in ("GIT_DIR", "GIT_WORK_TREE"):
        env.pop(name, None)
    try:
        said = process.run(ask, cwd=Path("/"), env=env, timeout=20)
    except HarnessError:  # no git: then nothing is listed
        return
    scopes_and_values = iter(said.stdout.split("\0"))
    for scope, value in zip(scopes_and_values, scopes_and_values, strict=False):
        if scope in _PROTECTED:
            yield value
