# SPDX-License-Identifier: GPL-2.0-only
"""A source -> a git repository whose head is the base of a new tree. Runs tar, cp and git.

The user's git configuration (hooks, signing, line endings) has no say in what is committed here;
it has one in cloning, which may need proxies and credentials.
"""

from __future__ import annotations

import contextlib
import os
import re
import tarfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mermapctl import process
from mermapctl.errors import HarnessError, UserError
from mermapctl.events import Note, Tick
from mermapctl.source import Kind, Source
from mermapctl.tree import is_kernel, kernel_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from mermapctl.events import Listener

_COMPLAINT = re.compile(r"(fatal|error|tar|cp|xz): (?!Removing leading)")
AUTHOR = ("mermapctl", "mermapctl@localhost")
# One pack instead of 90,000 loose objects, weakly compressed: measured on 2 cores with 6.12,
# 36 s of work against 42 s, and a third less on the disk. `git add` and `git update-index` stream
# files above the threshold into one pack.
_QUICK = ("-c", "core.bigFileThreshold=1", "-c", "core.compression=1", "-c", "gc.auto=0")


def environment(*, own: bool = True) -> dict[str, str]:
    """The environment of git: nothing of a surrounding hook, with `own` nothing of the user's."""
    kept = {
        name: value
        for name, value in process.inherited().items()
        if not name.startswith("GIT_") or (name.startswith("GIT_SSH") and not own)
    }
    only = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"} if own else {}
    return {**kept, **only, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}


def failed(what: str, said: str) -> HarnessError:
    """The error for a program that did not do its work, with the line that says why."""
    lines = said.strip().splitlines() or ["it said nothing"]
    reason = next((line for line in lines if _COMPLAINT.match(line)), lines[-1])[:300]
    full = ("No space left on device", "Out of diskspace", "Disk quota exceeded")
    if any(words in said for words in full):
        return HarnessError(f"the disk is full: {reason}", "free some space, and run it again")
    return HarnessError(f"{what} failed: {reason}")


def git(
    tree: Path, *arguments: str, text: str | None = None, env: dict[str, str] | None = None
) -> str:
    """Run git in a tree of ours; what it printed. Raises HarnessError with its complaint."""
    said = process.run(
        ["git", *_QUICK, *arguments],
        cwd=tree,
        env=env or environment(),
        input=None if text is None else text.encode("utf-8", "surrogateescape"),
    )
    if said.returncode != 0:
        raise failed(f"git {arguments[0]}", said.stderr)
    return said.stdout.strip()


def commit(tree: Path, message: str, date: int) -> str:
    """Commit the index under our name, at `date` (seconds since 1970); the commit's hash.

    The same source and the same mermapctl give the same hashes on every machine.
    """
    name, mail = AUTHOR
    env = environment()
    for who in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{who}_NAME": name, f"GIT_{who}_EMAIL": mail}
        env[f"GIT_{who}_DATE"] = f"@{date} +0000"
    git(tree, "commit", "--quiet", "--no-verify", "--file=-", text=message, env=env)
    return git(tree, "rev-parse", "HEAD")


def base(source: Source, tree: Path, tell: Listener) -> int:
    """Put the source into the empty directory `tree`, as the head of a repository.

    Returns the date of that commit. Raises UserError where the source holds no kernel.
    """
    _HOW[source.kind](source, tree, tell)
    kernel = kernel_version(tree)
    if kernel is None or not is_kernel(tree):
        raise UserError(
            f"{source.location} holds no kernel tree",
            "its top directory should have a Makefile with a VERSION, and a Kconfig",
        )
    if source.kind in {Kind.URL, Kind.REPOSITORY}:
        return int(git(tree, "log", "-1", "--format=%ct"))
    date = max(0, int((tree / "Makefile").stat().st_mtime))
    # Debian's tarballs carry a .gitignore that ignores everything at the top: -f. After a tarball
    # this finds the index nearly complete, and completes it: links that tar makes at its end.
    git(tree, "add", "--force", ".")
    commit(tree, f"Linux {kernel}\n\nAs in {source.name}, nothing changed.\n", date)
    return date


def _init(tree: Path) -> None:
    git(tree, "init", "--quiet", "--template=", "--initial-branch=mermap", ".")


