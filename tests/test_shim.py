# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import json
import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from mermapctl import shim
from mermapctl.errors import HarnessError

if TYPE_CHECKING:
    from pathlib import Path

ECHO = "#!/usr/bin/env python3\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"


def program(directory: Path, name: str) -> None:
    directory.mkdir()
    (directory / name).write_text(ECHO)
    (directory / name).chmod(0o755)


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ([], ["-accel", "tcg"]),
        (["-m", "1024"], ["-accel", "tcg", "-m", "1024"]),
        (
            ["-m", "1", "-accel", "kvm", "-accel", "hvf", "-accel", "tcg", "-serial", "stdio"],
            ["-accel", "tcg", "-m", "1", "-serial", "stdio"],
        ),
        (["-append", "a b 'c' $d", "-accel", "kvm"], ["-accel", "tcg", "-append", "a b 'c' $d"]),
        (["-accel"], ["-accel", "tcg"]),
    ],
)
def test_qemu_runs_with_the_one_accelerator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], passed: list[str]
) -> None:
    program(tmp_path / "real dir", "qemu-system-x86_64")
    monkeypatch.setenv("PATH", f"{tmp_path / 'real dir'}:{os.environ['PATH']}")
    shim.write_qemu(tmp_path / "bin", "qemu-system-x86_64", "tcg")
    done = subprocess.run(
        [tmp_path / "bin/qemu-system-x86_64", *given], capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout) == passed
    assert done.returncode == 0


def test_makes_whole_output_is_in_the_log_in_order(tmp_path: Path) -> None:
    log = tmp_path / "it's a log"
    shim.write_make(tmp_path / "bin", log)
    (tmp_path / "Makefile").write_text("all: ; @echo one; echo two >&2; echo $(X); exit 3\n")
    done = subprocess.run(
        [tmp_path / "bin/make", "-C", tmp_path, "X=three four"], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")
    assert log.read_text().splitlines()[1:4] == ["one", "two", "three four"]


def test_a_missing_qemu_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarnessError, match="qemu-system-x86_64 is not installed"):
        shim.write_qemu(tmp_path / "bin", "qemu-system-x86_64", "tcg")


def test_the_programs_are_executable_and_name_their_license(tmp_path: Path) -> None:
    shim.write_make(tmp_path, tmp_path / "log")
    assert (tmp_path / "make").stat().st_mode & stat.S_IXUSR
    assert "SPDX-License-Identifier: GPL-2.0-only" in (tmp_path / "make").read_text()
