# SPDX-License-Identifier: GPL-2.0-only
"""A program in its own session behind its guard (`mermapctl.system.child_guard`)."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mermapctl.system import child_guard, proc, program, stdio
from mermapctl.system.program import Program, Streams
from mermapctl.system.signals import deferred


class Session:
    """A program behind its guard."""

    def __init__(self, process: Program) -> None:
        self.process = process
        self._ended = False

    def end(self) -> None:
        """Send TERM, wait, send KILL to all that is left of the program. Six seconds at most."""
        with deferred():
            if self._ended:
                return
            process = self.process
            process.ask()
            if not process.wait(child_guard.LONGEST):  # the guard was stopped
                process.kill_guard()
                process.wait(child_guard.KILLING)  # or it waits for a broken disk
            ended = process.returncode is not None and not process.orphaned
            left = process.left if ended else _kill_session(process.pid)
            if left:
                stdio.tell(f"mermapctl: cannot end {left}; it is left to itself")
            self._ended = True

    def close(self) -> None:
        """End it and close our ends of its pipes, then raise a deferred ending signal."""
        try:
            self.end()
        finally:
            self.end()  # where a signal was raised before the first call began
            self.process.close()


def _kill_session(leader: int) -> str:
    """Send KILL to a session whose guard is gone; return the names of processes that do not end."""
    until = time.monotonic() + child_guard.KILLING
    while (left := proc.session(leader)) and time.monotonic() < until:
        for each in left:
            with contextlib.suppress(OSError):
                os.kill(each.pid, signal.SIGKILL)
        time.sleep(0.02)
    return ", ".join(map(str, left))


@contextlib.contextmanager
def started(
    argv: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, pipes: Streams
) -> Iterator[Session]:
    """Start a program that ends with the block, and with us. Enter with signals deferred."""
    process = program.start(argv, cwd, env, pipes)
    with process.lifeline:
        session = Session(process)
        try:
            yield session
        finally:
            session.close()
