# SPDX-License-Identifier: GPL-2.0-only
"""Programs that run side by side: their lines as they come, their ends, and one end for all."""

from __future__ import annotations

import contextlib
import os
import selectors
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from mermapctl.errors import HarnessError
from mermapctl.system import inputs
from mermapctl.system.program import NOTHING, PIPE, Streams
from mermapctl.system.session import Session, started
from mermapctl.system.signals import deferred

_CHUNK = 1 << 16
_STDERR = 2
_ENDING = 2.0
"""Seconds in which a program that has closed its stdout, or was asked to end, ends by itself."""
LONGEST_LINE = 1 << 20
"""Bytes; the rest of a longer line is dropped."""
_ERROR = "mermapctl: error: "


@dataclass(frozen=True, slots=True)
class ChildLine:
    """A line that a child printed on stdout, without its end."""

    child: int
    text: bytes


@dataclass(frozen=True, slots=True)
class ChildEnded:
    """A child has ended, with all its descendants; a negative code is a signal's number."""

    child: int
    returncode: int


@dataclass(slots=True)
class _Child:
    session: Session
    stack: contextlib.ExitStack
    stdout: IO[bytes]
    rest: bytes = b""


class Children:
    """Programs by number. Leaving the block ends them all, at the same time."""

    def __init__(self) -> None:
        self._children: dict[int, _Child] = {}
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with deferred():
            for each in self._children.values():
                each.session.process.ask()
            for number in list(self._children):
                self._forget(number)
            self._selector.close()

    def __len__(self) -> int:
        return len(self._children)

    def start(
        self, number: int, argv: Sequence[str], env: Mapping[str, str], stderr: Path | None = None
    ) -> None:
        """Start a program of ours as child `number`, its stderr in a file; without one it is ours.

        Raises HarnessError.
        """
        with contextlib.ExitStack() as stack, deferred():
            try:
                log = stack.enter_context(stderr.open("wb")).fileno() if stderr else _STDERR
            except OSError as error:
                raise HarnessError(f"cannot write {stderr}: {error.strerror}") from error
            pipes = Streams(NOTHING, PIPE, log)
            session = stack.enter_context(started(argv, None, env, pipes))
            stdout = cast("IO[bytes]", session.process.stdout)
            self._selector.register(stdout, selectors.EVENT_READ, number)
            self._children[number] = _Child(session, stack.pop_all(), stdout)

    def ask_to_end(self, number: int) -> None:
        """Ask a child to end, without waiting; `wait` yields its end."""
        self._children[number].session.process.ask()

    def wait(self, seconds: float) -> Iterator[ChildLine | ChildEnded]:
        """Wait for lines and ends, `seconds` at most; yield what there is."""
        for key, _events in self._selector.select(seconds):
            yield from self._read(int(key.data))

    def _read(self, number: int) -> Iterator[ChildLine | ChildEnded]:
        child = self._children[number]
        chunk = os.read(child.stdout.fileno(), _CHUNK)
        *lines, rest = (child.rest + chunk).split(b"\n")
        child.rest = rest[:LONGEST_LINE]
        yield from (ChildLine(number, line) for line in lines if len(line) <= LONGEST_LINE)
        if not chunk:  # stdout is closed: the program has ended, or does nothing more for us
            with deferred():
                code = self._forget(number)
            yield ChildEnded(number, code)

    def _forget(self, number: int) -> int:
        """End a child, if it has not ended; return its exit code."""
        child = self._children.pop(number)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(child.stdout)
        child.session.process.wait(_ENDING)
        child.stack.close()
        code = child.session.process.returncode
        return -9 if code is None else code


def last_words(stderr: Path) -> str:
    """Return the error that a mermapctl printed into a file, else its last line; and a colon."""
    try:
        said = inputs.read_tail(stderr, 4096)
    except OSError:
        return ""
    lines = said.decode("utf-8", "backslashreplace").strip().splitlines()
    errors = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
    return f": {(errors or lines)[-1]}" if lines else ""
