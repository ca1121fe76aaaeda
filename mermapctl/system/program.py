# SPDX-License-Identifier: GPL-2.0-only
"""A program behind a guard (`mermapctl.system.child_guard`): its start, its pipes, its end."""

from __future__ import annotations

import atexit
import contextlib
import errno
import marshal
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from mermapctl.errors import HarnessError
from mermapctl.system import child_guard, locks

PIPE, NOTHING = subprocess.PIPE, subprocess.DEVNULL
"""Streams of a program: a pipe of ours, /dev/null."""
ANSWER = 60.0
"""Seconds in which a program must start; the disk that has it may sleep."""
_EXIT = 1.0
_SERVE = """
import sys
sys.path.append({!r})
from mermapctl.system import guard_server
guard_server.serve({})
"""


@dataclass(frozen=True, slots=True)
class Streams:
    """File descriptors, or subprocess's PIPE and DEVNULL, of a program's standard streams."""

    stdin: int
    stdout: int
    stderr: int


@dataclass(slots=True)
class Program:
    """A program behind its guard, whose id is `pid`. `returncode` is None until all has ended.

    `orphaned` says that the guard was killed, and so what is left of the program is not known.
    """

    pid: int
    lifeline: socket.socket
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None
    returncode: int | None = None
    left: str = ""
    """Names of processes that did not end."""
    orphaned: bool = False
    _code: int | None = field(default=None, init=False)

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        while self.returncode is None and self._readable(0):
            self._hear()
        return self.returncode

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, `seconds` at most; return whether it has ended."""
        until = None if seconds is None else time.monotonic() + seconds
        while self.poll() is None:
            rest = None if until is None else until - time.monotonic()
            if rest is not None and rest <= 0:
                return False
            self._readable(rest)
        return True

    def ask(self) -> None:
        """Ask the guard to end the program, without waiting."""
        with contextlib.suppress(OSError):  # it has ended
            self.lifeline.send(child_guard.END)

    def kill_guard(self) -> None:
        """Kill the guard. It runs, and so its id is its own, as long as its end is not heard."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Close our ends of its pipes."""
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):  # unwritten data
                    pipe.close()

    def _readable(self, seconds: float | None) -> bool:
        waiting = select.poll()
        waiting.register(self.lifeline, select.POLLIN)
        return bool(waiting.poll(None if seconds is None else seconds * 1000))

    def _hear(self) -> None:
        """Take a message, or the end of file, which comes when the guard has ended."""
        try:
            message = self.lifeline.recv(1 << 16)
        except ConnectionResetError:  # it ended without reading END; what it said comes next
            return
        except OSError:
            message = b""
        if message.startswith(child_guard.DONE):
            _, code, seconds, left = message.split(b" ", 3)
            self._code, self.left = int(code), left.decode()
            _spent.append(float(seconds))
        elif not message:
            self.orphaned = self._code is None
            self.returncode = -signal.SIGKILL if self._code is None else self._code


_spent: list[float] = []
"""CPU seconds of each program that has ended."""


def processor_seconds() -> float:
    """Return the CPU seconds of all programs that have ended."""
    return sum(_spent)


class _Server:
    """The process that forks guards (`mermapctl.system.guard_server`), started once needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, descriptors: Sequence[int]) -> None:
        """Send a request; start the server if there is none, or it was killed."""
        with self._lock:
            if self._control is not None:
                try:
                    socket.send_fds(self._control, [b"s"], descriptors)
                except ConnectionError:
                    self._stop()
                else:
                    return
            self._control = self._start()
            socket.send_fds(self._control, [b"s"], descriptors)

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        root = str(Path(__file__).parent.parent.parent)
        with theirs:
            code = _SERVE.format(root, theirs.fileno())
            no_cache = ["-B"] if sys.dont_write_bytecode else []
            # Ours may be removed while we run, by an upgrade: what we run is still there.
            python = (
                sys.executable if os.access(sys.executable or "", os.X_OK) else "/proc/self/exe"
            )
            self._process = subprocess.Popen(
                [python, "-I", "-S", *no_cache, "-c", code],
                stdin=NOTHING, stdout=NOTHING, stderr=NOTHING,
                pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        return ours

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=_EXIT)
        self._control = self._process = None

    def stop(self) -> None:
        """End the server, and collect it: who waits for us then has the CPU time of all."""
        with self._lock:
            self._stop()

    def forget(self) -> None:
        """After a fork of ours: the server is our parent's."""
        if self._control is not None:
            self._control.close()
        self.__init__()  # type: ignore[misc]


