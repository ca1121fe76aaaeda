# SPDX-License-Identifier: GPL-2.0-only
"""Checks who owns a tree: the one gate before a program of a tree is started.

A kernel tree contains programs: kunit.py, the Makefile, Kconfig's macros, scripts/, and those that
its git configuration names. Before any of them runs, `require` checks who could have written it.
The rule is git's safe.directory, also for trees without a `.git`: the owner is us or root, or the
user has listed the tree.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mermapctl.errors import HarnessError, UserError
from mermapctl.system import process

_WHOLE = (
    "arch",
    "scripts",
    "scripts/basic",
    "scripts/kconfig",
    "tools/testing/kunit",
    "tools/testing/kunit/qemu_configs",
)
"""Directories whose every entry is checked: programs, and the files that they import."""
_SINGLE = (
    *(".git", "Makefile", "GNUmakefile", "makefile", "Kbuild", "Kconfig"),
    *("include", "init", "kernel", "lib", "mm", "tools", "tools/testing"),
)
"""Files that make and kunit.py read first, and the directories that lead to the rest.

make prefers GNUmakefile and makefile to Makefile.
"""
_GITFILE = b"gitdir: "
_PROTECTED = frozenset({"system", "global", "command"})
"""git reads safe.directory from these scopes alone, so that no repository can list itself."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A path of a tree and its owner's user id, which is neither ours nor root's."""

    path: Path
    uid: int

    @property
    def owner(self) -> str:
        """Return the user's name, or the number if it has none here."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"user id {self.uid}"


def require(tree: Path) -> None:
    """Return if programs of `tree` may run. Raises UserError with the command that allows it.

    A few hundred stats, 3 ms; reads the user's git configuration only for a foreign owner. Owners
    can change: call it right before each start.
    """
    found = stranger(tree)
    if found is not None:
        raise refusal(tree, found)


def is_trusted(tree: Path) -> bool:
    """Return whether `require` would return."""
    try:
        return stranger(tree) is None
    except UserError:
        return False


def refusal(tree: Path, found: Stranger) -> UserError:
    """Build the error that `require` raises."""
    return UserError(
        f"{found.path} belongs to another user ({found.owner}): no program of this tree is run",
        f"where you trust that user: git config --global --add safe.directory "
        f"{shlex.quote(str(tree))}",
    )


def stranger(tree: Path) -> Stranger | None:
    """Find a path of another user; None if the tree may be run. Raises UserError."""
    trusted = _trusted_owners()
    try:
        found = next((each for each in _owners(tree) if each.uid not in trusted), None)
    except OSError as error:
        raise UserError(
            f"whose tree {tree} is cannot be told: {error.filename}: {error.strerror}",
            "nothing of it is run; see its permissions",
        ) from error
    return None if found is None or _is_listed(tree) else found


def owner_of_place(*directories: Path) -> Stranger | None:
    """Find a directory of our state or cache that is another user's; None if we may write there.

    Its owner could have put links there, or objects that the next build links into a program. The
    rule is that for trees; a directory that does not exist yet is ours.
    """
    trusted = _trusted_owners()
    for each in directories:
        with contextlib.suppress(OSError):
            found = next((it for it in _owners_of(each) if it.uid not in trusted), None)
            if found is not None and not _is_listed(each):
                return found
    return None


def require_own(*directories: Path) -> None:
    """Raise UserError if we may not write in one of these directories: see `owner_of_place`."""
    found = owner_of_place(*directories)
    if found is not None:
        raise UserError(
            f"{found.path} belongs to another user ({found.owner}): nothing is written or built "
            "there",
            "set MERMAPCTL_HOME to a directory of your own, or trust that user: git config "
            f"--global --add safe.directory {shlex.quote(str(found.path))}",
        )


def _trusted_owners() -> frozenset[int]:
    """Return git's set (`SUDO_UID` counts for root alone), plus root, who can do anything."""
    own = os.geteuid()
    behind = os.environ.get("SUDO_UID", "")
    if own == 0 and behind.isascii() and behind.isdigit():
        return frozenset({0, int(behind)})
    return frozenset({0, own})


def _owners(tree: Path) -> Iterator[Stranger]:
    """Yield the owners of the tree, of its programs and of the git directory behind a gitfile."""
    yield from _owners_of(tree)
    for name in _SINGLE:
        yield from _owners_of(tree / name)
    yield from _owners_of(beyond(tree / ".git"))
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
    """Yield the owner of a path and, for a symbolic link, of its target."""
    if path is None:
        return
    for follow in (False, True):
        try:
            yield Stranger(path, path.stat(follow_symlinks=follow).st_uid)
        except (FileNotFoundError, NotADirectoryError):
            return
        if not path.is_symlink():
            return


def beyond(dot_git: Path) -> Path | None:
    """Return the git directory that a `.git` file names (linked worktrees); None if no file."""
    if not dot_git.is_file():
        return None
    with dot_git.open("rb") as file:
        said = file.read(1 << 12)
    if not said.startswith(_GITFILE):
        return None
    named = os.fsdecode(said.removeprefix(_GITFILE).split(b"\n")[0])
    return None if "\0" in named else dot_git.parent / named


def _is_listed(tree: Path) -> bool:
    """Return whether the user's git configuration has the tree, or all, as safe.directory."""
    listed: list[str] = []
    for value in _safe_directories():
        listed = [*listed, value] if value else []  # an empty value clears the earlier ones
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
