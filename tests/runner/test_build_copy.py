# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import fcntl
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from mermapctl.runner import build_copy, up_to_date
from mermapctl.tree import build_dir

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO = 1_000_000_000


def built(path: Path, *lines: str, whole: bool = True) -> Path:
    """Make a build directory as kunit.py and make leave it."""
    for name, text in {
        "last_used_kunitconfig": "".join(f"{line}\n" for line in lines),
        "mm/mermap.o": "object",
        "tools/objtool/.check.o.cmd": f"gcc -o {path.resolve()}/tools/objtool/check.o",
        "vmlinux": "kernel",
        "arch/x86/vmlinux.lds": "script",
        build_dir.OBJECTS: "560",
        **({up_to_date.STAMP: "{}"} if whole else {}),
    }.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
        os.utime(path / name, (LONG_AGO, LONG_AGO))
    (path / "source").symlink_to("/some/tree")
    build_dir.lock_of(path).touch()
    return path


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Return a directory to fill, between two built ones."""
    built(tmp_path / "base", "CONFIG_KUNIT=y", "# CONFIG_SMP is not set")
    built(tmp_path / "smp", "CONFIG_KUNIT=y", "CONFIG_SMP=y")
    (tmp_path / "hang").mkdir()
    return tmp_path / "hang"


WANTED = "# SPDX\nCONFIG_KUNIT=y\nCONFIG_SMP=y\nCONFIG_SOFTLOCKUP_DETECTOR=y\n"


def test_a_directory_begins_as_the_nearest_one(new: Path) -> None:
    assert build_copy.begin(new, WANTED, "run hang") == new.with_name("smp")
    assert (new / "mm/mermap.o").stat().st_mtime == LONG_AGO
    command = new / "tools/objtool/.check.o.cmd"
    assert command.read_text() == f"gcc -o {new}/tools/objtool/check.o"
    assert command.stat().st_mtime == LONG_AGO
    assert (new / "arch/x86/vmlinux.lds").is_file()
    assert str((new / "source").readlink()) == "/some/tree"
    for name in ("vmlinux", up_to_date.STAMP, build_dir.OBJECTS):
        assert not (new / name).exists()
    assert not new.with_name("hang.partial").exists()


def test_copied_commands_have_real_paths(new: Path) -> None:
    link = new.parent.with_name(f"{new.parent.name}-link")
    link.symlink_to(new.parent)
    assert build_copy.begin(link / "hang", WANTED, "run hang") == link / "smp"
    command = new / "tools/objtool/.check.o.cmd"
    assert command.read_text() == f"gcc -o {new}/tools/objtool/check.o"


def test_existing_files_stay(new: Path) -> None:
    (new / ".config").touch()
    assert build_copy.begin(new, WANTED, "run hang") is None
    assert [each.name for each in new.iterdir()] == [".config"]


def test_one_that_was_not_built_to_its_end_is_not_copied(new: Path) -> None:
    (new.with_name("smp") / up_to_date.STAMP).unlink()
    assert build_copy.begin(new, WANTED, "run hang") == new.with_name("base")
    shutil.rmtree(new)
    new.mkdir()
    (new.with_name("base") / up_to_date.STAMP).unlink()
    assert build_copy.begin(new, WANTED, "run hang") is None


def test_one_that_is_being_built_in_is_not_copied(new: Path) -> None:
    with build_dir.lock_of(new.with_name("smp")).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert build_copy.begin(new, WANTED, "run hang") is None
    assert not list(new.iterdir())


def test_a_copy_that_would_be_incomplete_is_not_begun(
    new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_names: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copy2", full)
    assert build_copy.begin(new, WANTED, "run hang") is None
    assert not list(new.iterdir())
    assert not new.with_name("hang.partial").exists()


def test_remains_of_a_kill_are_no_obstacle(new: Path) -> None:
    left = new.with_name("hang.partial")
    (left / "mm").mkdir(parents=True)
    (left / "mm/mermap.o").write_text("ob")
    assert build_copy.begin(new, WANTED, "run hang") == new.with_name("smp")
    assert (new / "mm/mermap.o").read_text() == "object"
    assert not left.exists()
