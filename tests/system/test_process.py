# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import git
import pytest

from mermapctl.errors import HarnessError, UserError
from mermapctl.system import child_guard, proc, process, program, signals
from mermapctl.system.process import Ending, Watch
from mermapctl.system.signals import Interrupted
from mermapctl.tree import build_dir, state

STUBBORN = """
import signal, time
signal.signal(15, signal.SIG_IGN)
print('x', flush=True)
time.sleep(60)
"""


def supervise(tmp_path: Path, script: str, watch: Watch) -> process.SessionEnd:
    return process.supervise(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=dict(os.environ),
        stdout=tmp_path / "out",
        stderr=tmp_path / "err",
        watch=watch,
    )


def session_of(script: Path) -> list[int]:
    """Return living processes whose command line names `script`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if os.fsencode(script) in line and state != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize(
    ("script", "watch", "ending", "code"),
    [
        ("print('x')", Watch(), Ending.EXITED, 0),
        ("raise SystemExit(7)", Watch(), Ending.EXITED, 7),
        ("import time; time.sleep(60)", Watch(limit=0.3), Ending.LIMIT, -signal.SIGTERM),
        (
            "import time\nprint('x', flush=True)\ntime.sleep(60)",
            Watch(limit=30, silence=0.3),
            Ending.SILENCE,
            -signal.SIGTERM,
        ),
        (
            STUBBORN,
            Watch(output=lambda chunk: "saw x" if b"x" in chunk else None),
            Ending.STOPPED,
            -signal.SIGKILL,
        ),
    ],
)
def test_ends_of_programs(
    tmp_path: Path, script: str, watch: Watch, ending: Ending, code: int
) -> None:
    outcome = supervise(tmp_path, script, watch)
    assert (outcome.ending, outcome.returncode) == (ending, code)
    assert outcome.seconds < 30


def test_output_is_teed_as_it_comes_and_kept_whole(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def look(chunk: bytes) -> None:
        seen.append(chunk)
        assert (tmp_path / "out").read_bytes() == b"".join(seen)

    script = (
        "import sys,time\nfor i in range(5):\n print(i, flush=True); time.sleep(0.05)\n"
        "print('e', file=sys.stderr)\nsys.stdout.buffer.write(b'\\xff\\0' * 200000)"
    )
    outcome = supervise(tmp_path, script, Watch(output=look))
    assert outcome.ending is Ending.EXITED
    assert (tmp_path / "out").read_bytes() == b"0\n1\n2\n3\n4\n" + b"\xff\0" * 200000
    assert (tmp_path / "err").read_bytes() == b"e\n"


def test_the_last_words_of_a_program_that_has_ended_are_seen_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    seen: list[bytes] = []
    script = f"open({str(tmp_path / 'go')!r}).close()\nprint('last words', flush=True)"

    def let_it_end(_elapsed: float, _silent: float) -> None:
        if not seen and (tmp_path / "go").exists():
            (tmp_path / "go").open("w").close()  # waits until the program has it open
            (tmp_path / "go").unlink()
            time.sleep(0.5)  # it prints and ends between two reads of its output

    outcome = supervise(tmp_path, script, Watch(output=seen.append, tick=let_it_end))
    assert outcome.ending is Ending.EXITED
    assert b"".join(seen) == b"last words\n"


def test_grandchildren_that_ignore_term_die_with_the_session(tmp_path: Path) -> None:
    marker = tmp_path / "grandchild.py"
    marker.write_text("import signal,time\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(600)\n")
    script = (
        f"import subprocess,sys,time\nsubprocess.Popen([sys.executable, {str(marker)!r}])\n"
        "time.sleep(0.4)\nprint('up', flush=True)\ntime.sleep(600)"
    )
    began = time.monotonic()
    outcome = supervise(tmp_path, script, Watch(output=lambda _chunk: "seen"))
    assert outcome.ending is Ending.STOPPED
    assert session_of(marker) == []
    assert time.monotonic() - began < 30


def test_a_child_that_leaves_a_grandchild_behind_does_not_hold_us(tmp_path: Path) -> None:
    marker = tmp_path / "orphan.py"
    marker.write_text("import time\ntime.sleep(600)\n")
    script = f"import subprocess,sys\nsubprocess.Popen([sys.executable, {str(marker)!r}])"
    outcome = supervise(tmp_path, script, Watch())
    assert outcome.ending is Ending.EXITED
    assert outcome.seconds < 30
    assert session_of(marker) == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ending_signals_end_the_session_within_five_seconds(
    tmp_path: Path, signum: signal.Signals
) -> None:
    marker = tmp_path / "child.py"
    marker.write_text("import time\ntime.sleep(600)\n")
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signum))
    began = time.monotonic()
    with signals.ending_signals():
        timer.start()
        with pytest.raises(Interrupted) as caught:
            process.supervise(
                [sys.executable, str(marker)],
                cwd=tmp_path,
                env=dict(os.environ),
                stdout=tmp_path / "out",
                stderr=tmp_path / "err",
                watch=Watch(),
            )
    assert caught.value.signum == signum
    assert session_of(marker) == []
    assert time.monotonic() - began < 30


def test_a_deferred_signal_is_raised_once_the_block_is_left() -> None:
    reached = []

    def work() -> None:
        with signals.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            reached.append("the end of the block")

    with signals.ending_signals(), pytest.raises(Interrupted):
        work()
    assert reached


def test_a_deferred_signal_is_raised_where_the_long_work_begins() -> None:
    with signals.ending_signals(), signals.deferred():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted), signals.interruptible():
            pytest.fail("the pending signal was lost")


def test_killed_without_a_chance_we_take_the_session_with_us(tmp_path: Path) -> None:
    marker = tmp_path / "child.py"
    marker.write_text("import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom mermapctl.system import process\n"
        f"here = Path({str(tmp_path)!r})\n"
        f"process.supervise([sys.executable, {str(marker)!r}], cwd=here, env=dict(os.environ), "
        "stdout=here / 'out', stderr=here / 'err', watch=process.Watch())"
    )
    ours = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while not (tmp_path / "out").exists() or not (tmp_path / "out").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ours.kill()
    ours.wait()
    while session_of(marker):
        assert time.monotonic() < deadline, "the child outlived a kill -9 of its parent"
        time.sleep(0.05)


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(HarnessError, match="no-such-program") as caught:
        process.run(["no-such-program"])
    assert "doctor" in (caught.value.hint or "")


def test_a_short_command_that_takes_too_long_is_ended() -> None:
    with pytest.raises(HarnessError, match="did not end within"):
        process.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)


def test_output_of_a_short_command_survives_bad_bytes() -> None:
    done = process.run([sys.executable, "-c", "import os; os.write(1, b'a\\xffb')"])
    assert (done.returncode, done.stdout) == (0, "a\\xffb")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_full_disk_is_reported_with_the_file(tmp_path: Path, stream: str) -> None:
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(HarnessError, match=f"cannot write {full}: No space left") as caught:
        process.supervise(
            [sys.executable, "-c", f"import sys; print('x' * 100, file=sys.{stream})"],
            cwd=tmp_path,
            env=dict(os.environ),
            stdout=full if stream == "stdout" else tmp_path / "out",
            stderr=full if stream == "stderr" else tmp_path / "err",
            watch=Watch(),
        )
    assert "MERMAPCTL_HOME" in (caught.value.hint or "")


def test_time_in_which_we_were_stopped_is_not_the_guests(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from mermapctl.system import process\n"
        "out = Path(sys.argv[1])\n"
        "print('begun', flush=True)\n"
        "done = process.supervise(['sleep', '4'], cwd=out, env={}, stdout=out / 'o',\n"
        "    stderr=out / 'e', watch=process.Watch(limit=3, silence=3))\n"
        "print(done.ending, done.seconds < 3)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True
    ) as ours:
        assert ours.stdout is not None
        assert ours.stdout.readline() == "begun\n"
        time.sleep(0.5)
        ours.send_signal(signal.SIGSTOP)
        time.sleep(3.2)
        ours.send_signal(signal.SIGCONT)
        assert ours.stdout.read() == "exited True\n"


def test_a_kill_of_mermapctl_ends_the_whole_session(tmp_path: Path) -> None:
    """Also the makes that make starts: they would go on in an unlocked build directory."""
    # Three generations; one has a name that is hard to parse, and ignores all signals it can.
    inner = 'trap "" TERM HUP INT; sleep 300 & sleep 300; :'
    outer = f"sh -c '{inner}' & cp /bin/sleep '{tmp_path}/a) S 1 (b'; '{tmp_path}/a) S 1 (b' 300; :"
    script = (
        "import sys; from pathlib import Path; from mermapctl.system import process\n"
        "out = Path(sys.argv[1])\n"
        "process.supervise(['sh', '-c', sys.argv[2]], cwd=out, env={'PATH': '/usr/bin:/bin'},\n"
        "    stdout=out / 'o', stderr=out / 'e', watch=process.Watch())"
    )

    def living() -> list[str]:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if (entry / "cwd").readlink() == tmp_path and state != "Z":
                    found.append((entry / "cmdline").read_text())
            except OSError:
                continue
        return found

    with subprocess.Popen([sys.executable, "-c", script, tmp_path, outer]) as ours:
        deadline = time.monotonic() + 60
        while sum("300" in each for each in living()) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        ours.kill()
    deadline = time.monotonic() + 60
    while living():
        assert time.monotonic() < deadline, living()
        time.sleep(0.05)


LOCKED = """
import os, sys, time
from pathlib import Path
from mermapctl.system import process; from mermapctl.tree import build_dir as builddir
here, argv = Path(sys.argv[1]), sys.argv[2:]
with builddir.locked(here / 'build', 'us', wait=False, waiting=print):
    process.supervise(argv, cwd=here, env=dict(os.environ), stdout=here / 'o', stderr=here / 'e',
                      watch=process.Watch(tick=lambda *_: print('up', flush=True)))
