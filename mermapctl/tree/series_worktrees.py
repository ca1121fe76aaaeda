# SPDX-License-Identifier: GPL-2.0-only
"""Lanes: work trees of our own in the cache, in which the commits of a series are checked out.

They belong to a repository of our own, which borrows the objects of the user's (info/alternates),
so that nothing is written into the user's tree or its `.git`: `git worktree add`, `git stash
create` and a refreshed index would be. A lane contains no `.git`: the version that a kernel
prints then depends on its files alone, and two commits with the same files are the same kernel.

A checkout writes only the files that differ, so make builds again only what includes them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.errors import HarnessError
from mermapctl.system import files, paths
from mermapctl.system.process_output import StuckError
from mermapctl.tree import build_dir, commits, git, git_files, ownership
from mermapctl.tree.commits import Commit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PLAIN = ("-c", "gc.auto=0", "-c", "checkout.workers=0", "-c", "core.untrackedCache=false")
"""Not QUICK: a diff would take each file of more than a byte for a binary one."""
NOT_COMMITTED = "work tree, not committed"


@dataclass(frozen=True, slots=True)
class Lane:
    """One work tree: its top, and git's index of it."""

    tree: Path
    index: Path


@dataclass(frozen=True, slots=True)
class Borrower:
    """A repository of ours in `place` that borrows the objects of the kernel tree `lender`."""

    lender: Path
    place: Path

    @property
    def git_dir(self) -> Path:
        """The repository itself."""
        return self.place / "repo.git"

    def environment(self, index: Path, tree: Path) -> dict[str, str]:
        """Return git's environment for a work tree with its index."""
        return {
            **git.environment(),
            "GIT_DIR": str(self.git_dir),
            "GIT_INDEX_FILE": str(index),
            "GIT_WORK_TREE": str(tree),
        }

    def lane(self, number: int) -> Lane:
        """Return a lane, clean: without files that a killed checkout left. Call it when locked.

        Raises HarnessError.
        """
        top = self.place / f"lane{number}"
        made = Lane(top / "linux", top / "index")
        try:
            made.tree.mkdir(parents=True, exist_ok=True)
            (top / "index.lock").unlink(missing_ok=True)
        except OSError as error:
            raise files.cannot_write(made.tree, error) from error
        if made.index.exists():
            self._run(made, "clean", "-ffdxq")
        return made

    def check_out(self, lane: Lane, tree: str) -> None:
        """Put the files of a git tree into a lane; write only those that differ.

        Raises HarnessError.
        """
        self._run(lane, "read-tree", "-u", "--reset", tree)

    def checkout_line(self, lane: Lane, tree: str) -> str:
        """Return the shell line that does what `check_out` does."""
        names = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")
        given = self.environment(lane.index, lane.tree)
        words = [f"{name}={shlex.quote(given[name])}" for name in names]
        return " ".join([*words, "git read-tree -u --reset", tree])

    def changed(self, before: str, after: str) -> tuple[str, ...]:
        """Return the paths that differ between two commits or trees."""
        said = self._ask("diff-tree", "-r", "-z", "--name-only", "--no-renames", before, after)
        return tuple(name for name in said.split("\0") if name)

    def patch_ids(self, base: str, tip: str) -> dict[str, str]:
        """Return what `git patch-id --stable` prints for the commits above `base`, by commit.

        Merges and empty commits have none. Raises HarnessError.
        """
        shown = ("--first-parent", "--no-renames", "--full-index", "--no-color", *git.NO_PROGRAMS)
        patches = self._ask("log", "-p", "--no-merges", "--format=commit %H", *shown,
                            f"{base}..{tip}", "--")  # fmt: skip
        env = self.environment(self.place / "no-index", self.place)
        said = git.git(self.place, "patch-id", "--stable", text=f"{patches}\n", env=env)
        pairs = (line.split() for line in said.splitlines())
        return {commit: patch for patch, commit in pairs}

    def changes(self, base: str, tip: str) -> dict[str, tuple[str, ...]]:
        """Return the paths that each commit above `base` changes or removes, by commit.

        Not those that it adds: nothing but what it changes can use them; a commit that only adds is
        left out. Of a merge, those that differ from its first parent. Raises HarnessError.
        """
        shown = ("-m", "--first-parent", "--no-renames", "--diff-filter=a", "--no-color",
                 *git.NO_PROGRAMS)  # fmt: skip
        said = self._ask("log", "-z", "--name-only", "--format=%x00%H", *shown,
                         f"{base}..{tip}", "--")  # fmt: skip
        found: dict[str, tuple[str, ...]] = {}
        for each in said.split("\0\0"):
            commit, _, names = each.strip("\0").partition("\0\n")
            found[commit] = tuple(names.split("\0"))
        return found

    def defines(self, tree: str, symbol: str) -> bool:
        """Return whether a Kconfig file of a git tree defines a symbol."""
        pattern = rf"^[[:space:]]*(menu)?config[[:space:]]+{symbol}[[:space:]]*$"
        env = self.environment(self.place / "no-index", self.place)
        where = (":(glob)mm/Kconfig*", ":(glob)**/Kconfig*")  # the first is most likely, and quick
        with self._not_waiting():
            return any(
                git.finds(self.place, "grep", "-q", "-E", "-e", pattern, tree, "--", each, env=env)
                for each in where
            )

    def _ask(self, *arguments: str) -> str:
        env = self.environment(self.place / "no-index", self.place)
        with self._not_waiting():
            return git.git(self.place, *arguments, env=env, settings=_PLAIN, idle=git.IDLE)

    def _run(self, lane: Lane, *arguments: str) -> str:
        env = self.environment(lane.index, lane.tree)
        with self._not_waiting():
            return git.git(lane.tree, *arguments, env=env, settings=_PLAIN, idle=git.IDLE)

    @contextlib.contextmanager
    def _not_waiting(self) -> Iterator[None]:
        """Name the file of the user's tree, a FIFO, that a git waits for. Raises UserError."""
        try:
            yield
        except StuckError as error:
            raise git_files.blocked(self.lender, error) from error

    def snapshot(self, head: Commit) -> tuple[Commit, str | None]:
        """Commit the user's work tree as it stands, in our repository, on top of `head`.

        Takes along what git would add: changed files, and new ones that no .gitignore of the tree
        excludes. Returns the commit, and what could not be read of the new files. The same files on
        the same head give the same hash.
        """
        ownership.require(self.lender)
        lent = commits.lender(self.lender)
        ours = Lane(self.lender, self.place / "snapshot.index")
        self._copy_index(lent.index, ours, head)
        self._run(ours, "add", "--update", "--", ".")
        unread = None
        try:
            self._run(ours, "add", "--all", "--ignore-errors", "--", ".")
        except HarnessError as error:
            unread = error.message
        tree = self._run(ours, "write-tree")
        env = git.identity(self.environment(ours.index, self.lender), 0)
        made = git.git(self.place, "commit-tree", tree, "-p", head.id, "-m", NOT_COMMITTED, env=env)
        return Commit(made, tree, head.id, NOT_COMMITTED), unread

    def _copy_index(self, index: Path, ours: Lane, head: Commit) -> None:
        """Begin with a copy of the user's index, whose times save reading 90,000 files."""
        for left in (ours.index, ours.index.with_name(f"{ours.index.name}.lock")):
            left.unlink(missing_ok=True)
        with contextlib.suppress(OSError, HarnessError):
            shutil.copyfile(index, ours.index)
            self._run(ours, "update-index", "-q", "--refresh")
            return
        ours.index.unlink(missing_ok=True)  # a split index, or a damaged one
        self._run(ours, "read-tree", head.tree)


