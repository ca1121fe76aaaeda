# SPDX-License-Identifier: GPL-2.0-only
"""The only user of subprocess: sessions of processes that die with us, teed output, watchdogs.

Every process is started in a session of its own. kunit.py starts make and QEMU, and does not pass
a signal on to them; ending the session ends them all.
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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from mermapctl.errors import HarnessError
from mermapctl.signals import deferred

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

GRACE = 2.0
"""Seconds between TERM and KILL; ^C promises that everything has ended within five."""
TICK = 0.1
STOPPED = 1.0
"""Seconds. Who waits longer than this for TICK was stopped (^Z): that is no time of the guest's."""
CHUNK = 1 << 16


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
class Outcome:
    """How a supervised session ended; `silence` is seconds since its last byte of output."""

    ending: Ending
    returncode: int
    seconds: float
    silence: float
    stopped_for: str | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What a supervised session may do. `limit` and `silence` in seconds; None is for ever.

    `output` sees each chunk of stdout and may return a reason to stop at once; `tick` is called
    about ten times a second with the seconds elapsed and the seconds of silence, and may as well.
    """

    limit: float | None = None
    silence: float | None = None
    output: Callable[[bytes], str | None] | None = None
    tick: Callable[[float, float], str | None] | None = None


def _start(
    argv: Sequence[str],
    cwd: Path | None,
    env: Mapping[str, str] | None,
    stdin: int,
    stdout: int,
    stderr: int,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        missing = cwd if cwd is not None and not cwd.is_dir() else argv[0]
        raise HarnessError(
            f"cannot start {argv[0]}: {missing} does not exist",
            "`mermapctl doctor` says what to install",
        ) from error
    except OSError as error:
        raise HarnessError(f"cannot start {argv[0]}: {error.strerror}") from error


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    input: bytes | None = None,  # noqa: A002 - subprocess's own word
) -> Completed:
    """Run a short command to its end and keep its output.

    Raises HarnessError when it cannot start or exceeds `timeout` seconds.
    """
    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    with deferred():
        process = _start(argv, cwd, env, stdin, subprocess.PIPE, subprocess.PIPE)
    with process:  # closes the pipes, also of a command that was ended early
        try:
            out, err = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise HarnessError(f"{shlex.join(argv)} did not end within {timeout:g} s") from error
        finally:
            _end_session(process)
    return Completed(
        process.returncode,
        out.decode(errors="backslashreplace"),
        err.decode(errors="backslashreplace"),
    )


@contextlib.contextmanager
def feeding(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Iterator[IO[bytes]]:
    """Yield the stdin of a command that works while it is fed. Raises HarnessError if it fails."""
    with tempfile.TemporaryFile() as said, contextlib.ExitStack() as stack:
        with deferred():
            pipe, null = subprocess.PIPE, subprocess.DEVNULL
            session = _session(argv, cwd, env, pipe, null, said.fileno())
            process = stack.enter_context(session)
        with contextlib.suppress(BrokenPipeError), cast("IO[bytes]", process.stdin) as stdin:
            yield stdin
        if process.wait() != 0:
            said.seek(0)
            raise HarnessError(f"{argv[0]} failed: {said.read().decode(errors='replace')}")


def supervise(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdout: Path,
    stderr: Path,
    watch: Watch,
) -> Outcome:
    """Run a long command, teeing its output to files as it arrives, until it or a watchdog ends it.

    The whole session is gone on return, however it ended. Raises Interrupted, and HarnessError for
    a program that cannot start or a file that cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            out = stack.enter_context(stdout.open("ab", buffering=0))
            err = stack.enter_context(stderr.open("ab", buffering=0))
        except OSError as error:
            raise _unwritable(stdout, error) from error
        with deferred():
            session = _session(
                argv, cwd, env, subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE
            )
            process = stack.enter_context(session)
        with selectors.DefaultSelector() as selector:
            for pipe, file in ((process.stdout, out), (process.stderr, err)):
                if pipe is not None:
                    selector.register(stack.enter_context(pipe), selectors.EVENT_READ, file)
            try:
                return _pump(process, selector, watch)
            except OSError as error:
                raise _unwritable(stdout, error) from error


