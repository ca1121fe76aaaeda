# SPDX-License-Identifier: GPL-2.0-only
"""A process between us and each program we start, so that no descendant of the program outlives us.

The guard is a *subreaper* (prctl(2), Linux 3.4): orphans among its descendants become its children,
also those that called setsid() or became daemons. So it can end all of them, and none is left when
it has no child. It ends them when the program has ended, when we ask, and when we are gone, however
we ended: it holds one end of a socket, its lifeline, and we the other.

Guards are forked by a small process (`mermapctl.system.guard_server`), which imports this module
and little else: each import here costs each command that starts a program.

Why not a cgroup: making one takes root, or a delegated one, which a user without systemd and most
containers lack (mkdir in /sys/fs/cgroup/unified as a user: Permission denied), and some process
must still outlive us to write its cgroup.kill.

PR_SET_PDEATHSIG would end the program alone, not the makes that make starts.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import select
import time

from mermapctl.system import proc

TYPE_CHECKING = False  # typing takes as long to import as all of the above
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, NoReturn
else:
    import _signal as signal  # the functions of signal without its enumerations: half the time

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
"""Ask the guard to end the program."""
STARTED = b"started"
"""Say that the program runs, and the guard's id."""
FAILED = b"failed"
"""Say that the program cannot be executed, and the number of the error."""
DONE = b"done"
"""Say how the program ended (negative: by that signal), the CPU seconds of all of it, and the names
of the processes that do not end."""
_TICK = 0.02
_SUBREAPER, _NAME, _DEATH_SIGNAL = 36, 15, 1  # PR_SET_…, linux/prctl.h


def _loaded() -> Callable[[int, Any], object]:
    """Return prctl(2), if available; without it a process that called setsid() escapes."""
    try:
        function = ctypes.CDLL(None).prctl
    except (AttributeError, OSError):
        return lambda _option, _value: None
    return lambda option, value: function(option, value, 0, 0, 0)


_prctl = _loaded()


def name(text: bytes) -> None:
    """Name this process, in 15 bytes."""
    _prctl(_NAME, text)


def guard(
    argv: Sequence[bytes],
    env: Mapping[bytes, bytes],
    *,
    lifeline: int,
    cwd: int,
    streams: Sequence[int],
    locks: Sequence[int],
) -> NoReturn:
    """Start a program, and be its guard until all of it has ended.

    All arguments but the first two are descriptors; `streams` become the program's 0, 1 and 2, and
    `locks` stay open until none of it is left.
    """
    code = 70
    try:
        os.setsid()
        name(b"mermapctl-guard")
        _prctl(_SUBREAPER, 1)
        failed, failing = os.pipe()
        program = os.fork()
        if program == 0:
            os.close(failed)
            _become(argv, env, cwd, streams, failing)
        os.close(failing)
        _detach({lifeline, failed, *locks})
        number = os.read(failed, 16)
        os.close(failed)
        if number:
            os.waitpid(program, 0)
            _say(lifeline, FAILED + b" " + number)
        else:
            _say(lifeline, STARTED + b" %d" % os.getpid())
            _Guard(program, lifeline, locks).watch()
        code = 0
    finally:
        os._exit(code)


def _become(
    argv: Sequence[bytes],
    env: Mapping[bytes, bytes],
    cwd: int,
    streams: Sequence[int],
    failing: int,
) -> NoReturn:
    """Become the program; write the number of an error to `failing`."""
    guards = os.getppid()
    try:
        os.setpgid(0, 0)  # `kill 0` in a script means its own processes, not the guard
        _prctl(_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != guards:  # ended before that
            os._exit(70)
        os.fchdir(cwd)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM):
            # exec would inherit it: of Python the first two, of a supervisor of ours the last.
            signal.signal(ignored, signal.SIG_DFL)
        os.execvpe(argv[0], list(argv), env)  # noqa: S606 - there is no shell to start
    except OSError as error:
        os.write(failing, b"%d" % (error.errno or 0))
    finally:
        os._exit(70)


def _say(lifeline: int, message: bytes) -> None:
    try:
        os.write(lifeline, message)
    except OSError:  # we are gone, which the guard sees next
        return


def _detach(kept: set[int]) -> None:
    """Close all files that are not `kept`; ignore signals meant for us."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    gc.disable()  # a collection would touch, and so copy, every page
    os.chdir("/")
    for text in os.listdir("/proc/self/fd"):  # noqa: PTH208 - as said above
        if int(text) > 2 and int(text) not in kept:
            try:
                os.close(int(text))
            except OSError:  # the directory that was listed
                continue


class _Guard:
    """Waits for the program, for us, and for processes that the program left behind."""

    def __init__(self, program: int, lifeline: int, locks: Sequence[int]) -> None:
        self.program = program
        self.lifeline = lifeline
        self.locks = locks
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

    def watch(self) -> None:
        """Wait until all has ended; say how the program did."""
        asked = self._wait(None, lambda: self.status is not None)
        if not asked:
            asked = self._wait(LINGER, lambda: self.alone)
        left: list[proc.Stat] = []
        if not self.alone:
            if not self.orphan:
                self._signal(signal.SIGTERM)
                self._wait(GRACE, lambda: self.alone)
            left = self._kill()
        for lock in self.locks:  # who hears that it is done may take them
            os.close(lock)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = used.ru_utime + used.ru_stime
        names = ", ".join(map(str, left)).encode()
        _say(self.lifeline, b"%s %d %.3f %s" % (DONE, self._code(), seconds, names))

    def _wait(self, seconds: float | None, over: Callable[[], bool]) -> bool:
        """Wait for `over`, for the given time, or for our request or end.

        Return whether we asked for its end, or are gone.
        """
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
                    self._drain()
                elif self._heard():
                    return True

    def _drain(self) -> None:
        try:
            os.read(self.woken, 4096)
        except BlockingIOError:
            return

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
            try:
                os.kill(each.pid, number)
            except OSError:  # ended, or the id is another user's by now
                continue
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

    def _code(self) -> int:
        """Return the program's exit code; the negative number of a signal that ended it."""
        return -signal.SIGKILL if self.status is None else os.waitstatus_to_exitcode(self.status)
