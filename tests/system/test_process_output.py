# SPDX-License-Identifier: GPL-2.0-only
"""A short program is bounded: in time, in what it prints, and in how long it does nothing."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import pytest

import mermapctl
from mermapctl.errors import HarnessError
from mermapctl.system import inputs, lock_holder, process
from mermapctl.system.process_output import Bounds, StuckError, exchanged

PACKAGE = Path(mermapctl.__file__).parent


def python(script: str, **how: float) -> process.Completed:
    return process.run([sys.executable, "-c", script], **how)  # type: ignore[arg-type]


def test_a_program_that_prints_without_an_end_is_ended() -> None:
    for name in ("stdout", "stderr"):
        argv = ["sh", "-c", f"cat /dev/zero >/dev/{name}"]
        with subprocess.Popen(argv, stdout=-1, stderr=-1) as endless:
            with pytest.raises(HarnessError, match="x printed more than 1 MB"):
                exchanged(endless, "x", Bounds(60, None, 1 << 20))
            endless.kill()


def test_a_program_is_fed_and_read_at_once() -> None:
    given = os.urandom(1 << 20).hex().encode()
    done = process.run(["sh", "-c", "tee /dev/stderr"], input=given, timeout=60)
    assert (done.stdout.encode(), done.stderr.encode()) == (given, given)
    assert process.run(["true"], input=given, timeout=60).returncode == 0
    assert process.run(["sh", "-c", "exec >&- 2>&-; exit 7"], timeout=60).returncode == 7


def test_a_program_that_waits_for_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    began = time.monotonic()
    with pytest.raises(StuckError, match="waits for something that does not come"):
        process.run(["sh", "-c", f"echo on; cat {tmp_path / 'fifo'}"], timeout=60, idle=1)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "script",
    [
        "import time\nend = time.monotonic() + 3\nwhile time.monotonic() < end: pass",
        "import time\nfor i in range(8): print(i, flush=True); time.sleep(0.4)",
        "import threading\nthreading.Timer(3, int).start()",
    ],
)
def test_one_that_works_is_not_idle(script: str) -> None:
    idle = 10 if "Timer" in script else 1
    assert python(script, timeout=60, idle=idle).returncode == 0


# Whoever opens a file of others goes through `inputs`: a regular file, and no more than a bound.

WHOLE = {"read_text", "read_bytes", "readlines", "communicate"}
SHIPPED = {
    "doctor/packages.py": "os-release",
    "judge/suites.py": "shipped",
    "system/memory.py": "/proc/meminfo",
    "system/paths.py": "shipped",
    "system/tables.py": "shipped",
    "tree/overlay.py": "shipped",
    "tree/postings.py": "shipped, and files just made of them",
    "render/html/environment.py": "shipped",
    "commands/version.py": "shipped",
    "system/proc.py": "/proc",
}


def test_no_file_of_others_is_read_whole() -> None:
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            of_inputs = ast.unparse(node.func.value) == "inputs"
            whole = node.func.attr in WHOLE or (
                node.func.attr == "read" and not node.args and not node.keywords
            )
            if whole and not of_inputs:
                found.add(str(path.relative_to(PACKAGE)))
    assert found
    assert sorted(found - SHIPPED.keys()) == []


def test_a_file_that_is_read_has_a_bound(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(3 << 30)
    for read in (inputs.read_regular, inputs.read_text):
        with pytest.raises(OSError, match="larger than"):
            read(sparse)


@pytest.mark.parametrize("how", ["pagemap", "grows", "growing a little"])
def test_a_log_without_an_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(inputs, "GROWTH", 1 << 20)
    path = tmp_path / "log"
    path.write_bytes(b"x" * (4 << 20))
    if how == "pagemap":
        path = Path("/proc/self/pagemap")
    with inputs.open_stream(path) as log:
        assert len(log.read(1 << 10)) == 1 << 10
        if how != "pagemap":
            with path.open("ab") as other:
                other.write(b"y" * ((2 << 20) if how == "grows" else (1 << 19)))
        if how == "growing a little":
            assert len(log.read()) == (4 << 20) - (1 << 10) + (1 << 19)
        else:
            with pytest.raises(OSError, match="has no end"):
                _drain(log)


def _drain(log: BinaryIO) -> None:
    while log.read(1 << 16):
        pass


@pytest.mark.parametrize(
    "said",
    [
        b'{"pid": Infinity, "command": "x", "since": 1}',
        b'{"pid": 1, "command": "x", "since": 1e999}',
        b'{"pid": 1, "command": 7, "since": NaN}',
        b"[" * 60_000,
        b"\xff\0" * 100,
        b"",
    ],
)
def test_a_lock_file_may_hold_anything(tmp_path: Path, said: bytes) -> None:
    path = tmp_path / "lock"
    path.write_bytes(said)
    with path.open("rb") as file:
        assert lock_holder.read(file.fileno()) is None


def test_the_holder_of_a_lock_is_named(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w+b") as file:
        lock_holder.sign(file.fileno(), "run --tree a\udcffb")
        holder = lock_holder.read(file.fileno())
    assert holder is not None
    assert (holder.pid, holder.command) == (os.getpid(), r"run --tree a\udcffb")