"""


def test_a_build_directory_is_locked_until_the_last_writer_has_ended(
    tmp_path: Path, marker: str
) -> None:
    one = f"setsid sh -c 'sleep 300; : {marker}'"
    argv = ["sh", "-c", f"for i in $(seq 40); do {one} & done; echo up; sleep 300; :"]
    with subprocess.Popen(
        [sys.executable, "-c", LOCKED, tmp_path, *argv], stdout=subprocess.PIPE
    ) as ours:
        deadline = time.monotonic() + 60
        while not (tmp_path / "o").exists() or not (tmp_path / "o").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        ours.kill()
        while True:
            with contextlib.suppress(UserError):
                with build_dir.locked(tmp_path / "build", "we", wait=False, waiting=print):
                    left = [pid for pid in session_of(Path(marker)) if pid != ours.pid]
                break
            assert time.monotonic() < deadline
    assert left == []


SLEEP = "import time; time.sleep(300)"
DAEMON = f"""
import os, signal, sys, time
SLEEP = {SLEEP!r}
marker, stay, ignored = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
for name in ignored:
    signal.signal(getattr(signal, name), signal.SIG_IGN)
ready, go = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir('/')
        os.write(go, b'x')
        os.closerange(0, 100)
        os.execve(sys.executable, [sys.executable, '-c', SLEEP, marker], dict())
    os._exit(0)
