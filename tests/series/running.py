# SPDX-License-Identifier: GPL-2.0-only
"""A series or a bisect in a process of its own, to be ended by a signal; its reports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.forkserver import Done, command
from tests.runner.test_run import processes_of

FORMS = ("json", "junit", "html", "markdown", "email", "kcidb", "checks")


def start(*words: str, build_seconds: float) -> subprocess.Popen[str]:
    """Start mermapctl; each build takes this long."""
    return subprocess.Popen(
        [sys.executable, "-m", "mermapctl", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FAKE_BUILD_SLEEP": str(build_seconds)},
    )


def until(process: subprocess.Popen[str], words: str) -> None:
    """Read stderr up to a line with these words."""
    assert process.stderr is not None
    while words not in (line := process.stderr.readline()):
        assert line, "it ended"


def wait_for_end(home: Path) -> None:
    """Wait until all processes of a killed run have ended."""
    end = time.monotonic() + 8
    while processes_of(home) and time.monotonic() < end:
        time.sleep(0.1)
    assert not processes_of(home)


def reports() -> dict[str, Done]:
    """Return the latest run in all formats."""
    return {form: command("report", "show", f"--format={form}") for form in FORMS}
