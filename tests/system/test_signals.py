# SPDX-License-Identifier: GPL-2.0-only
"""After one or two ending signals at any time the exit code is 130, and no process is left."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import pty
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

import mermapctl
from mermapctl import __main__
from mermapctl.cli.root import root
from mermapctl.errors import Exit
from mermapctl.system import signals
from tests.forkserver import command
from tests.minikconfig import tree_of
from tests.tables import LOGS, SEARCH

NAMES = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
TRIES = int(os.environ.get("MERMAPCTL_SIGNALS", "40" if SEARCH else "6"))
"""The number of moments tested per command."""


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str
    late: bool
    """Tell whether the process had ended before the signal."""


def caught(pid: int) -> int:
    """Return the signals that a process handles, as a mask. Source: proc(5)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(status.partition("SigCgt:")[2].split()[0], 16) if "SigCgt:" in status else 0


def ignores(pid: int, numbers: list[signal.Signals]) -> bool:
    """Return whether a process ignores all of these signals."""
    mask = int(Path(f"/proc/{pid}/status").read_text().partition("SigIgn:")[2].split()[0], 16)
    return all(mask & 1 << number - 1 for number in numbers)


def start(argv: list[str], cwd: Path) -> subprocess.Popen[str]:
    """Start mermapctl and wait until its handlers are set."""
    ours = subprocess.Popen(
        [sys.executable, "-m", "mermapctl", *argv],
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    while ours.poll() is None and not caught(ours.pid) & 1 << signal.SIGTERM - 1:
        time.sleep(0.0005)
    return ours


def signalled(
    argv: list[str], cwd: Path, after: float, *numbers: signal.Signals, apart: float = 0.0
) -> Ended:
    """Run mermapctl; send signals `after` seconds from its first lines, `apart` from each other."""
    with start(argv, cwd) as ours:
        time.sleep(after)
        late = ours.poll() is not None
        for number in numbers:
            ours.send_signal(number)
            time.sleep(apart)
        out, err = ours.communicate(timeout=30)
    return Ended(ours.returncode, out, err, late)


def ours_below(cwd: Path) -> list[str]:
    """Return the command lines of living processes in `cwd` or below."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if (entry / "cwd").readlink().is_relative_to(cwd) and state != "Z":
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.fixture
def commands(
    fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[str]]:
    monkeypatch.setenv("FAKE_LOG", str(LOGS / "good.log"))
    mini = tree_of(tmp_path / "mini", "config A\n    bool 'a'\n    default $(shell,sleep 0.1)\n")
    log = ["report", "log", str(LOGS / "good.log")]
    return {
        "help": ["--help"],
        "version": ["--version"],
        "report": log,
        "json": [*log, "--format=json"],
        "mail": [*log, "--format=email", "-o", "mail.txt"],
        "run": ["run", f"--tree={fake_tree}", "--accel=tcg"],
        "explain": ["config", "explain", f"--tree={mini}", "--target=um", "A"],
        "list": ["config", "list"],
    }


@pytest.mark.parametrize("name", ["help", "version", "report", "json", "mail", "run", "explain"])
def test_at_any_moment_of_start_up_work_and_shutdown(
    commands: dict[str, list[str]], tmp_path: Path, name: str
) -> None:
    command(*commands[name], cwd=tmp_path)  # caches are warm from here on
    with start(commands[name], tmp_path) as usual:
        began = time.monotonic()
        usual.communicate(timeout=60)
    whole = time.monotonic() - began
    chance = random.Random(f"signals {name}")  # noqa: S311
    interrupted = 0
    for number in range(TRIES):
        after = whole * number / TRIES * chance.uniform(0.9, 1.1)
        numbers = [chance.choice(NAMES) for _ in range(1 + number % 2)]
        apart = chance.choice([0.0, 0.001, 0.01, 0.05])
        ended = signalled(commands[name], tmp_path, after, *numbers, apart=apart)
        told = (name, number, after, numbers, apart, ended)
        assert not any(
            word in ended.err for word in ("Traceback", "defect", "ignored", "Interrupt", "Error")
        ), told
        # A run that has done everything except Python's own end is not interrupted.
        assert ended.code in {INTERRUPTED, usual.returncode}, told
        interrupted += ended.code == INTERRUPTED
    assert interrupted >= TRIES // 4
    assert ours_below(tmp_path) == []
    assert [file for file in tmp_path.iterdir() if file.name.startswith(".mail")] == []


SURPRISED = """
import os, signal, sys, time
from mermapctl.system import signals
{setup}
try:
    with signals.ending_signals():
        {work}
        while True:
            time.sleep(0.001)
except signals.Interrupted as error:
    print(error, signals.received())
"""
KILL = "os.kill(os.getpid(), signal.SIGTERM)"
IN_AN_IMPORT = f"""import os, signal
class Field:
    def __set_name__(self, owner, name):
        {KILL}
class Model:
    field = Field()
done = True
"""


def surprised(tmp_path: Path, work: str, setup: str = "") -> tuple[int, str, str]:
    """Return the stderr of a process that a signal interrupts at a bad moment of `work`."""
    (tmp_path / "unlucky.py").write_text(IN_AN_IMPORT)
    done = subprocess.run(
        [sys.executable, "-c", SURPRISED.format(work=work, setup=setup)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_signal_in_a_class_body_waits_for_the_end_of_the_import(tmp_path: Path) -> None:
    work = "import unlucky; print(unlucky.done, flush=True)"
    code, out, err = surprised(tmp_path, work)
    assert (code, out.splitlines()[-1], err) == (0, "SIGTERM True", "")


def test_a_signal_where_python_drops_exceptions_is_not_lost(tmp_path: Path) -> None:
    setup = f"class Dropped:\n    def __del__(self):\n        {KILL}"
    assert surprised(tmp_path, "Dropped()", setup) == (0, "SIGTERM True\n", "")


def test_an_object_that_is_never_finished_is_not_the_users_affair(tmp_path: Path) -> None:
    """GitPython's GitConfigParser, interrupted in its constructor, fails in its destructor."""
    setup = f"""
class Unfinished:
    def __init__(self):
        {KILL}
        time.sleep(5)
        self.done = True
    def __del__(self):
        assert self.done"""
    assert surprised(tmp_path, "Unfinished()", setup) == (0, "SIGTERM True\n", "")


def test_a_terminal_has_its_cursor_again(commands: dict[str, list[str]], tmp_path: Path) -> None:
    """A signal delayed by an import arrives just when the progress begins."""
    chance = random.Random("cursor")  # noqa: S311
    env = {**os.environ, "FAKE_BUILD_SLEEP": "0.5"}  # no run is over before its signal
    for number in range(TRIES):
        ours, theirs = pty.openpty()
        argv = [sys.executable, "-m", "mermapctl", *commands["run"], "--rebuild"]
        with subprocess.Popen(
            argv, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=theirs, stdin=theirs, env=env
        ) as run:
            os.close(theirs)
            while run.poll() is None and not caught(run.pid) & 1 << signal.SIGTERM - 1:
                time.sleep(0.0005)
            time.sleep(0.5 * number / TRIES * chance.uniform(0.8, 1.2))
            run.send_signal(signal.SIGINT)
            shown = b""
            with contextlib.suppress(OSError):  # EIO: the other end is closed
                while chunk := os.read(ours, 1 << 16):
                    shown += chunk
        os.close(ours)
        assert run.returncode == INTERRUPTED
        assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h"), (number, shown)


def test_a_second_signal_does_not_interrupt_what_the_first_began(tmp_path: Path) -> None:
    work = f"""
        try:
            {KILL}
            time.sleep(5)
        finally:
            for _ in range(20):
                {KILL}
                time.sleep(0.001)
            print("put away")"""
    assert surprised(tmp_path, work) == (0, "put away\nSIGTERM True\n", "")


LOCKED = f"""
class Lock:
    def __init__(self, lock):
        self.lock, self.locked, self.release = lock, lock.locked, lock.release
    def acquire(self, *wait):
        taken = self.lock.acquire(*wait)
        {KILL}
        return taken
import subprocess
child = subprocess.Popen(["sleep", "60"])
own, child._waitpid_lock = child._waitpid_lock, Lock(child._waitpid_lock)"""


@pytest.mark.parametrize("call", ["child.poll()", "child.wait(timeout=60)"])
def test_a_signal_between_the_two_steps_of_poll_leaves_no_lock_taken(
    tmp_path: Path, call: str
) -> None:
    """Popen takes its lock and enters the `try` that frees it in two steps."""
    work = f"""
        try:
            {call}
            time.sleep(5)
        finally:
            with signals.deferred():
                child._waitpid_lock = own
                child.kill()
                print(own.locked(), child.wait(timeout=5), flush=True)"""
    assert surprised(tmp_path, work, LOCKED) == (0, "False -9\nSIGTERM True\n", "")


def test_a_signal_while_wait_waits_is_not_put_off(tmp_path: Path) -> None:
    """The lock is taken there too, and freed."""
    work = f"""
        try:
            threading.Timer(0.2, lambda: {KILL}).start()
            child.wait()
        finally:
            child.kill()
            print(child.wait(timeout=5), flush=True)"""
    setup = "import subprocess, threading\nchild = subprocess.Popen(['sleep', '60'])"
    assert surprised(tmp_path, work, setup) == (0, "-9\nSIGTERM True\n", "")


def test_a_signal_ends_what_still_hangs_long_after_the_first(tmp_path: Path) -> None:
    work = f"""
        with signals.deferred():
            {KILL}
            time.sleep(0.3)
            {KILL}
            time.sleep(5)"""
    code, out, err = surprised(tmp_path, work, "signals.PATIENCE = 0.2")
    assert (code, out, err) == (INTERRUPTED, "", "")


@pytest.mark.parametrize("ignored", ["TERM", "HUP INT TERM"])
def test_signals_that_the_parent_ignores_stay_ignored(
    commands: dict[str, list[str]], tmp_path: Path, ignored: str
) -> None:
    """Ignored from the first line to the last, and in the programs of a run."""
    numbers = [signal.Signals[f"SIG{name}"] for name in ignored.split()]
    shell = f"trap '' {ignored}; exec \"$@\""
    argv = [sys.executable, "-m", "mermapctl", *commands["run"], "--format=json"]
    with subprocess.Popen(
        ["sh", "-c", shell, "sh", *argv],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as ours:
        waiting = select.poll()
        assert ours.stdout is not None
        waiting.register(ours.stdout, select.POLLIN)
        while not ignores(ours.pid, numbers):
            time.sleep(0.001)
        while not waiting.poll(20):
            for number in numbers:
                ours.send_signal(number)
        out, _ = ours.communicate(timeout=20)
    assert ours.returncode == 0
    assert json.loads(out)["verdict"] == "passed"


def test_the_others_still_end_what_ignores_some(
    commands: dict[str, list[str]], tmp_path: Path
) -> None:
    shell = "trap '' HUP INT; exec \"$@\""
    argv = [sys.executable, "-m", "mermapctl", *commands["run"]]
    with subprocess.Popen(["sh", "-c", shell, "sh", *argv], cwd=tmp_path, stderr=-3) as ours:
        while not caught(ours.pid) & 1 << signal.SIGTERM - 1:
            time.sleep(0.001)
        ours.send_signal(signal.SIGTERM)
        assert ours.wait(timeout=20) == INTERRUPTED


def test_a_command_called_from_python_leaves_its_callers_handlers(
    commands: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = {name: signal.signal(name, lambda _signum, _frame: None) for name in NAMES}
    try:
        before = [signal.getsignal(name) for name in (*NAMES, signal.SIGALRM)]
        hook = sys.unraisablehook
        assert CliRunner().invoke(root, commands["run"]).exit_code == 0
        assert [signal.getsignal(name) for name in (*NAMES, signal.SIGALRM)] == before
        assert sys.unraisablehook is hook
    finally:
        for name, handler in mine.items():
            signal.signal(name, handler)


def test_handlers_that_are_not_pythons_do_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In an embedded Python getsignal() returns None, which signal() does not accept."""
    before = {number: signal.getsignal(number) for number in NAMES}
    try:
        with monkeypatch.context() as patched:
            patched.setattr(signal, "getsignal", lambda _number: None)
            with signals.ending_signals():
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_signal_after_the_last_cell_leaves_its_verdict(tmp_path: Path) -> None:
    """The record is complete; the exit code is still 130."""
    work = f"""
        with __import__('contextlib').suppress(signals.Interrupted), signals.deferred():
            {KILL}
        raise SystemExit(signals.received())"""
    code, out, err = surprised(tmp_path, work)
    assert (code, out, err) == (1, "", "")


def test_a_file_that_ends_too_early_is_no_interruption(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """click takes an EOFError for a prompt that the user did not answer."""

    def early(_context: object) -> None:
        raise EOFError("marshal data too short")

    monkeypatch.setattr(root, "invoke", early)
    monkeypatch.setattr(sys, "argv", ["mermapctl", "doctor"])
    assert __main__._run() == Exit.NO_VERDICT
    assert "EOFError: marshal data too short" in capsys.readouterr().err


GIT = """#!/bin/sh
case "$*" in *rev-parse*) touch {mark}; sleep 30;; esac
exec {git} "$@"
"""


def test_no_timer_outlives_an_interruption(
    fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitPython's limit is a thread that Python waits for before it ends."""
    mark, program = tmp_path / "asked", tmp_path / "bin/git"
    program.parent.mkdir()
    program.write_text(GIT.format(mark=mark, git=shutil.which("git")))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    words = ["run", f"--tree={fake_tree}", "--accel=tcg"]
    with subprocess.Popen(
        [sys.executable, "-m", "mermapctl", *words], stderr=subprocess.PIPE, text=True
    ) as run:
        while not mark.exists():
            assert run.poll() is None
            time.sleep(0.01)
        time.sleep(0.2)
        run.send_signal(signal.SIGINT)
        try:
            _, said = run.communicate(timeout=25)
        except subprocess.TimeoutExpired:
            run.kill()
            raise
    assert (run.returncode, "Traceback" in said) == (130, False)


def test_no_thread_of_ours_is_waited_for_at_the_end() -> None:
    package = Path(mermapctl.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword):
                assert node.arg != "kill_after_timeout", path
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) != "threading.Timer", path
            if isinstance(node, ast.ClassDef) and "threading.Thread" in map(
                ast.unparse, node.bases
            ):
                assert "daemon=True" in ast.unparse(node), path