# Its input ends when we do, however we end; then it ends the session. PR_SET_PDEATHSIG would end
# the leader alone: make's own makes would go on, in a build directory that is no longer locked.
_GUARD = r"""
read -r _
while :; do
    found=
    for each in /proc/[0-9]*/stat; do
        { read -r line <"$each"; } 2>/dev/null || continue
        # "pid (comm) state ppid pgrp session ...": comm may hold blanks and parentheses.
        set -- "$session" ${line##*) }
        case $2 in Z | X) continue ;; esac
        [ "$5" = "$1" ] || continue
        each=${each#/proc/}
        kill -KILL "${each%/stat}" && found=1
    done
    [ "$found" ] || exit 0
done
"""


@contextlib.contextmanager
def _session(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    stdin: int,
    stdout: int,
    stderr: int,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that leads a session, which ends with the block, and is killed if we are."""
    process = _start(argv, cwd, env, stdin, stdout, stderr)
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    number = {"session": str(process.pid)}
    try:
        with _start(["/bin/sh", "-c", _GUARD], None, number, pipe, null, null) as guard:
            try:
                yield process
            finally:
                _end_session(process)
                guard.kill()
    finally:
        _end_session(process)


def _unwritable(path: Path, error: OSError) -> HarnessError:
    return HarnessError(
        f"cannot write {path}: {error.strerror}",
        "free some space there, or set MERMAPCTL_HOME to a larger disk",
    )


def _pump(
    process: subprocess.Popen[bytes], selector: selectors.BaseSelector, watch: Watch
) -> Outcome:
    began = heard = time.monotonic()
    exited: float | None = None
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
            # A stray grandchild may hold the pipes open for ever: read on for a moment only.
            exited = exited or now
            if not selector.get_map() or now - exited > 1.0:
                ending = Ending.EXITED
        elif watch.limit is not None and now - began > watch.limit:
            ending = Ending.LIMIT
        elif watch.silence is not None and now - heard > watch.silence:
            ending = Ending.SILENCE
    ended = time.monotonic()
    _end_session(process)
    while selector.get_map():  # what was said between the last look and the end
        if not _copy_ready(process, selector) and time.monotonic() - ended > GRACE:
            break
    return Outcome(ending, process.wait(), ended - began, ended - heard, reason)


def _copy_ready(
    process: subprocess.Popen[bytes], selector: selectors.BaseSelector
) -> list[bytes]:
    """Copy what the pipes hold to their files; the chunks of stdout."""
    chunks = []
    for key, _events in selector.select(TICK):
        chunk = os.read(key.fd, CHUNK)
        if not chunk:
            selector.unregister(key.fileobj)
            continue
        _write_all(key.data, chunk)
        if key.fileobj is process.stdout:
            chunks.append(chunk)
    return chunks


def _write_all(file: IO[bytes], chunk: bytes) -> None:
    """A disk that fills up takes a part of a chunk without a word, and says so at the next."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _ask(watch: Watch, chunks: list[bytes], elapsed: float, silent: float) -> str | None:
    for chunk in chunks if watch.output else ():
        reason = watch.output(chunk) if watch.output else None
        if reason is not None:
            return reason
    return watch.tick(elapsed, silent) if watch.tick else None


def _session_members(session: int) -> list[int]:
    """Living processes of a session, from /proc; zombies need no signal."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                # "pid (comm) state ppid pgrp session ...": comm may hold blanks and parentheses.
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                if int(fields[3]) == session and fields[0] not in "ZX":
                    members.append(int(entry.name))
    return members


def _signal_all(pids: list[int], signum: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """TERM, a grace, KILL: for whatever is left of the session that `process` leads."""
    with deferred():
        members = _session_members(process.pid)
        if members:
            _signal_all(members, signal.SIGTERM)
            deadline = time.monotonic() + GRACE
            while members and time.monotonic() < deadline:
                time.sleep(0.02)
                process.poll()
                members = _session_members(process.pid)
            while members:
                _signal_all(members, signal.SIGKILL)
                time.sleep(0.02)
                process.poll()
                members = _session_members(process.pid)
        process.wait()


def inherited() -> dict[str, str]:
    """The environment that we were started with, for a child that wants it changed."""
    return dict(os.environ)


def alive(pid: int) -> bool:
    """Whether a process with this number exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
