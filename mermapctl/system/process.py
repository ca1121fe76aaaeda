# SPDX-License-Identifier: GPL-2.0-only
"""Runs programs that end with us: short commands, dialogues, supervised long ones.

Each program runs in its own session, behind a guard (`mermapctl.system.child_guard`). kunit.py
starts make and QEMU and does not pass a signal on to them; the guard ends them all.
"""

from __future__ import annotations

import contextlib
import enum
import os
import selectors
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from mermapctl.errors import HarnessError
from mermapctl.system import bounded, child_guard
from mermapctl.system.bounded import BoundedFile
from mermapctl.system.process_output import CHUNK, Bounds, exchanged
from mermapctl.system.program import Program, Streams
from mermapctl.system.session import Session, started
from mermapctl.system.signals import deferred

TICK = 0.1
STOPPED = 1.0
"""Seconds. A longer wait for TICK means that we were stopped (^Z): not time of the guest."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A short command that has ended; output decoded with backslash escapes for bad bytes."""

    returncode: int
    stdout: str
    stderr: str


class Ending(enum.StrEnum):
    """Why a supervised session ended."""

    EXITED = "exited"
    LIMIT = "limit"
    SILENCE = "silence"
    STOPPED = "stopped"  # the watch function asked for it


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a supervised session ended; `silence` is seconds since its last byte of output."""

    ending: Ending
    returncode: int
    seconds: float
    silence: float
    stopped_for: str | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """Bounds of a supervised session. `limit` and `silence` in seconds; None is for ever.

    `output` gets each chunk of stdout and may return a reason to stop at once; `tick` is called
    about ten times a second with the seconds elapsed and the seconds of silence, and may do the
    same. `started` is called once, as soon as the program runs.
    """

    limit: float | None = None
    silence: float | None = None
    started: Callable[[], None] | None = None
    output: Callable[[bytes], str | None] | None = None
    tick: Callable[[float, float], str | None] | None = None


def put_down(process: subprocess.Popen[bytes]) -> bool:
    """End a program without a guard, in five seconds at most, and close its pipes.

    Return whether it has ended.
    """
    with deferred():
        for ask, seconds in (
            (process.terminate, child_guard.GRACE),
            (process.kill, child_guard.KILLING),
        ):
            if process.poll() is None:
                ask()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=seconds)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        return process.poll() is not None


def outputs(
    process: subprocess.Popen[bytes], seconds: float, idle: float | None = None
) -> tuple[bytes, bytes]:
    """Return what a program without a guard prints until it ends.

    Ends it and raises HarnessError after `seconds`, StuckError once it was idle for that long.
    """
    argv = process.args if isinstance(process.args, list) else [process.args]
    try:
        return exchanged(process, shlex.join(map(str, argv)), Bounds(seconds, idle))
    except HarnessError:
        put_down(process)
        raise


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    idle: float | None = None,
    input: bytes | None = None,  # noqa: A002 - subprocess's own word
) -> Completed:
    """Run a short command to its end and keep its output.

    Raises HarnessError when it cannot start, exceeds `timeout` seconds, or prints too much;
    StuckError once it was idle for `idle` seconds.
    """
    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    pipes = Streams(stdin, subprocess.PIPE, subprocess.PIPE)
    with contextlib.ExitStack() as stack:
        with deferred():
            process = stack.enter_context(started(argv, cwd, env, pipes)).process
        out, err = exchanged(process, shlex.join(argv), Bounds(timeout, idle), input)
    return Completed(
        _code(process),
        out.decode(errors="backslashreplace"),
        err.decode(errors="backslashreplace"),
    )


@contextlib.contextmanager
def feeding(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Iterator[IO[bytes]]:
    """Yield the stdin of a command that reads while it is fed. Raises HarnessError if it fails."""
    with tempfile.TemporaryFile() as said, contextlib.ExitStack() as stack:
        with deferred():
            pipes = Streams(subprocess.PIPE, subprocess.DEVNULL, said.fileno())
            process = stack.enter_context(started(argv, cwd, env, pipes)).process
        with contextlib.suppress(BrokenPipeError), cast("IO[bytes]", process.stdin) as stdin:
            yield stdin
        process.wait()
        if process.returncode != 0:
            said.seek(0)
            raise HarnessError(f"{argv[0]} failed: {said.read(CHUNK).decode(errors='replace')}")


class Dialogue:
    """A program that answers each line it receives."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self._stdin = stdin
        self._stdout = stdout

    def ask(self, line: bytes, mark: bytes, timeout: float, largest: int) -> bytes | None:
        """Return the output up to `mark`; None where the program ends, prints too much or hangs."""
        until = time.monotonic() + timeout
        said = b""
        try:
            self._stdin.write(line)
            self._stdin.flush()
            with selectors.DefaultSelector() as selector:
                selector.register(self._stdout, selectors.EVENT_READ)
                while not said.endswith(mark):
                    rest = until - time.monotonic()
                    if rest <= 0 or len(said) > largest or not selector.select(rest):
                        return None
                    chunk = os.read(self._stdout.fileno(), CHUNK)
                    if not chunk:
                        return None
                    said += chunk
        except BrokenPipeError:
            return None
        return said.removesuffix(mark)


