# SPDX-License-Identifier: GPL-2.0-only
"""The compiler that goes through ccache."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from mermapctl.runner import compiler_cache
from tests.runner.test_path_shims import program


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a compiler behind ccache; both print their arguments."""
    for name in ("ccache", "x-gcc"):
        program(tmp_path / name, name)
    (tmp_path / "masquerade").mkdir()
    (tmp_path / "masquerade/x-gcc").symlink_to(tmp_path / "ccache/ccache")
    path = (str(tmp_path / name) for name in ("masquerade", "ccache", "x-gcc"))
    monkeypatch.setenv("PATH", ":".join([*path, os.environ["PATH"]]))
    assert compiler_cache.write(tmp_path / "bin", "x-gcc")
    assert compiler_cache.write(tmp_path / "bin", "x-gcc")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "text", "through_ccache"),
    [
        ("fork.c", "int fork;", True),
        ("a dir's.c", "int x;", True),
        ("configs.c", 'asm(".incbin \\"config_data\\"");', False),
        ("piggy.S", '.incbin "vmlinux.bin.gz"', False),
        ("entry.S", "nop", False),
        ("fork.o", "", False),
    ],
)
def test_a_compiler_goes_through_ccache_unless_what_it_reads_may_be_unseen(
    cached: Path, source: str, text: str, through_ccache: bool
) -> None:
    (cached / source).write_text(text)
    argv = ["-Wp,-MMD,x.d", "-DX=a b", "-c", "-o", "x.o", str(cached / source)]
    done = subprocess.run([cached / "bin/x-gcc", *argv], capture_output=True, text=True, check=True)
    itself = [str(cached / "x-gcc/x-gcc")] if through_ccache else []
    assert json.loads(done.stdout) == [*itself, *argv]


def test_no_ccache_no_detour(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(cached / "x-gcc"))
    assert not compiler_cache.write(cached / "bin", "x-gcc")
    assert not (cached / "bin/x-gcc").exists()
