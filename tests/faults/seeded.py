# SPDX-License-Identifier: GPL-2.0-only
"""Apply a fault to a kernel tree for the time of a trial."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

from mermapctl.tree import overlay, postings
from mermapctl.tree.postings import Posting
from tests.faults.corpus import Case

_FILES = re.compile(r"^\+\+\+ b/(.+)$", re.MULTILINE)


def _git(tree: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "-C", str(tree), *argv], capture_output=True, text=True, check=False
    )


def files(case: Case) -> list[str]:
    """Return the files of a tree that a fault changes."""
    return _FILES.findall(case.patch.read_text(encoding="utf-8")) if case.patch else []


def applies(tree: Path, case: Case) -> str:
    """Return git's errors when it checks a fault on `tree`; empty if it applies."""
    return _git(tree, "apply", "--check", str(case.patch)).stderr if case.patch else ""


def recover(tree: Path, cases: tuple[Case, ...]) -> str | None:
    """Revert a fault or posting that a killed run left; return its name if there was one."""
    changed = _changed(tree)
    if not changed:
        return None
    left = None
    for case in cases:
        undo = ("apply", "--reverse", str(case.patch))
        if case.patch and _git(tree, *undo, "--check").returncode == 0:
            _git(tree, *undo).check_returncode()
            left = case.name
            changed = _changed(tree)
            break
    for posting in Posting:
        names = _files_of(posting)
        if changed and changed <= names and overlay.plan(tree, postings.load(posting)) == ():
            _git(tree, "checkout", "-q", "HEAD", "--", *sorted(changed)).check_returncode()
            return f"{posting}/{left}" if left else posting
    return left


def _changed(tree: Path) -> set[str]:
    listed = _git(tree, "diff", "--name-only", "HEAD")
    return set(listed.stdout.splitlines())


def _files_of(posting: Posting) -> set[str]:
    """Return the files of a tree that a posting changes."""
    loaded = postings.load(posting)
    return {*loaded.contents, *(hook.file for hook in loaded.hooks)}


def _require_clean(tree: Path, names: Collection[str]) -> None:
    if not names:
        return
    changed = _git(tree, "status", "--porcelain", "--", *names).stdout.strip()
    if changed:
        raise RuntimeError(f"{tree}: not as committed: {changed}")


@contextlib.contextmanager
def posted(tree: Path, posting: Posting | None) -> Iterator[None]:
    """Turn the reference mermap of a tree into a posting's, and revert that.

    Raises RuntimeError if a file that it needs has other changes, or if the tree has another
    mermap.
    """
    if posting is None:
        yield
        return
    names = sorted(_files_of(posting))
    _require_clean(tree, names)
    if overlay.plan(tree, overlay.load()):
        raise RuntimeError(f"{tree} has no reference mermap, or another version of it")
    try:
        overlay.apply(tree, overlay.plan(tree, postings.load(posting)))
        yield
    finally:
        _git(tree, "checkout", "-q", "HEAD", "--", *names).check_returncode()


@contextlib.contextmanager
def seeded(tree: Path, case: Case) -> Iterator[None]:
    """Apply a fault and its posting, and revert both whatever happens.

    Raises RuntimeError if a file that it needs has other changes, or differs.
    """
    with posted(tree, case.posting):
        if case.patch is None:
            yield
            return
        names = files(case)
        ours = _files_of(case.posting) if case.posting else set()
        _require_clean(tree, set(names) - ours)
        applied = _git(tree, "apply", str(case.patch))
        if applied.returncode != 0:
            raise RuntimeError(f"{case.name} does not apply to {tree}: {applied.stderr.strip()}")
        try:
            yield
        finally:  # the posting's part in these files as well
            _git(tree, "checkout", "-q", "HEAD", "--", *names).check_returncode()