os.read(ready, 1)
print('up', flush=True)
time.sleep(stay)
"""
"""Write a program that leaves a daemon: own session, no directory, pipe or environment of ours."""


def daemon(marker: str, stay: float, *ignored: str) -> list[str]:
    return [sys.executable, "-c", DAEMON, marker, str(stay), *ignored]


def gone(marker: str, within: float = 0.0) -> bool:
    """Return whether the daemon ends soon."""
    until = time.monotonic() + within
    while found := [pid for pid in session_of(Path(marker)) if pid != os.getpid()]:
        if time.monotonic() > until:
            for pid in found:
                os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def marker(tmp_path: Path) -> str:
    return f"daemon-{os.getpid()}-{tmp_path.name}"


@pytest.mark.parametrize("ignored", [(), ("SIGTERM", "SIGHUP", "SIGINT")])
@pytest.mark.parametrize("stay", [0, 60])
def test_a_daemon_ends_with_the_program_that_is_supervised(
    tmp_path: Path, marker: str, stay: float, ignored: tuple[str, ...]
) -> None:
    began = time.monotonic()
    outcome = process.supervise(
        daemon(marker, stay, *ignored),
        cwd=tmp_path,
        env=dict(os.environ),
        stdout=tmp_path / "out",
        stderr=tmp_path / "err",
        watch=Watch(output=lambda _chunk: "up" if stay else None),
    )
    assert gone(marker)
    assert outcome.ending is (Ending.STOPPED if stay else Ending.EXITED)
    assert time.monotonic() - began < 30


def test_a_daemon_ends_with_a_short_command(marker: str) -> None:
    done = process.run(daemon(marker, 0))
    assert (done.returncode, done.stdout) == (0, "up\n")
    assert gone(marker)


def test_a_daemon_ends_with_a_command_that_takes_too_long(marker: str) -> None:
    with pytest.raises(HarnessError, match="did not end within"):
        process.run(daemon(marker, 60), timeout=1)
    assert gone(marker)


def test_a_daemon_ends_with_a_command_that_is_fed(tmp_path: Path, marker: str) -> None:
    with process.feeding(daemon(marker, 0), tmp_path, dict(os.environ)) as stdin:
        stdin.write(b"x")
    assert gone(marker)


STARTING = """
import os, sys, time
from pathlib import Path
from mermapctl.system import process, signals
argv, here, how = sys.argv[2:], Path(sys.argv[1]), os.environ['HOW']
env = dict(os.environ)
with signals.ending_signals():
    print('begun', flush=True)
    if how == 'run':
        process.run(argv)
    elif how == 'feeding':
        with process.feeding(argv, here, env) as stdin:
            time.sleep(60)
    else:
        process.supervise(argv, cwd=here, env=env, stdout=here / 'o', stderr=here / 'e',
                          watch=process.Watch())
