# SPDX-License-Identifier: GPL-2.0-only
"""The state of a kernel tree, read by git: version, commit, changes. The only user of GitPython.

Nothing here writes into a tree.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mermapctl.errors import HarnessError, UserError
from mermapctl.system import inputs, process
from mermapctl.tree import credentials, git_files, ownership
from mermapctl.tree import git as repository
from mermapctl.tree.find import validate

if TYPE_CHECKING:
    import git

_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SUBMODULE = b"\x00160000 "
"""How `git ls-files --stage -z` begins an index entry that is another repository."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A kernel tree. A tree that is not git has no commit and is never dirty.

    `kernel` is the Makefile's version ("6.12.117"), `describe` is `git describe --tags` where a tag
    can be reached, `dirty` is true if a tracked file differs from the commit.
    """

    path: Path
    kernel: str
    commit: str | None = None
    describe: str | None = None
    dirty: bool = False


def inspect(path: Path) -> Tree:
    """Inspect the tree at `path`. Raises UserError if it is no kernel or git refuses it."""
    validate(path)
    with contextlib.closing(look(path)) as looking:
        return looking.tree()


@dataclass(frozen=True, slots=True)
class Origin:
    """The base commit and the source, written by `tree prepare` into a tree's git configuration."""

    base: str
    source: str


def origin(path: Path) -> Origin | None:
    """Read the note of `tree prepare`; None if the tree has none, or its base is no hash."""
    if not (path / ".git").exists():
        return None
    with reading(path) as repo:
        settings = repo.config_reader("repository")
        base = str(settings.get_value("mermapctl", "base", ""))
        source = credentials.without(str(settings.get_value("mermapctl", "source", "")))
        return Origin(base, source) if _HASH.fullmatch(base) else None


def subjects(path: Path, base: str) -> tuple[str, ...]:
    """List the subjects of the commits on top of `base`, oldest first."""
    with reading(path) as repo:
        listing = ("--reverse", "--format=%s", *repository.NO_PROGRAMS, "--end-of-options")
        log = repo.git.log(*listing, f"{base}..HEAD", "--", as_process=True)
        return tuple(output_of(log, path).decode(errors="surrogateescape").splitlines())


@contextlib.contextmanager
def reading(path: Path) -> Iterator[git.Repo]:
    """Open a trusted tree's repository in GitPython, read-only, with every helper program off.

    Raises UserError and HarnessError.
    """
    ownership.require(path)
    git_files.require_readable(path)
    opened = _plain_repo()
    with _refusals(path), opened(path, expand_vars=False) as repo:  # a "$" stays one
        repo.git.update_environment(**_own_repository(repo, path))
        ask = ("--name-only", "--null", "--get-regexp", repository.FILTERS)
        said, _ = bounded(repo.git.config(*ask, as_process=True), path)
        filters = said.decode(errors="surrogateescape").split("\0")
        quiet = repository.quiet(os.environ, filter(None, filters))
        repo.git.update_environment(**quiet)
        yield repo


def _plain_repo() -> type[git.Repo]:
    """Import GitPython. Raises HarnessError if git does not run."""
    # On import GitPython looks for git, in its own variable first, and raises if that fails.
    # Use the git on PATH.
    os.environ["GIT_PYTHON_REFRESH"] = "quiet"
    # Drop also what a surrounding hook says of its own repository: GitPython would believe it.
    for name in ("GIT_PYTHON_GIT_EXECUTABLE", *repository.REPOSITORY):
        os.environ.pop(name, None)
    try:
        from mermapctl.tree.plain_repo import PlainRepo  # noqa: PLC0415 - 0.2 s, not for `--help`
    except ImportError as error:
        if error.__cause__ is None:  # GitPython itself is missing
            raise
        reason = " ".join(str(error.__cause__).split())[:300]
        raise HarnessError(f"git does not run: {reason}", "try `git version`") from error
    return PlainRepo


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Convert GitPython's errors to ours."""
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
    """git processes that inspect a tree, and the files a build could read, in the background.

    `close` ends them, finished or not. `files` is the state of a lane, whose files are known.
    """

    def __init__(
        self, path: Path, commit: str | None = None, files: str | None = None, **processes: Any
    ) -> None:
        self._path = path
        self._commit = commit
        self._files = files
        self._processes = processes
        self._outputs: dict[str, bytes] = {}

    def _output(self, name: str) -> bytes:
        """Wait for one process and return its output. Raises GitCommandError."""
        if name not in self._outputs:
            self._outputs[name] = output_of(self._processes[name], self._path)
        return self._outputs[name]

    def tree(self) -> Tree:
        """Return the inspected tree. Waits for git; raises UserError if git refuses the tree."""
        kernel = validate(self._path)
        if not self._processes:
            return Tree(self._path, kernel)
        with _refusals(self._path):
            dirty = bool(self._output("changed"))
        return Tree(self._path, kernel, self._commit, self._described(), dirty)

    def _described(self) -> str | None:
        """Return `git describe`; None if no tag can be reached."""
        import git  # noqa: PLC0415 - as in reading

        try:
            return self._output("described").decode(errors="surrogateescape").strip()
        except git.GitCommandError:
            return None

    def state(self) -> str | None:
        """Return a digest of all files that a build could read; None if there is no commit.

        Covers the commit, the contents of tracked files that differ from it, and every other file,
        ignored or not: a build reads files that a .gitignore (Debian's ignores all) excludes. None
        also for a tree with submodules, which are not read. Waits for git; raises UserError if git
        refuses the tree.
        """
        if self._files is not None:
            return self._files
        if self._commit is None:
            return None
        with _refusals(self._path):
            changed, others = (self._output(each) for each in ("changed", "others"))
            if _SUBMODULE in b"\0" + self._output("tracked"):
                return None
        digest = hashlib.sha256(self._commit.encode())
        for name in (entry[len(b"XY ") :] for entry in changed.split(b"\0")):
            if name:
                digest.update(b"\0" + name + _contents(self._path / os.fsdecode(name)))
        for name in others.split(b"\0"):
            if name:
                digest.update(b"\1" + name + _identity(self._path / os.fsdecode(name)))
        return digest.hexdigest()

    def changed_bytes(self) -> int:
        """Return the size of the tracked files that differ from the commit. Waits for git."""
        if "changed" not in self._processes:
            return 0
        with _refusals(self._path):
            names = self._output("changed").split(b"\0")
        return sum(_size(self._path / os.fsdecode(name[len(b"XY ") :])) for name in names if name)

    def close(self) -> None:
        """End the git processes; safe during an ending signal."""
        for each in self._processes.values():
            if each.proc is not None and not process.put_down(each.proc):
                each.proc = None  # GitPython's destructor would wait for it without a bound


