# SPDX-License-Identifier: GPL-2.0-only
"""Single keys of the terminal behind standard input, without echo; it is restored at the end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
from types import FrameType, TracebackType
from typing import Any, Self

from mermapctl.system.signals import deferred

_STDIN = 0
_LOCAL_FLAGS, _CONTROL = 3, 6
"""Places in the list of tcgetattr(3)."""
_MOST = 1024


class Keyboard:
    """Within the block keys arrive one by one, if standard input is a terminal of ours.

    ^C and ^Z stay signals. While the process is stopped (^Z), the terminal is as it was.
    """

    def __init__(self) -> None:
        self._before: list[Any] | None = None
        self._is_set = False
        self._handler: Any = None

    @property
    def active(self) -> bool:
        """Whether keys can arrive."""
        return self._is_set

    def __enter__(self) -> Self:
        with deferred():
            self._handler = signal.getsignal(signal.SIGTSTP)
            if self._handler is not signal.SIG_IGN:  # of a shell without job control
                signal.signal(signal.SIGTSTP, self._stop)
            self._set()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with deferred():
            signal.signal(signal.SIGTSTP, self._handler)
            self._restore()

    def keys(self) -> str:
        """Return the keys that were pressed since the last call."""
        self._set()  # a shell may have put us into the foreground
        if not self._is_set or not select.select([_STDIN], [], [], 0)[0]:
            return ""
        try:
            return os.read(_STDIN, _MOST).decode(errors="replace")
        except OSError:  # the terminal was hung up: SIGHUP comes, too
            return ""

    def _set(self) -> None:
        if not _in_foreground():  # tcsetattr would stop us
            self._is_set = False
            return
        if self._is_set:
            return
        with contextlib.suppress(termios.error), deferred():
            self._before = self._before or termios.tcgetattr(_STDIN)
            wanted = [*self._before]
            wanted[_LOCAL_FLAGS] &= ~(termios.ICANON | termios.ECHO)
            wanted[_CONTROL] = [*wanted[_CONTROL]]
            wanted[_CONTROL][termios.VMIN], wanted[_CONTROL][termios.VTIME] = 1, 0
            termios.tcsetattr(_STDIN, termios.TCSANOW, wanted)
            self._is_set = True

    def _restore(self) -> None:
        if self._before is not None and _in_foreground():
            with contextlib.suppress(termios.error):
                termios.tcsetattr(_STDIN, termios.TCSADRAIN, self._before)
        self._is_set = False

    def _stop(self, _signum: int, _frame: FrameType | None) -> None:
        self._restore()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._set()  # after SIGCONT


def _in_foreground() -> bool:
    """Return whether standard input is a terminal that we may read from and set."""
    try:
        return os.isatty(_STDIN) and os.tcgetpgrp(_STDIN) == os.getpgrp()
    except OSError:
        return False
