# SPDX-License-Identifier: GPL-2.0-only
"""A process between us and each program we start, so that no descendant of the program outlives us.

The guard is a *subreaper* (prctl(2), Linux 3.4): orphans among its descendants become its children,
also those that called setsid() or became daemons. So it can end all of them, and none is left when
it has no child. It ends them when the program has ended, when we ask, and when we are gone, however
we ended: it holds one end of a socket, and we the other.

Why not a cgroup: making one takes root, or a delegated one, which a user without systemd and most
containers lack (mkdir in /sys/fs/cgroup/unified as a user: Permission denied), and some process
must still outlive us to write its cgroup.kill. Where it can be made it costs 0.1 ms, the guard 7 ms
(fork without exec: 9 ms for a program that takes 2; a guard in a new Python: 26; a guard in sh,
which sees sessions only: 5).

PR_SET_PDEATHSIG would end the program alone, not the makes that make starts.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from mermapctl.system import locks, proc

GRACE = 2.0
"""Seconds between TERM and KILL; ^C promises an end of everything within five."""
KILLING = 3.0
"""Seconds after the first KILL until all must be gone. A process that waits for a broken disk
(state D) ignores signals: it is reported and left."""
LINGER = 1.0
"""Seconds in which processes that the program left behind may still print."""
LONGEST = GRACE + KILLING + 1.0
"""Seconds until the guard ends, once asked to."""
END = b"end"
DONE = b"done"
_TICK = 0.02
_SUBREAPER, _NAME, _DEATH_SIGNAL = 36, 15, 1  # PR_SET_…, linux/prctl.h


@cache
def _prctl() -> Callable[[int, Any], object]:
    """Call prctl(2), if available; without it a process that called setsid() escapes."""
    try:
        function = ctypes.CDLL(None).prctl
    except (AttributeError, OSError):
        return lambda _option, _value: None
    return lambda option, value: function(option, value, 0, 0, 0)


def prepare() -> None:
    """Load the guard's imports: after the fork of a process with threads it imports nothing."""
    _prctl()


def stand_between(lifeline: int) -> None:
    """Fork: return in the child, which becomes the program; the parent stays as its guard.

    For `preexec_fn` in a new session. `lifeline` is the guard's end of the socket. END on it, and
    its end of file, end the program with all its descendants; the guard answers DONE with the names
    of those that do not end.
    """
    prctl = _prctl()
    prctl(_SUBREAPER, 1)
    program = os.fork()
    if program == 0:
        os.setpgid(0, 0)  # `kill 0` in a script means its own processes, not the guard
        prctl(_DEATH_SIGNAL, signal.SIGKILL)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:  # exec would inherit it
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return
    code = 70
    try:
        _detach(lifeline)
        prctl(_NAME, b"mermapctl-guard")
        code = _Guard(program, lifeline).watch()
    finally:
        os._exit(code)


def _detach(lifeline: int) -> None:
    """Close all of our files but the locks; ignore signals meant for us."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    gc.disable()  # a collection would touch, and so copy, every page
    os.chdir("/")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    kept = {lifeline, *locks.held()}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):  # the directory that was listed
                os.close(int(name))


class _Guard:
    """Waits for the program, for us, and for processes that the program left behind."""

    def __init__(self, program: int, lifeline: int) -> None:
        self.program = program
        self.lifeline = lifeline
        self.status: int | None = None
        self.alone = False
        """Whether no descendant is left."""
        self.orphan = False
        """Whether we are gone."""
        woken, wake = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        self.woken = woken
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)

    def watch(self) -> int:
        """Wait until all has ended; return the exit code of the program."""
        asked = self._wait(None, lambda: self.status is not None)
        if not asked:
            asked = self._wait(LINGER, lambda: self.alone)
        left: list[proc.Stat] = []
        if not self.alone:
            if not self.orphan:
                self._signal(signal.SIGTERM)
                self._wait(GRACE, lambda: self.alone)
            left = self._kill()
        with contextlib.suppress(OSError):
            os.write(self.lifeline, DONE + ", ".join(map(str, left)).encode())
        return self._mirrored()

    def _wait(self, seconds: float | None, over: Callable[[], bool]) -> bool:
        """Wait for `over`, for the given time, or for our request or end; return whether `over`."""
        until = None if seconds is None else time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.woken, select.POLLIN)
        if not self.orphan:
            poll.register(self.lifeline, select.POLLIN)
        while True:
            self._reap()
            if over():
                return False
            rest = None if until is None else until - time.monotonic()
            if rest is not None and rest <= 0:
                return False
            for fd, _events in poll.poll(None if rest is None else rest * 1000):
                if fd == self.woken:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self.woken, 4096)
                elif self._heard():
                    return True

    def _heard(self) -> bool:
        try:
            self.orphan = os.read(self.lifeline, 16) == b""
        except ConnectionResetError:
            self.orphan = True
        return True

    def _reap(self) -> None:
        """Collect ended children; descendants' orphans are our children."""
        while not self.alone:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.alone = True
                return
            if pid == 0:
                return
            if pid == self.program:
                self.status = status

    @staticmethod
    def _signal(number: int) -> list[proc.Stat]:
        family = proc.family(os.getpid())
        for each in family:
            with contextlib.suppress(OSError):  # ended, or the id is another user's by now
                os.kill(each.pid, number)
        return family

    def _kill(self) -> list[proc.Stat]:
        """Send KILL until none is left; return those that are left after KILLING seconds."""
        until = time.monotonic() + KILLING
        left: list[proc.Stat] = []
        while not self.alone and time.monotonic() < until:
            left = self._signal(signal.SIGKILL)
            # A process that ends may leave new children to us.
            moment = time.monotonic() + _TICK
            while not self.alone and time.monotonic() < moment:
                self._reap()
                time.sleep(0.001)
        return [] if self.alone else left

    def _mirrored(self) -> int:
        """Return the program's exit code; where a signal ended it, end by the same signal."""
        if self.status is not None and not os.WIFSIGNALED(self.status):
            return os.WEXITSTATUS(self.status)
        number = signal.SIGKILL if self.status is None else os.WTERMSIG(self.status)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number not in {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        time.sleep(1)  # delivered by then
        return 128 + number
