# SPDX-License-Identifier: GPL-2.0-only
"""A run checks the machine's programs again only after a file of one of them has changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mermapctl.system import paths
from tests.runner.test_run import document, run


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a `make` that logs each `--version`; return its log."""
    log, make = tmp_path / "asked", tmp_path / "make"
    make.write_text(
        f'#!/bin/sh\n[ "$1" != --version ] || echo asked >>{log}\n'
        f'exec {shutil.which("make")} "$@"\n'
    )
    make.chmod(0o755)
    log.touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return log


def test_versions_are_asked_once_until_a_program_changes(fake_tree: Path, asked: Path) -> None:
    first = document(fake_tree)["run"]["host"]
    assert document(fake_tree)["run"]["host"] == first
    assert first["compiler"]
    assert asked.read_text().count("asked") == 1
    make = asked.with_name("make")
    make.write_text(make.read_text() + "# another\n")
    document(fake_tree)
    assert asked.read_text().count("asked") == 2


def test_a_removed_program_is_noticed_and_a_missing_one_checked_again(
    fake_tree: Path, asked: Path
) -> None:
    document(fake_tree)
    make = asked.with_name("make")
    make.write_text("#!/bin/sh\necho no make of GNU\n")
    for _ in range(2):
        done = run(fake_tree)
        assert done.returncode == 3
        assert "is not GNU make" in done.stderr


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\n\xff"])
def test_a_damaged_memory_is_made_again(fake_tree: Path, asked: Path, damage: bytes) -> None:
    host = document(fake_tree)["run"]["host"]
    (paths.cache_dir() / "ready.json").write_bytes(damage)
    assert document(fake_tree)["run"]["host"] == host
    assert asked.read_text().count("asked") == 2