"""


def ended_by(
    number: signal.Signals, how: str, after: float, argv: list[str], here: Path
) -> tuple[int, str]:
    """Run a process that starts `argv`; signal it `after` seconds; return its code and stderr."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTING, here, *argv],
        env={**os.environ, "HOW": how},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as ours:
        assert ours.stdout is not None
        assert ours.stdout.readline() == "begun\n"
        time.sleep(after)
        ours.send_signal(number)
        _, err = ours.communicate(timeout=20)
    return ours.returncode, err


@pytest.mark.parametrize("how", ["run", "feeding", "supervise"])
def test_a_daemon_ends_with_us_whatever_kills_us(tmp_path: Path, marker: str, how: str) -> None:
    argv = daemon(marker, 60, "SIGTERM", "SIGINT", "SIGHUP")
    ended_by(signal.SIGKILL, how, 1.0, argv, tmp_path)
    assert gone(marker, within=3)


@pytest.mark.parametrize("how", ["run", "feeding", "supervise"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_program_just_started(
    tmp_path: Path, marker: str, how: str, number: signal.Signals
) -> None:
    argv = ["tail", "-f", os.devnull, marker]  # a Python process would start too slowly
    for after in range(0, 40, 4):
        _, err = ended_by(number, how, after / 1000, argv, tmp_path)
        assert "Interrupted: SIGINT" in err or number is signal.SIGKILL, err
        assert gone(marker, within=3 if number is signal.SIGKILL else 0), after


def test_a_guard_that_is_killed_leaves_nothing_of_its_session(tmp_path: Path, marker: str) -> None:
    child = ["sh", "-c", f"trap '' TERM; echo up; sleep 300; : {marker}"]

    def kill(_chunk: bytes) -> str:
        (ours,) = (each for each in proc.family(os.getpid()) if each.name == "mermapctl-guard")
        os.kill(ours.pid, signal.SIGKILL)
        return "killed"

    watch = Watch(output=kill)
    process.supervise(
        child,
        cwd=tmp_path,
        env=dict(os.environ),
        stdout=tmp_path / "o",
        stderr=tmp_path / "e",
        watch=watch,
    )
    assert gone(marker)


DEAF = """
import os
from mermapctl.system import child_guard, proc
child_guard.KILLING = child_guard.GRACE = 0.3
child_guard._Guard._signal = lambda _self, _number: proc.family(os.getpid())
guard_server"""
"""Python of the server of guards whose signals end no process."""


def test_a_process_that_ignores_all_signals_is_named_and_left(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], marker: str
) -> None:
    """Read the state of a process as D: it waits for a broken disk."""
    program._server.stop()
    monkeypatch.setattr(program, "_SERVE", program._SERVE.replace("\nguard_server", DEAF))
    try:
        began = time.monotonic()
        with pytest.raises(HarnessError, match="did not end within"):
            process.run([sys.executable, "-c", SLEEP, marker], timeout=0.5)
        assert time.monotonic() - began < 30
    finally:
        program._server.stop()
    told = r"mermapctl: cannot end process \d+ \(python.*, state \w\); it is left to itself\n"
    assert re.fullmatch(told, capfd.readouterr().err)
    # The kernel ends it with its guard as soon as possible.
    assert gone(marker, within=3)


def server() -> int:
    """Return the id of the process that forks guards."""
    process.run(["true"])
    (ours,) = (each for each in proc.family(os.getpid()) if each.name == "mermapctl-forks")
    return ours.pid


def test_a_server_of_guards_that_is_killed_is_started_again() -> None:
    first = server()
    os.kill(first, signal.SIGKILL)
    assert process.run(["echo", "on"]).stdout == "on\n"
    assert server() != first


def test_a_program_goes_on_and_ends_where_the_server_of_guards_is_killed(
    tmp_path: Path, marker: str
) -> None:
    def kill(_chunk: bytes) -> None:
        os.kill(server(), signal.SIGKILL)

    end = process.supervise(
        ["sh", "-c", f"echo up; sleep 0.5; exit 3; : {marker}"],
        cwd=tmp_path,
        env=dict(os.environ),
        stdout=tmp_path / "o",
        stderr=tmp_path / "e",
        watch=Watch(output=kill),
    )
    assert (end.ending, end.returncode) == (Ending.EXITED, 3)
    assert gone(marker)


def test_a_server_of_guards_that_is_killed_at_once_starts_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program._server.stop()
    monkeypatch.setattr(program, "_SERVE", "{!r}; {}; import time; time.sleep(0.2)")
    try:
        with pytest.raises(HarnessError, match="cannot start true: the process that starts it"):
            process.run(["true"])
    finally:
        program._server.stop()


def test_a_program_is_started_where_our_python_was_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program._server.stop()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert process.run(["echo", "on"]).stdout == "on\n"


def test_a_program_that_ends_as_we_ask_it_to_has_its_own_exit_code() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made = program.Program(os.getpid(), ours, None, None, None)
    with ours:
        with theirs:
            theirs.send(child_guard.DONE + b" 7 0.001 ")
            made.ask()
        assert made.wait(5)
    assert (made.returncode, made.orphaned) == (7, False)


def test_a_fork_of_ours_has_a_server_of_its_own() -> None:
    ours = server()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if server() != ours and process.run(["true"]).returncode == 0 else 2
            program._server.stop()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert server() == ours


def test_who_waits_for_us_has_the_time_of_all_programs() -> None:
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    script = f"""
import sys
from mermapctl.system import process, program
process.run([sys.executable, "-c", {busy!r}])
print(program.processor_seconds())
"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert 0.5 <= float(done.stdout) < 30
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used >= 0.5


def test_what_cannot_be_started_is_named_with_the_reason(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    with pytest.raises(HarnessError, match=r"cannot start .*plain: Permission denied"):
        process.run([str(plain)])
    with pytest.raises(HarnessError, match=r"cannot start true: .*nowhere does not exist"):
        process.run(["true"], cwd=tmp_path / "nowhere")
    with pytest.raises(HarnessError, match=r"cannot start true: Not a directory"):
        process.run(["true"], cwd=plain)
    with pytest.raises(ValueError, match="null byte"):
        process.run(["true", "\0"])


def test_an_environment_of_a_megabyte_is_given_whole() -> None:
    env = {f"V{number}": "x" * 100_000 for number in range(10)}
    done = process.run(["sh", "-c", "echo ${#V0} ${#V9}"], env={**env, "PATH": os.environ["PATH"]})
    assert done.stdout == "100000 100000\n"


class Unending(subprocess.Popen[bytes]):
    """A process that waits for a broken disk."""

    def send_signal(self, sig: int) -> None:
        """No signal ends it."""


def test_a_process_without_a_guard_is_ended_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_guard, "KILLING", 0.1)
    monkeypatch.setattr(child_guard, "GRACE", 0.1)
    with subprocess.Popen(["sh", "-c", "trap '' TERM; echo; exec sleep 60"], stdout=-1) as deaf:
        assert deaf.stdout is not None
        deaf.stdout.readline()
        assert process.put_down(deaf)
        assert deaf.returncode == -signal.SIGKILL
    with Unending(["sleep", "60"]) as stuck:
        began = time.monotonic()
        assert not process.put_down(stuck)
        assert time.monotonic() - began < 2
        os.kill(stuck.pid, signal.SIGKILL)


def test_a_git_that_does_not_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """GitPython's destructor waits for it without a limit."""
    monkeypatch.setattr(child_guard, "KILLING", 0.1)
    monkeypatch.setattr(child_guard, "GRACE", 0.1)
    with Unending(["sleep", "60"]) as stuck:
        asked = git.Git.AutoInterrupt(stuck, [])
        with contextlib.closing(state.Looking(Path(), changed=asked)):
            pass
        del asked
        assert stuck.poll() is None
        os.kill(stuck.pid, signal.SIGKILL)


def test_a_program_has_nothing_of_ours(tmp_path: Path) -> None:
    """A guard has only its own files, no handler, and its own group: `kill 0` does not reach it."""
    with (tmp_path / "lock").open("w"):
        done = process.run(["sh", "-c", "ls -l /proc/self/fd; trap '' TERM; kill -TERM 0; echo on"])
    assert "lock" not in done.stdout
    assert "socket" not in done.stdout
    assert done.stdout.endswith("on\n")
    assert done.returncode == 0


def test_a_child_obeys_term_where_mermapctl_ignores_it() -> None:
    """A supervisor may start mermapctl like this; a guard ends a program with TERM."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        done = process.run(["sh", "-c", "kill -TERM $$; echo on"])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGSEGV, signal.SIGINT, signal.SIGKILL])
def test_a_program_that_a_signal_ends_is_known_by_it(number: signal.Signals) -> None:
    assert process.run(["sh", "-c", f"kill -{number.value} $$"]).returncode == -number
