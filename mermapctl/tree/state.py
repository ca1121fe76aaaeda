# SPDX-License-Identifier: GPL-2.0-only
"""The state of a kernel tree, read by git: version, commit, changes. The only user of GitPython.

Nothing here writes into a tree.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mermapctl.errors import HarnessError, UserError
from mermapctl.system import process
from mermapctl.tree import credentials, git_files, ownership
from mermapctl.tree import git as repository
from mermapctl.tree.find import validate

if TYPE_CHECKING:
    from collections.abc import Iterator

    import git

_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SUBMODULE = b"\x00160000 "
"""How an entry of the index begins in `git ls-files --stage -z` that is another repository."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A kernel tree as it stands. A tree that is not git has no commit and is never dirty.

    `kernel` is the Makefile's version ("6.12.117"), `describe` is `git describe --tags` where a tag
    can be reached, `dirty` is true if a tracked file differs from the commit.
    """

    path: Path
    kernel: str
    commit: str | None = None
    describe: str | None = None
    dirty: bool = False


def inspect(path: Path) -> Tree:
    """What the tree at `path` is. Raises UserError where it is no kernel or git refuses it."""
    validate(path)
    with contextlib.closing(look(path)) as looking:
        return looking.tree()


@dataclass(frozen=True, slots=True)
class Origin:
    """What `tree prepare` noted in a tree's git configuration: the base commit, the source."""

    base: str
    source: str


def origin(path: Path) -> Origin | None:
    """The note of `tree prepare`; None where the tree is not of its making.

    Anything may stand in a configuration: a base that is no hash is none of ours.
    """
    if not (path / ".git").exists():
        return None
    with _reading(path) as repo:
        settings = repo.config_reader("repository")
        base = str(settings.get_value("mermapctl", "base", ""))
        source = credentials.without(str(settings.get_value("mermapctl", "source", "")))
        return Origin(base, source) if _HASH.fullmatch(base) else None


def subjects(path: Path, base: str) -> tuple[str, ...]:
    """The subjects of the commits on top of `base`, the oldest first."""
    with _reading(path) as repo:
        listing = ("--reverse", "--format=%s", *repository.NO_PROGRAMS, "--end-of-options")
        return tuple(repo.git.log(*listing, f"{base}..HEAD", "--").splitlines())


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[git.Repo]:
    """GitPython's repository of a tree that is ours, reading only, and starting no program.

    Raises UserError and HarnessError.
    """
    ownership.require(path)
    git_files.require_readable(path)
    # GitPython looks for the git program when it is imported, and raises where there is none, or
    # where the one that a variable of its own names does not run: it is to be the one of PATH.
    os.environ["GIT_PYTHON_REFRESH"] = "quiet"
    os.environ.pop("GIT_PYTHON_GIT_EXECUTABLE", None)
    import git  # noqa: PLC0415 - 0.2 s that `--help` must not pay

    # A "$" in a path is no variable.
    with _refusals(path), git.Repo(path, expand_vars=False) as repo:
        repo.git.update_environment(**_own_repository(repo, path))
        ask = ("--name-only", "--null", "--get-regexp", repository.FILTERS)
        filters = repo.git.config(*ask, with_exceptions=False).split("\0")
        quiet = repository.quiet(os.environ, filter(None, filters))
        repo.git.update_environment(**quiet)
        yield repo


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """GitPython's errors in our words."""
    import git  # noqa: PLC0415 - as above

    try:
        yield
    except git.GitCommandNotFound as error:
        raise HarnessError(
            f"{path} is a git tree, and there is no git to read it with",
            "install git (`mermapctl doctor` has the command)",
        ) from error
    except git.GitCommandError as error:
        raise _refused(path, str(error.stderr)) from error
    except (git.InvalidGitRepositoryError, git.NoSuchPathError, OSError, ValueError) as error:
        raise UserError(
            f"{path}/.git is not a git repository that can be read: {error}",
            "repair it (`git fsck`), or work on a copy without .git",
        ) from error