_server = _Server()
atexit.register(_server.stop)
os.register_at_fork(after_in_child=_server.forget)


def start(
    argv: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, pipes: Streams
) -> Program:
    """Start a program behind a guard of its own. Raises HarnessError."""
    try:
        return _started(argv, cwd, env, pipes)
    except _EndedError:  # the server was killed before it forked a guard; the next call has another
        return _started(argv, cwd, env, pipes)


class _EndedError(HarnessError):
    """No process is left that could start a program."""


def _started(
    argv: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, pipes: Streams
) -> Program:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with contextlib.ExitStack() as stack, contextlib.ExitStack() as given:
        stack.enter_context(ours)
        given.enter_context(theirs)
        stdin, reads = _stream(pipes.stdin, stack, given, ours=os.O_WRONLY)
        stdout, writes = _stream(pipes.stdout, stack, given, ours=os.O_RDONLY)
        stderr, complains = _stream(pipes.stderr, stack, given, ours=os.O_RDONLY)
        try:
            directory = os.open(cwd or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            given.callback(os.close, directory)
            command = _command(argv, env, given)
            _server.ask(
                [command, theirs.fileno(), directory, reads, writes, complains, *locks.held()]
            )
        except OSError as error:
            raise _refused(argv[0], cwd, error) from error
        given.close()
        pid = _answer(ours, argv[0], cwd)
        stack.pop_all()
        return Program(pid, ours, stdin, stdout, stderr)


def _command(
    argv: Sequence[str], env: Mapping[str, str] | None, given: contextlib.ExitStack
) -> int:
    """Return a file in memory with a command and its environment."""
    texts = [os.fsencode(each) for each in argv]
    values = {
        os.fsencode(k): os.fsencode(v) for k, v in (os.environ if env is None else env).items()
    }
    if any(b"\0" in each for each in (*texts, *values, *values.values())):
        raise ValueError("embedded null byte")
    number = os.memfd_create("mermapctl-command")
    given.callback(os.close, number)
    with os.fdopen(number, "wb", closefd=False) as file:
        marshal.dump((texts, values), file)
    os.lseek(number, 0, os.SEEK_SET)
    return number


def _stream(
    asked: int, stack: contextlib.ExitStack, given: contextlib.ExitStack, *, ours: int
) -> tuple[IO[bytes] | None, int]:
    """Return our end of a stream, if it is a pipe, and the program's."""
    if asked == NOTHING:
        number = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        given.callback(os.close, number)
        return None, number
    if asked != PIPE:
        return None, asked
    reading, writing = os.pipe()
    number, theirs = (reading, writing) if ours == os.O_RDONLY else (writing, reading)
    given.callback(os.close, theirs)
    return stack.enter_context(os.fdopen(number, "rb" if ours == os.O_RDONLY else "wb")), theirs


def _answer(lifeline: socket.socket, name: str, cwd: Path | None) -> int:
    """Return the id of the guard that has started a program. Raises HarnessError."""
    lifeline.settimeout(ANSWER)
    try:
        message = lifeline.recv(64)
    except TimeoutError:
        raise HarnessError(f"cannot start {name}: nothing starts it in {ANSWER:g} s") from None
    except ConnectionError:
        message = b""
    lifeline.settimeout(None)
    kind, _, number = message.partition(b" ")
    if kind == child_guard.STARTED:
        return int(number)
    if kind == child_guard.FAILED:
        code = int(number)
        raise _refused(name, cwd, OSError(code, os.strerror(code)))
    raise _EndedError(
        f"cannot start {name}: the process that starts it was ended",
        "look whether memory ran out: `dmesg | tail`",
    )


def _refused(name: str, cwd: Path | None, error: OSError) -> HarnessError:
    if error.errno == errno.ENOENT:
        missing = cwd if cwd is not None and not cwd.is_dir() else name
        return HarnessError(
            f"cannot start {name}: {missing} does not exist",
            "`mermapctl doctor` says what to install",
        )
    return HarnessError(f"cannot start {name}: {error.strerror or error}")
