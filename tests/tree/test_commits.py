# SPDX-License-Identifier: GPL-2.0-only
"""The commits of a range, of repositories and with subjects that nobody expects."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mermapctl.errors import UserError
from mermapctl.system import files
from mermapctl.tree import commits, series_worktrees
from mermapctl.tree import git as repository
from tests.conftest import git


@pytest.fixture
def tree(fake_tree: Path) -> Path:
    git(fake_tree, "commit", "-q", "--allow-empty", "-m", "one")
    return fake_tree


def commit(tree: Path, subject: bytes) -> None:
    """Make an empty commit of any bytes, which `git commit` would clean."""
    what = git(tree, "rev-parse", "HEAD^{tree}", "HEAD").split()
    who = "T <t@example.org> 1700000000 +0000"
    head = f"tree {what[0]}\nparent {what[1]}\nauthor {who}\ncommitter {who}\n\n".encode()
    made = subprocess.run(
        ["git", "-C", str(tree), "hash-object", "-t", "commit", "-w", "--stdin"],
        input=head + subject + b"\n",
        capture_output=True,
        check=True,
    )
    git(tree, "update-ref", "HEAD", made.stdout.decode().strip())


@pytest.mark.parametrize(
    ("subject", "kept"),
    [
        (b"", ""),
        (b"a\tb", "a\tb"),
        (b"\xff", "\\xff"),
        (b"\x1b[31mred", "\x1b[31mred"),
        (b"--output=x", "--output=x"),
        (b"x" * 400, "x" * 400),
        (b"x" * 1_000_000, "x" * 400 + "…"),
    ],
)
def test_a_subject_is_data_and_bounded(tree: Path, subject: bytes, kept: str) -> None:
    commit(tree, subject)
    (read,) = commits.read(tree, "HEAD~1..").commits
    assert read.subject == kept


@pytest.mark.parametrize(
    "name",
    ["--all", "--output=x", "-", "@{u}", "HEAD^{tree}", "HEAD:mm", "HEAD^!", ":/none", "{a}"],
)
def test_a_name_is_never_an_option(tree: Path, name: str) -> None:
    for spelled in (f"HEAD..{name}", f"{name}..HEAD"):
        with pytest.raises(UserError, match="has no commit"):
            commits.read(tree, spelled)
    assert not (tree / "x").exists()


def test_a_repository_that_git_refuses_is_not_one_without_the_commit(tree: Path) -> None:
    with (tree / ".git/config").open("a") as config:
        config.write("[extensions]\n\tobjectFormat = sha1\n")
    with pytest.raises(UserError, match="extension"):
        commits.read(tree, "HEAD~1..")


@pytest.mark.parametrize("name", ["mm/new/.gitignore", "mm/.gitattributes"])
def test_a_snapshot_does_not_wait_for_a_fifo(
    tree: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("mermapctl.tree.git.IDLE", 1)
    head = commits.read(tree, "HEAD~1..").commits[-1]
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).with_name("more").write_text("x\n")
    os.mkfifo(tree / name)
    with (
        series_worktrees.borrow(tree, "test", wait=False, waiting=lambda _: None) as borrower,
        pytest.raises(UserError, match=f"{name} is a FIFO"),
    ):
        borrower.snapshot(head)


def test_a_file_that_git_could_not_write_for_a_full_disk_is_no_riddle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "error: unable to write file 'mm/boots'"
    assert repository.failed("git read-tree", said, tmp_path).message.startswith("git read-tree")
    monkeypatch.setattr(files, "ROOM", 1 << 62)
    full = repository.failed("git read-tree", said, tmp_path)
    assert full.message == f"the disk is full: {said}"
    gone = repository.failed("git read-tree", said, tmp_path / "gone")
    assert gone.message.startswith("git read-tree failed")


def test_each_commit_has_the_paths_that_it_changes_not_those_that_it_adds(tree: Path) -> None:
    base = git(tree, "rev-parse", "HEAD")
    (tree / "mm/new file.h").write_text("x\n")
    (tree / "mm/\x01odd\nname").write_text("x\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "adds")
    added = git(tree, "rev-parse", "HEAD")
    (tree / "mm/new file.h").write_text("y\n")
    git(tree, "rm", "-q", "mm/\x01odd\nname")
    git(tree, "commit", "-qam", "changes")
    changed = git(tree, "rev-parse", "HEAD")
    with series_worktrees.borrow(tree, "test", wait=False, waiting=lambda _: None) as borrower:
        found = borrower.changes(base, changed)
    assert added not in found
    assert "mm/new file.h" in found[changed]
