# SPDX-License-Identifier: GPL-2.0-only
"""Trees whose files are anything: a command prints a sentence or a table, never a defect."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mermapctl.config import target
from tests.conftest import git
from tests.forkserver import Done, command
from tests.tables import FAKE

CODES = {0, 1, 2, 3}


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


def _file(data: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(data)

    return make


def _link(to: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(to)


CONTENTS: dict[str, Callable[[Path], None]] = {
    "FIFO": os.mkfifo,
    "directory": lambda path: path.mkdir(),
    "socket": _socket,
    "a loop": _link("loop-of-links"),
    "zeros": _link("/dev/zero"),
    "terminal": _link("/dev/tty"),
    "gone": _link("nowhere"),
    "outside": _link("/etc/passwd"),
    "empty": _file(b""),
    "not UTF-8": _file(b"\xff\xfe\x80 = \xc3(\n"),
    "NUL": _file(b"\0" * 1000),
    "escape": _file(b"\x1b[2J\x1b]0;x\x07 = 1\n"),
    "right to left": _file("\u202e\u200b = y\n".encode()),
    "brackets": _file(b"(" * 100_000),
    "signs": _file(b"x = " + b"-" * 100_000 + b"1\n"),
    "ifs": _file(b"if X\n" * 20_000),
    "macros": _file(b"x := " + b"$(" * 20_000 + b"\n"),
    "source of itself": _file(b'source "Kconfig"\nsource "mm/Kconfig"\n'),
    "one long line": _file(b"x" * 3_000_000),
    "digits": _file(b"VERSION = " + b"9" * 1500 + b"\nPATCHLEVEL = x\nEXTRAVERSION = \x1b[31m\n"),
    "code": _file(b"raise SystemExit('\\x1b[31m')\n"),
}

FILES = [
    "Makefile",
    "Kconfig",
    "mm/Kconfig",
    "arch/x86/Kconfig",
    "arch/um/Kconfig",
    "tools/testing/kunit/kunit.py",
    "tools/testing/kunit/configs/arch_uml.config",
    "tools/testing/kunit/qemu_configs/x86_64.py",
    "tools/testing/kunit/qemu_configs/new.py",
    "tools/testing/kunit/extra.py",
    "tools/include/nolibc/nolibc.h",
    "lib",
]

COMMANDS = [
    ["tree", "status", "linux"],
    ["tree", "status", "linux", "--format", "json"],
    ["config", "explain", "MERMAP", "--tree", "linux", "--no-verify"],
    ["config", "explain", "MERMAP", "--tree", "linux", "--target", "um", "--no-verify"],
    ["config", "check", "base", "--tree", "linux"],
    ["doctor", "--no-kvm", "--tree", "linux"],
    ["run", "--tree", "linux", "--quiet"],
    ["run", "--tree", "linux", "--quiet", "--target", "um", "--suite", "example"],
    ["tree", "prepare", "new", "--source", "linux"],
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a directory with a tree, and a PATH without build tools."""
    shutil.copytree(FAKE / "tree", tmp_path / "linux")
    (tmp_path / "bin").mkdir()
    for name in ("git", "sh", "env", "true", "cp", "tar"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def answered(done: Done, what: object) -> None:
    """Check that a command ended with a documented code and a sentence."""
    said = done.stdout + done.stderr
    assert done.returncode in CODES, (what, done.returncode, done.stderr[-3000:])
    assert "Traceback" not in said, (what, said[-3000:])
    assert "a defect in" not in said, (what, said[-3000:])
    assert not {"\x1b", "\x07", "\u202e", "\0"} & {*said}, (what, said[-3000:])


def _replace(path: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch) -> None:
    path.unlink(missing_ok=True)
    with monkeypatch.context() as here:
        here.chdir(path.parent)  # a socket's path has at most 107 bytes
        make(path)


def _try_all(place: Path, name: str, share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace a file by each kind of thing; run each command of `share` on it."""
    path = place / "linux" / name
    kept = path.read_bytes() if path.is_file() else None
    for number, (kind, make) in enumerate(CONTENTS.items()):
        _replace(path, make, monkeypatch)
        for argv in COMMANDS[(5 * number + len(name)) % share :: share]:
            answered(command(*argv, cwd=place), (name, kind, argv))
            shutil.rmtree(place / "new", ignore_errors=True)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
    if kept is not None:
        path.write_bytes(kept)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_a_tree_may_be_anything(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _try_all(place, name, 2 * len(COMMANDS), monkeypatch)


@pytest.mark.e2e
@pytest.mark.nightly
@pytest.mark.parametrize("name", FILES)
def test_every_command_takes_any_file_of_a_tree(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _try_all(place, name, 1, monkeypatch)


@pytest.mark.parametrize(
    "git_is",
    ["FIFO", "directory", "socket", "a loop", "zeros", "empty", "not UTF-8", "one long line"],
)
def test_a_trees_git_may_be_anything(
    git_is: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _replace(place / "linux/.git", CONTENTS[git_is], monkeypatch)
    for argv in (*COMMANDS[::2], ["run"], ["tree", "status"]):
        cwd = place if len(argv) > 2 else place / "linux"
        answered(command(*argv, cwd=cwd), (git_is, argv))


@pytest.mark.parametrize("name", ["\udcff.py", "a b.py", "-x.py", "\x1b[31m.py", "x\n.py", "é.py"])
def test_a_target_has_a_name(name: str, place: Path) -> None:
    configs = place / "linux" / target.QEMU_CONFIGS
    shutil.copy(configs / "x86_64.py", configs / name)
    assert {*target.targets(place / "linux")} == {"um", "arm64", "i386", "x86_64"}
    for argv in COMMANDS[1::5]:
        answered(command(*argv, cwd=place), (name, argv))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("qemu_arch", r"a\0b"),
        ("qemu_arch", "../../../bin/sh"),
        ("qemu_arch", r"\udcff"),
        ("qemu_arch", ""),
        ("linux_arch", r"a\0b"),
        ("linux_arch", "../.."),
        ("linux_arch", "a b"),
        ("kernel_path", r"a\0b"),
        ("kernel_path", "/etc/passwd"),
        ("kernel_path", "../../../../etc/passwd"),
        ("kconfig", r"CONFIG_\udcff=y"),
        ("kconfig", r"\0"),
        ("kconfig", "rubbish"),
        ("kconfig", r"CONFIG_CMDLINE=\"\x1b[31m\""),
    ],
)
def test_a_target_needs_valid_fields(field: str, value: str, place: Path) -> None:
    fields = {"linux_arch": "x86_64", "qemu_arch": "x86_64", "kernel_path": "x", "kconfig": ""}
    said = ", ".join(f'{name}="{text}"' for name, text in {**fields, field: value}.items())
    config = place / "linux" / target.QEMU_CONFIGS / "new.py"
    config.write_text(f"QEMU_ARCH = QemuArchParams({said})\n")
    for argv in COMMANDS[1::5]:
        option = ["--target", "new"] if argv[0] in {"run", "doctor"} else []
        answered(command(*argv, *option, cwd=place), (field, value, argv))
    if field != "kconfig":
        assert "new" not in target.targets(place / "linux")


def test_a_repository_with_any_content(place: Path) -> None:
    tree = place / "linux"
    git(tree, "init", "-q", "-b", "main")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "\x1b[31mred")
    git(tree, "tag", "v1-\u202e")
    odd = "[mermapctl]\n base = --output=x\n source = \x1b[31m\n"
    for lines in (odd, "[", "\xff" * 10, "[a]\n" * 9999):
        with (tree / ".git/config").open("a") as config:
            config.write(lines)
        for argv in COMMANDS:
            answered(command(*argv, cwd=place), (lines[:30], argv))