def _unpack(source: Source, tree: Path, tell: Listener) -> None:
    """Let tar name what it unpacks, and git take each file in when the next one begins."""
    _init(tree)
    depth = _depth(source)
    tar = [
        "tar", "--extract", "--verbose", "--quoting-style=literal", "--force-local",
        "--no-same-owner", "--no-same-permissions", "--exclude=.git",
        f"--strip-components={depth}", f"--file={source.location}",
    ]  # fmt: skip
    index = ["git", *_QUICK, "update-index", "--add", "--remove", "-z", "--stdin"]
    complaints = tree / ".git/mermapctl-tar.log"
    try:
        with process.feeding(index, tree, environment()) as stdin:
            names = _Names(stdin, depth)
            outcome = process.supervise(
                tar,
                cwd=tree,
                env=environment(),
                stdout=Path(os.devnull),
                stderr=complaints,
                watch=process.Watch(output=names.take, tick=lambda _now, _silent: _tick(tell)),
            )
            names.end()
    except HarnessError as error:
        raise failed(f"unpacking {source.location}", error.message) from error
    if outcome.returncode != 0:
        said = complaints.read_text(errors="backslashreplace")
        raise failed(f"unpacking {source.location}", said)
    complaints.unlink()


def _tick(tell: Listener) -> None:
    tell(Tick())


def _depth(source: Source) -> int:
    """Directories to strip: 1 where the tarball has one directory at its top, as all known do.

    To tar a leading ``.`` is a directory as well.
    """
    with contextlib.suppress(OSError, tarfile.TarError), tarfile.open(source.location) as archive:
        first = archive.next()
        if first is None or first.name == ".":
            return 1
        name = first.name.removeprefix("./")
        return int(name != first.name) + int(first.isdir() or "/" in name)
    return 1  # a compression that Python does not know; tar will say what is wrong


class _Names:
    """tar's listing -> the names that git may read: all but the last, which is being written."""

    def __init__(self, stdin: IO[bytes], depth: int) -> None:
        self.stdin = stdin
        self.depth = depth
        self.rest = b""
        self.held: list[bytes] = []

    def take(self, chunk: bytes) -> str | None:
        """Pass on what is complete; a reason to stop where git has ended."""
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        names = [*self.held, *lines]
        self.held = names[-1:]
        try:
            self._pass_on(names[:-1])
        except BrokenPipeError:
            return "git has ended"
        return None

    def end(self) -> None:
        """Pass on the last name: tar has ended."""
        self._pass_on(self.held)

    def _pass_on(self, names: list[bytes]) -> None:
        files = (name for name in names if name and not name.endswith(b"/"))
        self.stdin.write(b"".join(f.split(b"/", self.depth)[-1] + b"\0" for f in files))


def _clone(source: Source, tree: Path, tell: Listener) -> None:
    if source.kind is Kind.REPOSITORY and _changed(Path(source.location)):
        tell(Note(f"what is not committed in {source.location} is not taken along"))
    # A shallow clone of a network's repository; a local one shares its files by hard links.
    shallow = ["--depth=1"] if source.kind is Kind.URL else []
    branch = [f"--branch={source.ref}"] if source.ref else []
    said = process.run(
        ["git", "clone", "--quiet", "--template=", *shallow, *branch, "--", source.location, "."],
        cwd=tree,
        env=environment(own=False),
    )
    if said.returncode != 0:
        error = failed(f"git clone {source.location}", said.stderr)
        raise HarnessError(error.message, error.hint or "try the git clone by hand")


def _changed(repository: Path) -> bool:
    env = {**environment(own=False), "GIT_OPTIONAL_LOCKS": "0"}
    ask = ["git", "status", "--porcelain", "--untracked-files=no"]
    said = process.run(ask, cwd=repository, env=env)  # fails in a bare one, which has no changes
    return said.returncode == 0 and bool(said.stdout.strip())


def _copy(source: Source, tree: Path, _tell: Listener) -> None:
    said = process.run(
        ["cp", "--archive", "--reflink=auto", f"{source.location}/.", "."], cwd=tree
    )
    if said.returncode != 0:
        raise failed(f"copying {source.location}", said.stderr)
    _init(tree)


_HOW: dict[Kind, Callable[[Source, Path, Listener], None]] = {
    Kind.TARBALL: _unpack,
    Kind.URL: _clone,
    Kind.REPOSITORY: _clone,
    Kind.DIRECTORY: _copy,
}
