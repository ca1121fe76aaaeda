# SPDX-License-Identifier: GPL-2.0-only
"""`run --gdb` on a real kernel: a debugger attaches, stops at a get, and lets the guest go on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mermapctl.runner import system_map
from mermapctl.runner.gdb_client import Breakpoint, GdbClient
from tests.e2e.conftest import Run

pytestmark = pytest.mark.e2e


def test_a_debugger_stops_at_the_first_get(run: Run, reference_tree: Path) -> None:
    assert run("--accel=tcg").cell["verdict"] == "passed"
    argv = [sys.executable, "-m", "mermapctl", "run", "--gdb", f"--tree={reference_tree}"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as guest:
        assert guest.stdout is not None
        printed = []
        match = None
        while match is None and (line := guest.stdout.readline()):
            printed.append(line)
            match = re.fullmatch(r"gdb (\S+)/vmlinux -ex 'target remote (\S+)'\n", line)
        assert match, printed
        symbols = system_map.load(Path(match[1]) / "System.map")
        assert symbols is not None
        get = symbols.one("__mermap_get")
        assert get is not None
        client = GdbClient(Path(match[2]), 10, lambda: False)
        client.begin()
        client.set([Breakpoint(get)])
        client.go_on()
        assert not client.stopped(60).exited
        assert client.registers()["rip"] == get
        client.detach()
        client.close()
        console = guest.stdout.read()
    assert guest.returncode == 0
    assert "ok 4 test_tlb_flushed" in console