def place_of(tree: Path) -> Path:
    """Return the directory of a tree's lanes, which need not exist."""
    name = hashlib.sha256(os.fsencode(tree)).hexdigest()[:8]
    return paths.cache_dir() / "series" / f"{build_dir.slug(tree.name)}-{name}"


def trees(tree: Path) -> list[Path]:
    """Return the work trees of a tree's lanes, as far as they have been made."""
    return sorted(place_of(tree).glob("lane*/linux"))


@contextlib.contextmanager
def borrow(
    tree: Path, command: str, *, wait: bool, waiting: Callable[[str], None]
) -> Iterator[Borrower]:
    """Make or open the repository that borrows a tree's objects; lock its lanes meanwhile.

    Raises UserError for another user's tree, and with `wait=False` for lanes in use.
    """
    ownership.require(tree)
    place = place_of(tree)
    with build_dir.locked(place, command, wait=wait, waiting=waiting):
        ours = Borrower(tree, place)
        lent = commits.lender(tree)
        init = ("init", "--quiet", "--bare", "--template=", f"--object-format={lent.hashes}")
        git.git(place, *init, str(ours.git_dir))
        try:
            (ours.git_dir / "objects/info").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise files.cannot_write(ours.git_dir, error) from error
        listed = b"".join(os.fsencode(each) + b"\n" for each in lent.objects)
        files.write_own(ours.git_dir / "objects/info/alternates", listed)
        yield ours
