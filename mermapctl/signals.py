# SPDX-License-Identifier: GPL-2.0-only
"""SIGINT, SIGTERM and SIGHUP as an exception, except while one must not be lost."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Interrupted(KeyboardInterrupt):
    """SIGINT, SIGTERM or SIGHUP arrived; `signum` says which."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class _Signals:
    """Turns the three ending signals into `Interrupted`, except while one must not be lost."""

    def __init__(self) -> None:
        self.depth = 0
        self.pending: int | None = None

    def handle(self, signum: int, _frame: FrameType | None) -> None:
        if self.depth:
            self.pending = signum
        else:
            raise Interrupted(signum)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1
            if not self.depth and self.pending is not None:
                signum, self.pending = self.pending, None
                raise Interrupted(signum)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        depth, self.depth = self.depth, 0
        try:
            if self.pending is not None:
                signum, self.pending = self.pending, None
                raise Interrupted(signum)
            yield
        finally:
            self.depth = depth


_signals = _Signals()


@contextlib.contextmanager
def ending_signals() -> Iterator[None]:
    """Within: SIGINT, SIGTERM and SIGHUP raise `Interrupted` in the main thread."""
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # A handler that our parent set to "ignore" (nohup) stays ignored.
    before = {name: signal.getsignal(name) for name in names}
    for name in names:
        if before[name] is not signal.SIG_IGN:
            signal.signal(name, _signals.handle)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def deferred() -> contextlib.AbstractContextManager[None]:
    """Within: an ending signal waits until the block is left. For short, bounded work only."""
    return _signals.deferred()


def interruptible() -> contextlib.AbstractContextManager[None]:
    """Within a deferred block: an ending signal is raised here, at once. For the long work."""
    return _signals.interruptible()
