# SPDX-License-Identifier: GPL-2.0-only
"""A program in its own session behind its guard (`mermapctl.system.child_guard`)."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mermapctl.errors import HarnessError
from mermapctl.system import child_guard, proc, stdio
from mermapctl.system.signals import deferred

PIPE, NOTHING = subprocess.PIPE, subprocess.DEVNULL
"""Streams of a program: a pipe of ours, /dev/null."""


class Session:
    """A program behind its guard. `process` is the guard, and ends as the program did."""

    def __init__(self, process: subprocess.Popen[bytes], lifeline: socket.socket) -> None:
        self.process = process
        self._lifeline = lifeline
        self._ended = False

    def ask(self) -> None:
        """Ask the guard to end the program, without waiting: several then end at the same time."""
        with contextlib.suppress(OSError):  # it has ended
            self._lifeline.send(child_guard.END)

    def wait(self, seconds: float) -> None:
        """Wait for the program's end, `seconds` at most."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=seconds)

    def end(self) -> None:
        """Send TERM, wait, send KILL to all that is left of the program. Six seconds at most."""
        with deferred():
            if self._ended:
                return
            self.ask()
            try:
                self.process.wait(timeout=child_guard.LONGEST)
            except subprocess.TimeoutExpired:  # the guard was stopped
                self.process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):  # it waits for a broken disk
                    self.process.wait(timeout=child_guard.KILLING)
            self._read_remains()
            self._ended = True

    def close(self) -> None:
        """End it and close our ends of its pipes, then raise a deferred ending signal."""
        try:
            self.end()
        finally:
            self.end()  # where a signal was raised before the first call began
            for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # unwritten data
                        pipe.close()

    def _read_remains(self) -> None:
        """Read which processes the guard could not end; if it was killed, finish its work."""
        try:
            self._lifeline.settimeout(0.1)
            message = self._lifeline.recv(1 << 16)
        except OSError:
            message = b""
        if message.startswith(child_guard.DONE):
            left = message.removeprefix(child_guard.DONE).decode()
        else:
            left = _kill_session(self.process.pid)
        if left:
            stdio.tell(f"mermapctl: cannot end {left}; it is left to itself")


def _kill_session(leader: int) -> str:
    """Send KILL to a session whose guard is gone; return the names of processes that do not end."""
    until = time.monotonic() + child_guard.KILLING
    while (left := proc.session(leader)) and time.monotonic() < until:
        for each in left:
            with contextlib.suppress(OSError):
                os.kill(each.pid, signal.SIGKILL)
        time.sleep(0.02)
    return ", ".join(map(str, left))


@dataclass(frozen=True, slots=True)
class Streams:
    """File descriptors, or subprocess's PIPE and DEVNULL, of a program's standard streams."""

    stdin: int
    stdout: int
    stderr: int


@contextlib.contextmanager
def started(
    argv: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, pipes: Streams
) -> Iterator[Session]:
    """Start a program that ends with the block, and with us. Enter with signals deferred."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            process = _start(argv, cwd, env, pipes, theirs.fileno())
        session = Session(process, ours)
        try:
            yield session
        finally:
            session.close()


def _start(
    argv: Sequence[str],
    cwd: Path | None,
    env: Mapping[str, str] | None,
    pipes: Streams,
    lifeline: int,
) -> subprocess.Popen[bytes]:
    child_guard.prepare()
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of a fork beside threads; the guard takes no lock of theirs.
            warnings.simplefilter("ignore", DeprecationWarning)
            return subprocess.Popen(
                argv,
                cwd=cwd,
                env=None if env is None else dict(env),
                stdin=pipes.stdin,
                stdout=pipes.stdout,
                stderr=pipes.stderr,
                start_new_session=True,
                preexec_fn=functools.partial(child_guard.stand_between, lifeline),  # noqa: PLW1509
            )
    except FileNotFoundError as error:
        missing = cwd if cwd is not None and not cwd.is_dir() else argv[0]
        raise HarnessError(
            f"cannot start {argv[0]}: {missing} does not exist",
            "`mermapctl doctor` says what to install",
        ) from error
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise HarnessError(f"cannot start {argv[0]}: {reason}") from error