def look(path: Path) -> Looking:
    """Start git's inspection of a tree. Raises UserError."""
    if not (path / ".git").exists():
        return Looking(path)
    with reading(path) as repo:
        commit = _head(repo, path)
        # diff would refresh the index even with optional locks off. Inside submodules git would
        # run again with their configuration.
        options = ("--porcelain", "-z", "--untracked-files=no", "--no-renames")
        return Looking(
            path,
            commit,
            changed=repo.git.status(*options, "--ignore-submodules=dirty", as_process=True),
            tracked=repo.git.ls_files("--stage", "-z", as_process=True),
            others=repo.git.ls_files("--others", "-z", as_process=True),
            described=repo.git.describe("--tags", "--abbrev=12", as_process=True),
        )


def diff(path: Path) -> bytes:
    """Return the changes of tracked files as a patch for `git apply` on the commit.

    diff would refresh the index; diff-index does not. Raises UserError if git refuses the tree.
    """
    options = ("-p", "--binary", "--full-index", "--no-renames", "--ignore-submodules")
    with reading(path) as repo:
        arguments = (*options, *repository.NO_PROGRAMS, "HEAD", "--")
        return output_of(repo.git.diff_index(*arguments, as_process=True), path)


def _head(repo: git.Repo, path: Path) -> str | None:
    """Return the checked-out commit; None before the first. Raises UserError."""
    arguments = ("--verify", "--quiet", "HEAD^{commit}")
    running = repo.git.rev_parse(*arguments, as_process=True)
    commit, complaint = bounded(running, path)
    status = running.proc.wait()
    if status not in {0, 1} or (status and complaint):  # with success: a warning, or a loader's
        raise _refused(path, complaint.decode(errors="replace"))
    return commit.decode(errors="replace").strip() or None


def output_of(running: Any, path: Path) -> bytes:
    """Wait for a git process and return its output. Raises GitCommandError, UserError."""
    out, err = bounded(running, path)
    running.wait(stderr=err)
    return out


def bounded(running: Any, path: Path) -> tuple[bytes, bytes]:
    """Return stdout and stderr of a git process. Ends it, and raises UserError, beyond a bound."""
    try:
        return process.outputs(running.proc, repository.LONGEST, repository.IDLE)
    except HarnessError as error:
        raise git_files.blocked(path, error) from error


def _contents(path: Path) -> bytes:
    """Return a file's mode and a hash of its contents; empty for a removed file."""
    try:
        mode = path.lstat().st_mode
        if path.is_symlink():
            return f"{mode:o} {path.readlink()}".encode(errors="surrogateescape")
        if not path.is_file():  # reading a FIFO would block
            return f"{mode:o}".encode()
        with inputs.open_regular(path) as file:
            digest = hashlib.sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            return f"{mode:o} ".encode() + digest.digest()
    except OSError:
        return b""


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _identity(path: Path) -> bytes:
    """Return mode, size and time of an untracked file; thousands are too many to read."""
    try:
        status = path.lstat()
    except OSError:
        return b""
    return f" {status.st_mode:o} {status.st_size} {status.st_mtime_ns}".encode()


def _own_repository(repo: git.Repo, path: Path) -> dict[str, str]:
    """Name the repository to git, so that a surrounding hook or core.worktree cannot."""
    own = {"GIT_DIR": str(repo.git_dir), "GIT_WORK_TREE": str(path)}
    if "GIT_INDEX_FILE" in os.environ:
        own["GIT_INDEX_FILE"] = str(Path(repo.git_dir) / "index")
    return own


def _refused(path: Path, stderr: str) -> UserError:
    message = " ".join(stderr.replace("stderr:", "").strip(" '\n").split())
    return UserError(f"git cannot read {path}: {message[:300]}", "try `git status` there")
