# SPDX-License-Identifier: GPL-2.0-only
"""A process between us and each program that we start: no descendant of the program outlives us.

The guard is a *subreaper* (prctl(2), Linux 3.4): what its descendants leave behind becomes its
child, also what called setsid() or made itself a daemon. So it ends all of them, and knows when
none is left: then it has no child. It ends them when the program has ended, when we ask, and when
we are gone, whatever killed us: it holds one end of a socket, of which we have the other.

Why not a cgroup: to make one takes root, or a delegated one, which a user without systemd and
most containers do not have (mkdir in /sys/fs/cgroup/unified as a user: Permission denied), and
somebody must outlive us to write its cgroup.kill all the same. Where it may be made it costs
0.1 ms, the guard 7 ms (fork without exec: 9 ms for a program that takes 2; a guard that is a
Python of its own: 26; a guard in sh, which sees sessions only: 5).

PR_SET_PDEATHSIG alone would end the program, and not make's own makes.
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
from functools import cache
from typing import TYPE_CHECKING, Any

from mermapctl.system import locks, proc

if TYPE_CHECKING:
    from collections.abc import Callable

GRACE = 2.0
"""Seconds between TERM and KILL; ^C promises that everything has ended within five."""
KILLING = 3.0
"""Seconds after the first KILL in which all must be gone. What waits for a broken disk (state D)
obeys no signal: it is named, and left."""
LINGER = 1.0
"""Seconds in which what a program leaves behind may say its last words."""
LONGEST = GRACE + KILLING + 1.0
"""Seconds in which the guard ends, once asked to."""
END = b"end"
DONE = b"done"
_TICK = 0.02
_SUBREAPER, _NAME, _DEATH_SIGNAL = 36, 15, 1  # PR_SET_…, linux/prctl.h


@cache
def _prctl() -> Callable[[int, Any], object]:
    """prctl(2), if there is one: without it what called setsid() escapes."""
    try:
        function = ctypes.CDLL(None).prctl
    except (AttributeError, OSError):
        return lambda _option, _value: None
    return lambda option, value: function(option, value, 0, 0, 0)


def prepare() -> None:
    """Load what the guard needs: after the fork of a process with threads nothing is imported."""
    _prctl()


def stand_between(lifeline: int) -> None:
    """Fork: return in the process that becomes the program, and stay in the other as its guard.

    For `preexec_fn` in a session that has just been made. `lifeline` is the guard's end of the
    socket. END there, and its end of file, end the program with all its descendants; DONE with the
    names of those that do not end is written there.
    """
    prctl = _prctl()
    prctl(_SUBREAPER, 1)
    program = os.fork()
    if program == 0:
        os.setpgid(0, 0)  # `kill 0` in a script means its own, and not the guard
        prctl(_DEATH_SIGNAL, signal.SIGKILL)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:  # exec would pass that on
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
    """Keep nothing of ours but the locks; obey no signal that is meant for us."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    gc.disable()  # it would touch, and so copy, every page
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
    """Waits for the program, for us, and for whatever the program left behind."""

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
        """Stay until all has ended; the exit code of the program."""
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
        """Wait until `over`, for so long, or until we ask or are gone; whether that was it."""
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
        """Take note of all that ended; whatever a descendant left behind is our child."""
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
            with contextlib.suppress(OSError):  # ended, or another user's by now
                os.kill(each.pid, number)
        return family

    def _kill(self) -> list[proc.Stat]:
        """KILL until none is left; those that are after KILLING seconds."""
        until = time.monotonic() + KILLING
        left: list[proc.Stat] = []
        while not self.alone and time.monotonic() < until:
            left = self._signal(signal.SIGKILL)
            # Each that ends may leave children to us that it had just made.
            moment = time.monotonic() + _TICK
            while not self.alone and time.monotonic() < moment:
                self._reap()
                time.sleep(0.001)
        return [] if self.alone else left

    def _mirrored(self) -> int:
        """The program's exit code; where a signal ended it, the same one ends us."""
        if self.status is not None and not os.WIFSIGNALED(self.status):
            return os.WEXITSTATUS(self.status)
        number = signal.SIGKILL if self.status is None else os.WTERMSIG(self.status)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number not in {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        time.sleep(1)  # it has been delivered by then
        return 128 + number
