# SPDX-License-Identifier: GPL-2.0-only
"""SIGINT, SIGTERM and SIGHUP while a command works: raised once, deferred where needed.

A process raises `Interrupted` once. Ignores a later signal, since cleanup runs already; PATIENCE
seconds after the first, a signal ends the process at once, even if cleanup hangs. Programs that
were started end in both cases (`mermapctl.system.child_guard`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType

from mermapctl.errors import Exit

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 8.0
"""Seconds from the first signal until a further one ends us at once; a session takes seven at most
to end (`mermapctl.system.child_guard`)."""
AGAIN = 0.01
"""Seconds until a signal that came at a bad moment is handled again."""


class Interrupted(KeyboardInterrupt):
    """SIGINT, SIGTERM or SIGHUP arrived; `signum` says which."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class _Signals:
    """Turns the three ending signals into `Interrupted`, except while one is deferred."""

    def __init__(self) -> None:
        self.depth = 0
        self.pending: int | None = None
        self.first: float | None = None
        self.raised = False

    def handle(self, signum: int, frame: FrameType | None) -> None:
        self.first = self.first or time.monotonic()
        if time.monotonic() - self.first > PATIENCE:
            os._exit(Exit.INTERRUPTED)
        if self.depth:
            self.pending = signum
        elif _importing(frame) or _taking_lock(frame):
            self.pending = signum
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
        else:
            self.raise_once(signum)

    def again(self, _signum: int, frame: FrameType | None) -> None:
        """Handle, from the timer, a signal that came at a bad moment."""
        if not self.depth and self.pending is not None:
            signum, self.pending = self.pending, None
            self.handle(signum, frame)

    def lost(self, signum: int) -> None:
        """Raise an `Interrupted` again that was raised where Python drops exceptions."""
        self.raised, self.pending = False, signum
        signal.setitimer(signal.ITIMER_REAL, AGAIN)

    def raise_once(self, signum: int) -> None:
        if not self.raised:
            self.raised = True
            raise Interrupted(signum)

    def raise_pending(self) -> None:
        if self.pending is not None:
            signum, self.pending = self.pending, None
            self.raise_once(signum)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1
            if not self.depth:
                self.raise_pending()

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        depth, self.depth = self.depth, 0
        try:
            self.raise_pending()
            yield
        finally:
            self.depth = depth


def _importing(frame: FrameType | None) -> bool:
    """Return whether a module is being imported.

    An exception in its class body becomes a RuntimeError (`__set_name__`, Python 3.11), and one in
    the callback that frees the import lock is dropped.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _taking_lock(frame: FrameType | None) -> bool:
    """Return whether subprocess has a Popen's lock and is before the `try` that frees it.

    `if self._waitpid_lock.acquire(False):` and `try:` are two steps (Lib/subprocess.py, Python 3.11
    to 3.14), and Python checks for signals after each call. An exception in between keeps the lock
    for ever: poll() then returns None, and wait() blocks. While `_try_wait` waits, a `finally` or a
    `with` frees it.
    """
    while frame is not None:
        if frame.f_globals.get("__name__") == "subprocess":
            name = frame.f_code.co_name
            if name == "_try_wait":
                return False
            if name in {"_wait", "_internal_poll"}:
                lock = frame.f_locals["self"]._waitpid_lock  # noqa: SLF001  - the lock itself
                return bool(lock.locked())
        frame = frame.f_back
    return False


_signals = _Signals()


@contextlib.contextmanager
def ending_signals() -> Iterator[None]:
    """Within: SIGINT, SIGTERM and SIGHUP raise `Interrupted` in the main thread, once."""
    global _signals  # noqa: PLW0603 - one process has one set of handlers
    _signals = current = _Signals()
    # Leave ignored what our parent ignores: HUP under nohup, INT behind a script's `&`, TERM under
    # some supervisors. POSIX has exec inherit that, and shells and nohup rely on it.
    before = {name: signal.getsignal(name) for name in ENDING}
    timer = signal.signal(signal.SIGALRM, current.again)
    hook = sys.unraisablehook

    def unraisable(dropped: sys.UnraisableHookArgs) -> None:
        if isinstance(dropped.exc_value, Interrupted):
            current.lost(dropped.exc_value.signum)
        elif not current.raised:  # a destructor of an unfinished object fails
            hook(dropped)

    sys.unraisablehook = unraisable
    for name in ENDING:
        if before[name] is not signal.SIG_IGN:
            signal.signal(name, current.handle)
    try:
        yield
    finally:
        for name, handler in before.items():
            if handler is not None:  # not a Python handler, which we replaced for good
                signal.signal(name, handler)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, timer)
        if not current.raised:  # the exception still refers to unfinished objects
            sys.unraisablehook = hook


def received() -> bool:
    """Return whether an ending signal has arrived within the latest `ending_signals`."""
    return _signals.first is not None


def ignore() -> None:
    """Ignore ending signals from now on: only the exit is left."""
    for name in ENDING:
        signal.signal(name, signal.SIG_IGN)


def deferred() -> contextlib.AbstractContextManager[None]:
    """Within: defer an ending signal to the end of the block. For short, bounded work only."""
    return _signals.deferred()


def interruptible() -> contextlib.AbstractContextManager[None]:
    """Within a deferred block: raise an ending signal here, at once. For the long work."""
    return _signals.interruptible()
