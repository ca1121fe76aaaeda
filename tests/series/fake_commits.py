# SPDX-License-Identifier: GPL-2.0-only
"""Commits of the stand-in tree: the kernel of each prints a console of tests/logs."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.conftest import git

KCONFIG = "mm/Kconfig"


def commit_all(tree: Path, subject: str) -> str:
    """Commit the work tree; return the hash."""
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", subject)
    return git(tree, "rev-parse", "HEAD")


def add(tree: Path, kernel: str, subject: str) -> str:
    """Commit a kernel that prints a console of tests/logs; return the hash."""
    count = len(git(tree, "rev-list", "HEAD").split())
    (tree / "mm/boots").write_text(f"{kernel}\n# change {count}\n")
    return commit_all(tree, subject)


def add_all(tree: Path, *kernels: str) -> list[str]:
    """Commit several kernels, the first as "change 1"; return the hashes."""
    return [add(tree, kernel, f"change {at}") for at, kernel in enumerate(kernels, 1)]


def add_no_part(tree: Path, name: str) -> str:
    """Commit a file that is no part of the kernel; return the hash."""
    (tree / name).write_text("no part of it\n")
    return commit_all(tree, name)


def add_before_suite(tree: Path) -> tuple[str, str]:
    """Commit a kernel without the suite, then one with it; return their hashes."""
    whole = (tree / KCONFIG).read_text()
    lose_suite(tree)
    without = add(tree, "good", "before the suite")
    (tree / KCONFIG).write_text(whole)
    return without, add(tree, "good", "the suite")


def lose_suite(tree: Path) -> str:
    """Commit a Kconfig without the symbol of the suite; return the hash."""
    whole = (tree / KCONFIG).read_text()
    (tree / KCONFIG).write_text(whole.replace("config MERMAP_KUNIT_TEST", "config OTHER"))
    return commit_all(tree, "no suite")


def add_side(tree: Path) -> str:
    """Commit a file on the new branch `side`, at HEAD; return the hash."""
    git(tree, "checkout", "-q", "-b", "side")
    (tree / "mm/side").write_text("1\n")
    made = commit_all(tree, "side 1")
    git(tree, "checkout", "-q", "main")
    return made


def boots(tree: Path) -> int:
    """Return the number of boots so far."""
    try:
        return len((tree.parent / "boots").read_text().splitlines())
    except OSError:
        return 0


def snapshot(directory: Path) -> dict[str, tuple[int, str]]:
    """Every file with its time and the hash of its contents."""
    return {
        str(path.relative_to(directory)): (
            path.lstat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(directory.rglob("*"))
    }
