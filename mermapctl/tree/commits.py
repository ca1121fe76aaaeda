# SPDX-License-Identifier: GPL-2.0-only
"""The commits of a range, oldest first, read from a kernel tree's repository without a write."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.errors import HarnessError, UserError
from mermapctl.system import inputs
from mermapctl.tree import state

if TYPE_CHECKING:
    import git as gitpython

MOST = 1000
"""Commits of a range; the longest series of the mermap has 52."""
_FIELDS = "%H %T %P%x09%s"
_HOW = "name a range, such as --commits origin/master..HEAD"
SUBJECT = 400
"""The most characters of a subject that are kept: a record has all of a series, in each format."""
_DEEPER = 6
"""Levels of borrowed objects (info/alternates); git follows five."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its hash, the hash of its tree, its first parent (None: a root), its subject.

    `others` are the further parents of a merge.
    """

    id: str
    tree: str
    parent: str | None
    subject: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Range:
    """Commits, oldest first, on top of `base`. `tip` is the hash that the range ends with.

    `at_head` is whether that is the commit which is checked out. `asked_base` is the hash that was
    asked for as BASE.
    """

    base: Commit
    tip: str
    commits: tuple[Commit, ...]
    at_head: bool
    asked_base: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """The hashes of the commits, newest first, then that of `base`."""
        return tuple(each.id for each in (*reversed(self.commits), self.base))


@dataclass(frozen=True, slots=True)
class Lender:
    """A repository whose objects another one may borrow.

    `objects` are its object directories, its own first; `index` is the file that git's index is in;
    `hashes` names the object format.
    """

    objects: tuple[Path, ...]
    index: Path
    hashes: str


def read(tree: Path, spelled: str) -> Range:
    """Read the range BASE..TIP of a trusted tree; TIP is HEAD where it is left out.

    Follows first parents, so that a merge is one commit. Raises UserError for a range that is no
    range, names that are unknown, ends without a common commit, and more than MOST commits. A range
    may be empty.
    """
    base_name, tip_name = _ends(spelled)
    if not (tree / ".git").exists():
        raise UserError(f"{tree} is no git tree: --commits needs its commits", _HOW)
    with state.reading(tree) as repo:
        base, tip = (_commit(repo, tree, name) for name in (base_name, tip_name))
        shallow = _answer(repo, "rev-parse", "--is-shallow-repository") == "true"
        if not _answer(repo, "merge-base", base, tip):
            raise _unrelated(tree, base_name, tip_name, shallow=shallow)
        commits = _log(repo, f"--max-count={MOST + 1}", "--first-parent", f"{base}..{tip}")
        if len(commits) > MOST:
            raise UserError(
                f"{spelled} has more than {MOST} commits", "name a BASE that is nearer to the tip"
            )
        parent = commits[0].parent if commits else tip
        if parent is None:
            raise _unrelated(tree, base_name, tip_name, shallow=shallow)
        below = _log(repo, "--max-count=1", parent)
        head = _answer(repo, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return Range(below[0], tip, commits, head == tip, base)


def between(tree: Path, good_name: str, bad_name: str) -> Range:
    """Read the commits after GOOD up to BAD of a trusted tree, along the first parents of BAD.

    `base` is GOOD, or, where that came in by a merge, the commit of BAD's line that it forked from.
    Raises UserError where GOOD is no ancestor of BAD, and as `read` does.
    """
    for name in (good_name, bad_name):
        if ".." in name:
            raise UserError(
                f"{name} is a range, and no commit", "name two: mermapctl bisect GOOD BAD"
            )
    if not (tree / ".git").exists():
        raise UserError(f"{tree} is no git tree: a bisect needs its commits")
    with state.reading(tree) as repo:
        good, bad = (_commit(repo, tree, name) for name in (good_name, bad_name))
        common = _answer(repo, "merge-base", good, bad)
    if good == bad:
        raise UserError(f"{good_name} and {bad_name} are the same commit: nothing is between them")
    if common == bad:
        raise UserError(
            f"{good_name} comes after {bad_name}: the good commit is the older one",
            f"what fixed it is in the grid of `mermapctl run --commits {bad_name}..{good_name}`",
        )
    if common and common != good:
        raise UserError(
            f"{good_name} is no ancestor of {bad_name}",
            f"the last commit that both have is {common[:12]}: is it good? "
            f"mermapctl bisect {common[:12]} {bad_name}",
        )
    return read(tree, f"{good}..{bad}")


def named(tree: Path, name: str) -> Commit:
    """Read one commit of a trusted tree. Raises UserError if the name is unknown, or a range."""
    if ".." in name:
        raise UserError(f"{name} is a range, and no commit", "name one")
    if not (tree / ".git").exists():
        raise UserError(f"{tree} is no git tree: it has no commit {name}")
    with state.reading(tree) as repo:
        return _log(repo, "--max-count=1", _commit(repo, tree, name))[0]


def lines_with(tree: Path, commit: str, pattern: str, *where: str) -> tuple[tuple[str, str], ...]:
    """Return path and text of the lines of a commit's files that match an extended pattern.

    `commit` is a hash of a trusted tree, `where` are git's patterns of paths.
    """
    ask = ("grep", "--null", "--no-line-number", "--no-column", "--no-color", "-I", "-E")
    with state.reading(tree) as repo:
        said = _answer(repo, *ask, "-e", pattern, commit, "--", *where)
    rows = (line.partition("\0") for line in said.split("\n") if line)
    return tuple((name.partition(":")[2], text) for name, _, text in rows)


def _ends(spelled: str) -> tuple[str, str]:
    """Return the names of BASE and TIP. Raises UserError."""
    base, dots, tip = spelled.partition("..")
    if not dots:
        raise UserError(
            f"--commits {spelled} is no range", f"{_HOW}; {spelled}^! is not one either"
        )
    if tip.startswith("."):
        raise UserError(f"--commits {spelled}: three dots are no series of commits", _HOW)
    if not base:
        raise UserError(f"--commits {spelled}: the BASE before the dots is missing", _HOW)
    if ".." in tip:
        raise UserError(f"--commits {spelled} has more than one pair of dots", _HOW)
    return base, tip or "HEAD"


def _answer(repo: gitpython.Repo, *arguments: str) -> str:
    """Return what git prints; empty where it fails."""
    return _asked(repo, *arguments)[0]


def _asked(repo: gitpython.Repo, *arguments: str) -> tuple[str, str]:
    """Return what git prints, and its complaint; of these one is empty."""
    running = repo.git.execute(["git", *arguments], as_process=True)
    said, complaint = state.bounded(running, Path(repo.working_dir))
    failed = running.proc is not None and running.proc.wait() != 0
    return (
        said.decode(errors="surrogateescape").strip(),
        complaint.decode(errors="replace").strip() if failed else "",
    )


def _commit(repo: gitpython.Repo, tree: Path, name: str) -> str:
    """Return the hash of a named commit. Raises UserError."""
    known = "" if name.startswith("-") else name
    found, complaint = _asked(repo, "rev-parse", "--verify", "--quiet", f"{known}^{{commit}}")
    if not found or not known:
        why = f": {' '.join(complaint.split())[:300]}" if complaint else ""
        raise UserError(
            f"{tree} has no commit {name!r}{why}",
            "`git branch --all` and `git tag` list names; those of a remote need git fetch first",
        )
    return found


def _unrelated(tree: Path, base: str, tip: str, *, shallow: bool) -> UserError:
    if shallow:
        return UserError(
            f"{tree} is a shallow clone, whose history does not reach from {tip} back to {base}",
            f"git -C {tree} fetch --unshallow (or --deepen=N)",
        )
    return UserError(f"{base} and {tip} have no commit in common", _HOW)


def _log(repo: gitpython.Repo, *what: str) -> tuple[Commit, ...]:
    """Read commits, oldest first."""
    listing = ["git", "log", "--reverse", "--topo-order", f"--format={_FIELDS}"]
    quiet = ["--no-show-signature", "--no-notes", "--no-color", "--encoding=UTF-8"]
    running = repo.git.execute([*listing, *quiet, *what, "--"], as_process=True)
    said = state.output_of(running, Path(repo.working_dir)).decode(errors="backslashreplace")
    return tuple(_parsed(line) for line in said.split("\n") if line)


def _parsed(line: str) -> Commit:
    hashes, _, subject = line.partition("\t")
    commit, tree, *parents = hashes.split()
    if len(subject) > SUBJECT:
        subject = f"{subject[:SUBJECT]}…"
    return Commit(commit, tree, parents[0] if parents else None, subject, tuple(parents[1:]))


def lender(tree: Path) -> Lender:
    """Return what a repository needs that borrows the objects of a trusted tree's."""
    with state.reading(tree) as repo:
        own = _answer(repo, "rev-parse", "--git-path", "objects")
        index = _answer(repo, "rev-parse", "--git-path", "index")
        hashes = _answer(repo, "rev-parse", "--show-object-format") or "sha1"
    if not own or not index:
        raise HarnessError(
            f"git does not say where the objects of {tree} are", "is git 2.30 there?"
        )
    found: dict[Path, None] = {}
    waiting = [(Path(os.path.realpath(tree / own)), 0)]
    while waiting:
        directory, depth = waiting.pop(0)
        if directory in found or depth > _DEEPER:
            continue
        found[directory] = None
        waiting += [(each, depth + 1) for each in _alternates(directory)]
    return Lender(tuple(found), tree / index, hashes)


def _alternates(objects: Path) -> list[Path]:
    """Return the object directories that one borrows from, absolute."""
    try:
        listed = inputs.read_regular(objects / "info/alternates", 1 << 16)
    except OSError:
        return []
    lines = [line for line in listed.split(b"\n") if line and line[:1] not in b'#"']
    return [
        Path(os.path.realpath(objects / os.fsdecode(line))) for line in lines if b"\0" not in line
    ]
