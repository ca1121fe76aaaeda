# SPDX-License-Identifier: GPL-2.0-only
"""Replaced locks and notes: nothing is written through a link, nothing waits."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mermapctl.errors import HarnessError
from mermapctl.records.store import Store
from mermapctl.runner.up_to_date import config_is_current
from mermapctl.system import locks
from mermapctl.tree import build_dir
from tests.runner.test_run import BARE, document


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


STRANGERS: dict[str, Callable[[Path], None]] = {
    "link": lambda path: path.symlink_to(path.parent / "victim"),
    "zero": lambda path: path.symlink_to("/dev/zero"),
    "fifo": os.mkfifo,
    "directory": Path.mkdir,
    "socket": _socket,
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_lock_is_a_file(stranger: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    STRANGERS[stranger](tmp_path / "lock")
    with pytest.raises(OSError, match=r"."):
        locks.opened(tmp_path / "lock", 0o600)
    assert victim.read_text() == "kept"


def test_a_lock_is_made_only_where_that_is_asked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        locks.opened(tmp_path / "lock")
    locks.release(locks.opened(tmp_path / "lock", 0o600))
    locks.release(locks.opened(tmp_path / "lock"))


def test_a_build_directorys_lock_writes_through_no_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / "base.lock").symlink_to(victim)
    with (
        pytest.raises(HarnessError, match=r"base\.lock"),
        build_dir.locked(tmp_path / "base", "run", wait=True, waiting=print),
    ):
        pass
    assert victim.read_text() == "kept"


def test_the_indexs_lock_is_named(tmp_path: Path) -> None:
    tmp_path.joinpath("store.sqlite3.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(HarnessError, match=r"store\.sqlite3\.lock"):
        Store.open(tmp_path)
    assert not tmp_path.joinpath("victim").exists()


def test_a_pipe_in_a_build_directory_is_not_waited_for(fake_tree: Path, home: Path) -> None:
    assert document(fake_tree, *BARE)["verdict"] == "passed"
    for name in (".config", ".mermapctl-built"):
        (made,) = home.glob(f"cache/builds/*/x86_64/base/{name}")
        made.unlink()
        os.mkfifo(made)
    assert document(fake_tree, *BARE)["verdict"] == "passed"


def test_a_configuration_that_is_a_link_is_not_current(tmp_path: Path) -> None:
    (tmp_path / "include/config").mkdir(parents=True)
    (tmp_path / "real").write_text("x")
    (tmp_path / ".config").write_text("x")
    (tmp_path / "include/config/auto.conf.cmd").write_text("deps_config :=\n")
    (tmp_path / "include/config/auto.conf").write_text("x")
    assert config_is_current(tmp_path, tmp_path)
    (tmp_path / ".config").unlink()
    (tmp_path / ".config").symlink_to("real")
    assert not config_is_current(tmp_path, tmp_path)