@contextlib.contextmanager
def dialogue(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Iterator[Dialogue]:
    """Start a program for a dialogue, which ends with the block. Raises HarnessError."""
    pipes = Streams(subprocess.PIPE, subprocess.PIPE, subprocess.DEVNULL)
    with contextlib.ExitStack() as stack:
        with deferred():
            process = stack.enter_context(started(argv, cwd, env, pipes)).process
        yield Dialogue(cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout))


def supervise(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdout: Path,
    stderr: Path,
    watch: Watch,
) -> SessionEnd:
    """Run a long command, teeing its output to files as it arrives, until it or a watchdog ends it.

    Ends the whole session before it returns. Raises Interrupted, and HarnessError for a program
    that cannot start or a file that cannot be written. Keeps head and tail of a longer output than
    `bounded` allows.
    """
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(_teed(stdout))
        err = stack.enter_context(_teed(stderr))
        with deferred():
            pipes = Streams(subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE)
            session = stack.enter_context(started(argv, cwd, env, pipes))
        process = session.process
        with selectors.DefaultSelector() as selector:
            for pipe, file in ((process.stdout, out), (process.stderr, err)):
                if pipe is not None:
                    selector.register(stack.enter_context(pipe), selectors.EVENT_READ, file)
            ended = process.lifeline.fileno()
            selector.register(ended, selectors.EVENT_READ)
            try:
                return _pump(session, selector, ended, watch)
            except OSError as error:
                raise _unwritable(Path(error.filename or stdout), error) from error


@contextlib.contextmanager
def _teed(path: Path) -> Iterator[BoundedFile]:
    try:
        with bounded.opened(path) as file:
            yield file
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> HarnessError:
    return HarnessError(
        f"cannot write {path}: {error.strerror}",
        "free some space there, or set MERMAPCTL_HOME to a larger disk",
    )


def _pump(
    session: Session, selector: selectors.BaseSelector, exit_fd: int, watch: Watch
) -> SessionEnd:
    process = session.process
    began = heard = time.monotonic()
    if watch.started:
        watch.started()
    ending: Ending | None = None
    reason: str | None = None
    while ending is None:
        before = time.monotonic()
        chunks = _copy_ready(process, selector)
        now = time.monotonic()
        if now - before > STOPPED:
            began, heard = began + now - before, heard + now - before
        heard = now if chunks else heard
        reason = _ask(watch, chunks, now - began, now - heard)
        if reason is not None:
            ending = Ending.STOPPED
        elif process.poll() is not None:
            ending = Ending.EXITED  # with all processes the program left behind
        elif watch.limit is not None and now - began > watch.limit:
            ending = Ending.LIMIT
        elif watch.silence is not None and now - heard > watch.silence:
            ending = Ending.SILENCE
    ended = time.monotonic()
    selector.unregister(exit_fd)
    session.end()
    last = b"".join(_remains(process, selector, ended))
    if last and ending is Ending.EXITED and watch.output:
        watch.output(last)
    return SessionEnd(ending, _code(process), ended - began, ended - heard, reason)


def _code(process: Program) -> int:
    code = process.poll()
    return -signal.SIGKILL if code is None else code  # no end even by KILL: leave it


def _remains(process: Program, selector: selectors.BaseSelector, ended: float) -> Iterator[bytes]:
    """Copy the output from the last read to the end; yield the chunks of stdout."""
    while selector.get_map():
        chunks = _copy_ready(process, selector)
        yield from chunks
        if not chunks and time.monotonic() - ended > child_guard.GRACE:
            return


def _copy_ready(process: Program, selector: selectors.BaseSelector) -> list[bytes]:
    """Copy the contents of the pipes to their files; return the chunks of stdout."""
    chunks = []
    for key, _events in selector.select(TICK):
        if key.data is None:  # the program has ended
            continue
        chunk = os.read(key.fd, CHUNK)
        if not chunk:
            selector.unregister(key.fileobj)
            continue
        key.data.write(chunk)
        if key.fileobj is process.stdout:
            chunks.append(chunk)
    return chunks


def _ask(watch: Watch, chunks: list[bytes], elapsed: float, silent: float) -> str | None:
    for chunk in chunks if watch.output else ():
        reason = watch.output(chunk) if watch.output else None
        if reason is not None:
            return reason
    return watch.tick(elapsed, silent) if watch.tick else None


def inherited() -> dict[str, str]:
    """Return the environment we were started with, for a child that needs a changed one."""
    return dict(os.environ)
