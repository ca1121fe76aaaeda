# SPDX-License-Identifier: GPL-2.0-only
"""Hostile sources of `tree prepare`: none of their programs runs, no file appears outside."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from mermapctl.commands import tree as command
from mermapctl.errors import MermapctlError, UserError
from tests.conftest import git
from tests.tree.test_prepare import KERNEL, written

RUNS = "[core]\n\tfsmonitor = sh ./evil.sh\n\thooksPath = hooks\n\tpager = sh ./evil.sh\n"
CANARY = "ran"
EVIL = f"#!/bin/sh\ntouch {CANARY} {{name}}.ran 2>/dev/null\n"


@dataclass(frozen=True)
class Member:
    """Return an entry of a tarball; `link` is the target of a link."""

    name: str
    text: str = ""
    link: str = ""
    kind: bytes = tarfile.REGTYPE
    mode: int = 0o644


def link(name: str, to: str) -> Member:
    return Member(name, link=to, kind=tarfile.SYMTYPE)


REFUSED = {
    "a config below a link to .git": [link("linux/g", ".git"), Member("linux/g/config", RUNS)],
    "a hook below a link": [link("linux/g", ".git"), Member("linux/g/hooks/post-commit", "x")],
    "below a link out": [link("linux/out", ".."), Member("linux/out/evil", "x")],
    "below an absolute link": [link("linux/out", "/var"), Member("linux/out/evil-made", "x")],
    "below a link of a link": [
        link("linux/a", ".."), link("linux/b", "a"), Member("linux/b/evil", "x")
    ],
    "dots": [Member("linux/../evil", "x")],
    "dots within": [Member("linux/mm/../../evil", "x")],
    "a hard link out": [Member("linux/h", link="/etc/passwd", kind=tarfile.LNKTYPE)],
    "a hard link through a link": [
        link("linux/l", "/etc"), Member("linux/h", link="linux/l/passwd", kind=tarfile.LNKTYPE)
    ],
    "a FIFO": [Member("linux/mm/fifo", kind=tarfile.FIFOTYPE)],
    "a device": [Member("linux/mm/null", kind=tarfile.CHRTYPE)],
    "setuid": [Member("linux/mm/su", "x", mode=0o4755)],
    "setgid": [Member("linux/mm/su", "x", mode=0o2755)],
    "git in capitals": [Member("linux/.GIT/config", RUNS)],
    "git with a dot": [Member("linux/.git./config", RUNS)],
    "git with a blank": [Member("linux/.git /config", RUNS)],
    "git as NTFS knows it": [Member("linux/git~1/config", RUNS)],
    "git with a stream": [Member("linux/.git::$INDEX_ALLOCATION/config", RUNS)],
    "git as HFS+ knows it": [Member("linux/.g\u200cit/config", RUNS)],
}  # fmt: skip
DROPPED = {
    "an absolute name": [Member("/evil", "x")],
    "a repository": [Member("linux/.git/config", RUNS), Member("linux/.git/HEAD", "ref: x")],
    "a gitfile": [Member("linux/.git", "gitdir: ../elsewhere\n")],
    "a repository below": [Member("linux/mm/.git/config", RUNS)],
    "a link named .git": [link("linux/.git", "/var")],
}


def archive(path: Path, members: list[Member]) -> Path:
    base = [Member(f"linux/{name}", text) for name, text in KERNEL.items()]
    base.append(Member("linux/evil.sh", EVIL.format(name=path.name), mode=0o755))
    with tarfile.open(path, "w") as made:
        for each in [*base, *members]:
            entry = tarfile.TarInfo(each.name)
            data = each.text.encode()
            entry.type, entry.linkname, entry.mode = each.kind, each.link, each.mode
            entry.size = len(data) if each.kind == tarfile.REGTYPE else 0
            made.addfile(entry, io.BytesIO(data))
    return path


def prepared(tmp_path: Path, source: Path) -> Path:
    (tmp_path / "d").mkdir()
    tree = tmp_path / "d/t"
    command.prepare(tree, str(source), lambda _: None, with_overlay=True)
    return tree


def canaries(tmp_path: Path) -> list[Path]:
    return [*tmp_path.rglob(CANARY), *tmp_path.rglob("evil"), *Path("/var").glob("evil-made")]


@pytest.mark.parametrize("name", REFUSED)
def test_a_tarball_that_reaches_out_is_refused(tmp_path: Path, name: str) -> None:
    source = archive(tmp_path / "a.tar", REFUSED[name])
    # tar itself may refuse ".." first.
    with pytest.raises(MermapctlError, match=r"is refused: |Member name contains"):
        prepared(tmp_path, source)
    assert (canaries(tmp_path), list((tmp_path / "d").iterdir())) == ([], [])


@pytest.mark.parametrize("name", DROPPED)
def test_a_repository_in_a_tarball_is_left_out(tmp_path: Path, name: str) -> None:
    tree = prepared(tmp_path, archive(tmp_path / "a.tar", DROPPED[name]))
    assert canaries(tmp_path) == []
    assert "evil" not in (tree / ".git/config").read_text()
    assert git(tree, "status", "--porcelain") == ""
    assert not list(tree.glob("*/.git"))


def test_a_small_tarball_does_not_become_a_large_tree(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tar.xz"
    with tarfile.open(path, "w:xz") as made:
        for name, text in KERNEL.items():
            entry = tarfile.TarInfo(f"linux/{name}")
            entry.size = len(text.encode())
            made.addfile(entry, io.BytesIO(text.encode()))
        for number in range(3):
            entry = tarfile.TarInfo(f"linux/zeros{number}")
            entry.size = 30 << 20
            made.addfile(entry, io.BytesIO(bytes(entry.size)))
    with pytest.raises(UserError, match="it unpacks to more than"):
        prepared(tmp_path, path)
    assert list((tmp_path / "d").iterdir()) == []


def test_a_dangling_git_in_a_directory_makes_nothing_elsewhere(tmp_path: Path) -> None:
    source = written(tmp_path / "source")
    (source / ".git").symlink_to(tmp_path / "elsewhere")
    (source / "evil.sh").write_text(EVIL.format(name="x"))
    tree = prepared(tmp_path, source)
    assert not (tmp_path / "elsewhere").exists()
    assert (tree / ".git").is_dir()
    assert not (tree / ".git").is_symlink()


def test_programs_configured_in_a_repository_do_not_run(tmp_path: Path) -> None:
    source = written(tmp_path / "source")
    git(source, "init", "-q")
    git(source, "add", "-f", ".")
    git(source, "commit", "-qm", "a tree")
    (source / "evil.sh").write_text(EVIL.format(name="x"))
    (source / "evil.sh").chmod(0o755)
    with (source / ".git/config").open("a") as config:
        config.write(RUNS + '[filter "x"]\n\tclean = sh ./evil.sh\n\tsmudge = sh ./evil.sh\n')
    (source / ".gitattributes").write_text("* filter=x\n")
    prepared(tmp_path, source)
    assert canaries(tmp_path) == []
