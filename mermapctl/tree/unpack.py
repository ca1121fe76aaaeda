# SPDX-License-Identifier: GPL-2.0-only
"""Turn a source into a git repository whose head is the base of a new tree. Runs tar, cp and git.

The contents of a tarball or directory are not trusted, so they are unpacked outside any repository.
The repository is made beside them and moved in after all files are checked.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO

from mermapctl.errors import HarnessError, UserError
from mermapctl.events import Listener, Note, Tick
from mermapctl.system import inputs, process
from mermapctl.tree import git, ownership, tarball
from mermapctl.tree.clone import clone
from mermapctl.tree.find import is_kernel, kernel_version
from mermapctl.tree.source import Source, SourceKind

_LIMITED = 'ulimit -v "$1" 2>/dev/null; ulimit -f "$2" 2>/dev/null; shift 2; exec tar "$@"'
_LARGEST_FILE = 2 << 30
"""The most bytes that tar may write to a file; the largest file of 6.12 has 24 MB."""


def base(source: Source, workshop: Path, tell: Listener) -> tuple[Path, int]:
    """Commit the source as the head of a repository in the empty directory `workshop`.

    Returns the tree's directory there, and the commit's date. Raises UserError if the source is no
    kernel, or contains files that no kernel source has.
    """
    tree = workshop / "tree"
    tree.mkdir()
    if source.kind in {SourceKind.URL, SourceKind.REPOSITORY}:
        clone(source, tree, tell)
        _require_kernel(source, tree)
        return tree, int(git.git(tree, "log", "-1", "--no-show-signature", "--format=%ct"))
    beside = workshop / "beside"
    beside.mkdir()
    git.git(beside, "init", "--quiet", "--template=", "--initial-branch=mermap", ".")
    env = {**git.environment(), "GIT_DIR": str(beside / ".git"), "GIT_WORK_TREE": str(tree)}
    if source.kind is SourceKind.TARBALL:
        _unpack(source, tree, env, workshop / "tar.log", tell)
    else:
        _copy(source, tree, tell)
    _look_over(source, tree, tell)
    kernel = _require_kernel(source, tree)
    date = max(0, int((tree / "Makefile").stat().st_mtime))
    # --force: Debian's tarballs have a .gitignore that ignores everything at the top. Of a tarball
    # only the links are added here, because tar makes them at its end.
    git.git(tree, "add", "--force", ".", env=env)
    git.commit(tree, f"Linux {kernel}\n\nAs in {source.name}, nothing changed.\n", date, env)
    (beside / ".git").rename(tree / ".git")
    return tree, date


def _require_kernel(source: Source, tree: Path) -> str:
    kernel = kernel_version(tree)
    if kernel is None or not is_kernel(tree):
        raise UserError(
            f"{source.location} holds no kernel tree",
            "its top directory should have a Makefile with a VERSION, and a Kconfig",
        )
    return kernel


def _look_over(source: Source, tree: Path, tell: Listener) -> None:
    """Remove entries named .git. Raises UserError for entries that no kernel source has."""
    dropped = 0
    waiting = [os.fsencode(tree)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.name == tarball.GIT:
                    dropped += 1
                    _remove(entry)
                    continue
                strange = _strange(entry)
                if strange:
                    where = os.fsdecode(entry.path).removeprefix(f"{tree}/")
                    raise UserError(
                        f"{source.location} is refused: {where!r} {strange}",
                        "remove it there, or take another source",
                    )
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    if dropped:
        tell(Note(f"{dropped} entries named .git in the source were left out"))


def _strange(entry: os.DirEntry[bytes]) -> str | None:
    if tarball.is_git(entry.name):
        return "is named as git's own directory on some systems"
    if entry.is_symlink() or entry.is_dir(follow_symlinks=False):
        return None
    mode = entry.stat(follow_symlinks=False).st_mode
    if not stat.S_ISREG(mode):
        return "is neither a file, a directory nor a link"
    if mode & (stat.S_ISUID | stat.S_ISGID):
        return "would run as its owner (setuid or setgid)"
    return None


def _remove(entry: os.DirEntry[bytes]) -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path)
    else:
        Path(os.fsdecode(entry.path)).unlink()


def _unpack(
    source: Source, tree: Path, env: dict[str, str], complaints: Path, tell: Listener
) -> None:
    """Unpack a tarball; add each file to git's index when tar lists the next one.

    tar lists a member when it begins to write it. So a file is complete once the next one is
    listed. A link is not: until its end tar has an empty file of mode 000 in place of one that may
    lead out, which git cannot read, unless it runs as root.
    """
    what = f"unpacking {source.location}"
    strip = _depth(source, tree, complaints)
    index = ["git", *git.QUICK, "update-index", "--add", "--remove", "-z", "--stdin"]
    extract = [
        *("--extract", "--no-same-owner", "--no-same-permissions"),
        *("--no-acls", "--no-selinux", "--no-xattrs", f"--strip-components={strip}"),
    ]
    try:
        with process.feeding(index, tree, env) as stdin:
            packed = Path(source.location).stat().st_size
            names = _Names(stdin, tarball.Admission(strip, packed))
            outcome = _tar(source, extract, tree, complaints, names.take, tell)
            names.end()
            if names.refusal:
                raise UserError(
                    f"{source.location} is refused: {names.refusal}",
                    "a kernel's tarball holds no such thing; take another one",
                )
    except HarnessError as error:
        raise git.failed(what, error.message) from error
    if outcome.returncode != 0:
        raise git.failed(what, _beginning(complaints))


def _tar(
    source: Source,
    extra: list[str],
    cwd: Path,
    complaints: Path,
    take: Callable[[bytes], str | None],
    tell: Listener | None = None,
) -> process.SessionEnd:
    """Run tar on the source, pass its listing to `take`, and limit memory and file size."""
    memory = max(4 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    limits = (str(memory >> 10), str(_LARGEST_FILE >> 9))
    listing = ("--verbose", "--verbose", "--quoting-style=c", "--numeric-owner")
    named = ("--force-local", f"--file={source.location}")

    def tick(_now: float, _silent: float) -> None:
        if tell:
            tell(Tick())

    return process.supervise(
        ["/bin/sh", "-c", _LIMITED, "sh", *limits, *extra, *listing, *named],
        cwd=cwd,
        env=git.environment(),
        stdout=Path(os.devnull),
        stderr=complaints,
        watch=process.Watch(output=take, tick=tick),
    )


def _beginning(complaints: Path) -> str:
    """Return the first complaints of tar, which may print one for each member."""
    with inputs.open_own(complaints) as file:
        return file.read(1 << 16).decode(errors="backslashreplace")


def _depth(source: Source, cwd: Path, complaints: Path) -> int:
    """Return how many directories to strip, by the first listing line; 1 if there is none."""
    heard = bytearray()

    def take(chunk: bytes) -> str | None:
        heard.extend(chunk)
        return "enough" if b"\n" in heard else None

    _tar(source, ["--list"], cwd, complaints, take)
    complaints.unlink(missing_ok=True)
    with contextlib.suppress(ValueError):
        first = tarball.parse(bytes(heard.partition(b"\n")[0]))
        return tarball.depth(first) if first else 1
    return 1


class _Names:
    """Passes the names in tar's listing to git, except the last: tar still writes its file."""

    def __init__(self, stdin: IO[bytes], admission: tarball.Admission) -> None:
        self.stdin = stdin
        self.admission = admission
        self.rest = b""
        self.held: list[bytes] = []
        self.refusal: str | None = None

    def take(self, chunk: bytes) -> str | None:
        """Pass on complete names; return a reason to stop: a refusal, or that git has ended."""
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        for line in lines:
            self.refusal = self.refusal or self._look(line)
        try:
            if not self.refusal:
                self._pass_on(self.held[:-1])
        except BrokenPipeError:
            return "git has ended"
        self.held = self.held[-1:]
        return self.refusal

    def _look(self, line: bytes) -> str | None:
        try:
            member = tarball.parse(line)
        except ValueError:
            return f"tar lists {line[:200]!r}"
        if member is None:
            return None
        refusal = self.admission.refusal(member)
        path = self.admission.path(member)
        if member.kind not in {"directory", "link"} and path and tarball.GIT not in path:
            self.held.append(b"/".join(path))
        return refusal

    def end(self) -> None:
        """Pass on the last name after tar has ended."""
        if not self.refusal:
            self._pass_on(self.held)

    def _pass_on(self, names: list[bytes]) -> None:
        self.stdin.write(b"".join(name + b"\0" for name in names))


def _copy(source: Source, tree: Path, tell: Listener) -> None:
    found = ownership.stranger(Path(source.location))
    if found:
        runs = "the copy belongs to you, and its programs run with your rights"
        tell(Note(f"{found.path} belongs to {found.owner}; {runs}"))
    keep = "--preserve=mode,timestamps,links"
    said = process.run(
        [
            *("cp", "--recursive", "--no-dereference", keep, "--reflink=auto"),
            *("--", f"{source.location}/.", "."),
        ],
        cwd=tree,
    )
    if said.returncode != 0:
        raise git.failed(f"copying {source.location}", said.stderr)