class Looking:
    """git at work beside us on what a tree is, and on what a build of it could read.

    `close` ends it, done or not.
    """

    def __init__(self, path: Path, commit: str | None = None, **asked: Any) -> None:
        self._path = path
        self._commit = commit
        self._asked = asked
        self._said: dict[str, bytes] = {}

    def _answers(self, name: str) -> bytes:
        """What git says to one of the questions, once it has. Raises GitCommandError."""
        if name not in self._said:
            self._said[name] = _answer(self._asked[name])
        return self._said[name]

    def tree(self) -> Tree:
        """What the tree is. Waits for git; raises UserError where it refuses the tree."""
        kernel = validate(self._path)
        if not self._asked:
            return Tree(self._path, kernel)
        with _refusals(self._path):
            dirty = bool(self._answers("changed"))
        return Tree(self._path, kernel, self._commit, self._described(), dirty)

    def _described(self) -> str | None:
        """`git describe`; None where no tag can be reached."""
        import git  # noqa: PLC0415 - as in _reading

        try:
            return self._answers("described").decode(errors="surrogateescape").strip()
        except git.GitCommandError:
            return None

    def state(self) -> str | None:
        """A digest of all that a build of the tree could read; None where it has no commit.

        The commit, the contents of tracked files that differ from it, and every other file there
        is, ignored or not: a .gitignore (Debian's ignores all) says nothing about what a build
        reads. None as well where there are submodules: what is in one is not looked at. Waits for
        git; raises UserError where it refuses the tree.
        """
        if self._commit is None:
            return None
        with _refusals(self._path):
            changed, others = (self._answers(each) for each in ("changed", "others"))
            if _SUBMODULE in b"\0" + self._answers("tracked"):
                return None
        digest = hashlib.sha256(self._commit.encode())
        for name in (entry[len(b"XY ") :] for entry in changed.split(b"\0")):
            if name:
                digest.update(b"\0" + name + _contents(self._path / os.fsdecode(name)))
        for name in others.split(b"\0"):
            if name:
                digest.update(b"\1" + name + _identity(self._path / os.fsdecode(name)))
        return digest.hexdigest()

    def close(self) -> None:
        """End git, as an ending signal wants it."""
        for each in self._asked.values():
            if each.proc is not None and not process.put_down(each.proc):
                each.proc = None  # GitPython's destructor would wait for it without a bound


def look(path: Path) -> Looking:
    """Let git begin to look at a tree. Raises UserError."""
    if not (path / ".git").exists():
        return Looking(path)
    with _reading(path) as repo:
        commit = _head(repo, path)
        # Not diff: it refreshes the index of a tree that is not ours, optional locks or not. Not
        # inside submodules: git runs there again, and by their configuration, not by ours.
        asked = ("--porcelain", "-z", "--untracked-files=no", "--no-renames")
        return Looking(
            path,
            commit,
            changed=repo.git.status(*asked, "--ignore-submodules=dirty", as_process=True),
            tracked=repo.git.ls_files("--stage", "-z", as_process=True),
            others=repo.git.ls_files("--others", "-z", as_process=True),
            described=repo.git.describe("--tags", "--abbrev=12", as_process=True),
        )


def _head(repo: git.Repo, path: Path) -> str | None:
    """The commit that is checked out; None before the first. Raises UserError."""
    ask = ("--verify", "--quiet", "HEAD^{commit}")
    told = {"with_extended_output": True, "with_exceptions": False}
    status, commit, complaint = repo.git.rev_parse(*ask, **told)
    if status > 1 or complaint:
        raise _refused(path, complaint)
    return commit or None


def _answer(asked: Any) -> bytes:
    """All that a git at work says. Raises GitCommandError."""
    out, err = asked.communicate()
    asked.wait(stderr=err)
    return bytes(out)


def _contents(path: Path) -> bytes:
    """A file's mode and contents; a removed one has neither."""
    try:
        mode = path.lstat().st_mode
        if path.is_symlink():
            return f"{mode:o} {path.readlink()}".encode(errors="surrogateescape")
        if not path.is_file():  # a FIFO would be waited for
            return f"{mode:o}".encode()
        return f"{mode:o} ".encode() + hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b""


def _identity(path: Path) -> bytes:
    """What changes when an untracked file does: there may be thousands, so none is read."""
    try:
        found = path.lstat()
    except OSError:
        return b""
    return f" {found.st_mode:o} {found.st_size} {found.st_mtime_ns}".encode()


def _own_repository(repo: git.Repo, path: Path) -> dict[str, str]:
    """Environment that says which repository: not a surrounding hook, and not core.worktree."""
    own = {"GIT_DIR": str(repo.git_dir), "GIT_WORK_TREE": str(path)}
    if "GIT_INDEX_FILE" in os.environ:
        own["GIT_INDEX_FILE"] = str(Path(repo.git_dir) / "index")
    return own


def _refused(path: Path, stderr: str) -> UserError:
    said = " ".join(stderr.replace("stderr:", "").strip(" '\n").split())
    return UserError(f"git cannot read {path}: {said[:300]}", "try `git status` there")
