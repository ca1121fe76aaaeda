# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree with one fault in it, for as long as that takes."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults.corpus import Case

_FILES = re.compile(r"^\+\+\+ b/(.+)$", re.MULTILINE)


def _git(tree: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "-C", str(tree), *argv], capture_output=True, text=True, check=False
    )


def files(case: Case) -> list[str]:
    """The files of a tree that a fault changes."""
    return _FILES.findall(case.patch.read_text(encoding="utf-8")) if case.patch else []


def applies(tree: Path, case: Case) -> str:
    """What git has against applying a fault to `tree`; empty if nothing."""
    return _git(tree, "apply", "--check", str(case.patch)).stderr if case.patch else ""


def recover(tree: Path, cases: tuple[Case, ...]) -> str | None:
    """Take out a fault that a killed run left behind; its name if there was one."""
    if not _git(tree, "status", "--porcelain", "--untracked-files=no").stdout.strip():
        return None
    for case in cases:
        undo = ("apply", "--reverse", str(case.patch))
        if case.patch and _git(tree, *undo, "--check").returncode == 0:
            _git(tree, *undo).check_returncode()
            return case.name
    return None


@contextlib.contextmanager
def seeded(tree: Path, case: Case) -> Iterator[None]:
    """Apply a fault, and take it out again whatever happens.

    Raises RuntimeError where a file that it needs has changes of somebody's, or is another one.
    """
    if case.patch is None:
        yield
        return
    names = files(case)
    changed = _git(tree, "status", "--porcelain", "--", *names).stdout.strip()
    if changed:
        raise RuntimeError(f"{tree}: not as committed: {changed}")
    applied = _git(tree, "apply", str(case.patch))
    if applied.returncode != 0:
        raise RuntimeError(f"{case.name} does not apply to {tree}: {applied.stderr.strip()}")
    try:
        yield
    finally:
        _git(tree, "checkout", "-q", "HEAD", "--", *names).check_returncode()
