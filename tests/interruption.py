# SPDX-License-Identifier: GPL-2.0-only
"""Interrupt a `mermapctl run` at a line of its progress."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

LONGEST = 20.0
"""Seconds in which an interrupted run must end."""


def interrupted(
    tree: Path,
    *argv: str,
    until: str,
    env: dict[str, str],
    after: float = 0.5,
    signum: signal.Signals = signal.SIGINT,
) -> dict[str, Any]:
    """Signal `run` on `tree`, `after` seconds after `until` appears on stderr; return its document.

    Checks that the run ends within LONGEST seconds and with exit code 130.
    """
    command = [sys.executable, "-m", "mermapctl", "run", f"--tree={tree}", "--accel=tcg"]
    with subprocess.Popen(
        [*command, "--format=json", *argv],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while until not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(after)
        began = time.monotonic()
        process.send_signal(signum)
        out, err = process.communicate(timeout=60)
        assert time.monotonic() - began < LONGEST
    assert process.returncode == 130, err
    document: dict[str, Any] = json.loads(out)
    return document
