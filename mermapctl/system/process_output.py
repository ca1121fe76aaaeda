# SPDX-License-Identifier: GPL-2.0-only
"""Exchange bytes with a program, within bounds of time, of size and of idleness."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import subprocess
import time
from dataclasses import dataclass
from typing import IO, cast

from mermapctl.errors import HarnessError
from mermapctl.system import proc
from mermapctl.system.program import Program

MOST = 256 << 20
"""Bytes that a short command may print; the names of all files of a built tree have 20 MB."""
CHUNK = 1 << 16
_LOOK = 0.5
"""Seconds between two looks at whether a program is idle."""


class StuckError(HarnessError):
    """A program sleeps and does nothing: it waits for a FIFO, or for a lock."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a program may take, and how long it may be idle, in seconds; None is for ever."""

    seconds: float | None = None
    idle: float | None = None
    most: int = MOST


class _Idleness:
    """Measures for how long a program and its descendants have slept and used no CPU."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ticks: int | None = None
        self._since = self._looked = time.monotonic()

    def look(self, *, heard: bool) -> float:
        """Look again, if it is time to; return the seconds. What prints is not idle."""
        now = time.monotonic()
        if heard:
            self._ticks, self._since = None, now
        if now - self._looked < _LOOK:
            return self._looked - self._since
        # A long gap means that we were stopped (^Z), and the program could not go on.
        stopped = now - self._looked > 4 * _LOOK
        ticks = proc.asleep(self._pid)
        if ticks is None or ticks != self._ticks or stopped:
            self._ticks, self._since = ticks, now
        self._looked = now
        return now - self._since


def exchanged(
    process: subprocess.Popen[bytes] | Program,
    name: str,
    bounds: Bounds,
    given: bytes | None = None,
) -> tuple[bytes, bytes]:
    """Give a program its input; return its stdout and stderr once it has ended.

    `name` is its name for messages. Raises HarnessError beyond a bound; the caller ends it then.
    """
    until = None if bounds.seconds is None else time.monotonic() + bounds.seconds
    talk = _Talk(process, given or b"")
    idleness = _Idleness(process.pid)
    with talk.selector:
        while talk.selector.get_map():
            heard = talk.go_on(_shorter(_LOOK, until))
            if talk.size > bounds.most:
                raise HarnessError(f"{name} printed more than {bounds.most >> 20} MB")
            if until is not None and time.monotonic() > until:
                raise _late(name, bounds)
            if bounds.idle is not None and idleness.look(heard=heard) > bounds.idle:
                raise StuckError(
                    f"{name} waits for something that does not come ({bounds.idle:g} s)"
                )
    rest = None if until is None else max(0.1, until - time.monotonic())
    with contextlib.suppress(subprocess.TimeoutExpired):  # raised where there is no guard
        process.wait(rest)
    if process.poll() is None:
        raise _late(name, bounds)
    return talk.said(process.stdout), talk.said(process.stderr)


class _Talk:
    """The pipes of a program that are open, and what came out of them."""

    def __init__(self, process: subprocess.Popen[bytes] | Program, given: bytes) -> None:
        self.selector = selectors.DefaultSelector()
        self.size = 0
        self._stdin = process.stdin
        self._rest = memoryview(given)
        self._said: dict[object, bytearray] = {}
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                self.selector.register(pipe, selectors.EVENT_READ)
                self._said[pipe] = bytearray()
        if self._stdin is not None:
            self.selector.register(self._stdin, selectors.EVENT_WRITE)

    def go_on(self, seconds: float) -> bool:
        """Move what can be moved within some time; return whether anything could."""
        ready = self.selector.select(seconds)
        for key, _ in ready:
            pipe = cast("IO[bytes]", key.fileobj)
            more = self._gave(key.fd) if pipe is self._stdin else self._heard(pipe)
            if not more:
                self.selector.unregister(pipe)
                pipe.close()
        return bool(ready)

    def said(self, pipe: IO[bytes] | None) -> bytes:
        """Return what came out of a pipe."""
        return bytes(self._said.get(pipe, b""))

    def _gave(self, fd: int) -> bool:
        """Write what a pipe takes at once; return whether there is more, and a reader."""
        try:
            if self._rest:
                self._rest = self._rest[os.write(fd, self._rest[: select.PIPE_BUF]) :]
        except BrokenPipeError:
            return False
        return bool(self._rest)

    def _heard(self, pipe: IO[bytes]) -> bool:
        """Read what a pipe has; return whether more can come."""
        chunk = os.read(pipe.fileno(), CHUNK)
        self.size += len(chunk)
        self._said[pipe] += chunk
        return bool(chunk)


def _shorter(seconds: float, until: float | None) -> float:
    return seconds if until is None else max(0.0, min(seconds, until - time.monotonic()))


def _late(name: str, bounds: Bounds) -> HarnessError:
    return HarnessError(f"{name} did not end within {bounds.seconds:g} s")
