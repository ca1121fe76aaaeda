# SPDX-License-Identifier: GPL-2.0-only
"""The console of a traced boot: out of a ring buffer in QEMU, whole, to its last byte."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mermapctl.runner import console_pump
from mermapctl.runner.console_pump import Backlog, Ring
from mermapctl.system.bounded import Gaps

QEMU = """
import base64, json, os, socket, sys
fd = int(next(a for a in sys.argv if a.startswith("socket,")).rpartition("=")[2])
monitor = socket.socket(fileno=fd)
say = lambda what: monitor.sendall(json.dumps(what).encode() + b"\\r\\n")
say({"QMP": {"version": {}}})
print("from QEMU itself", flush=True)
guest = [b"first line\\n", b"", b"second \\xff\\n"]
for line in monitor.makefile("rb"):
    asked = json.loads(line)["execute"]
    if asked == "quit":
        assert not guest
        break
    if asked == "ringbuf-read":
        if len(guest) == 1:
            say({"event": "SHUTDOWN", "data": {"guest": True}})
        text = guest.pop(0) if guest else b""
        say({"return": base64.b64encode(text).decode()})
    else:
        say({"return": {}})
sys.exit(3)
"""


def test_only_a_console_on_stdio_goes_through_the_ring() -> None:
    given = ["qemu", "-m", "1024", "-serial", "stdio", "-bios", "qboot.rom"]
    ringed = console_pump.in_ring(given, 7)
    assert ringed is not None
    assert ringed[:3] + ringed[-2:] == ["qemu", "-m", "1024", "-bios", "qboot.rom"]
    assert ringed[ringed.index("-serial") + 1] == "chardev:ring"
    assert "socket,id=reader,fd=7" in ringed
    assert "-no-shutdown" in ringed
    assert console_pump.in_ring(["qemu", "-serial", "mon:stdio"], 7) is None
    assert console_pump.in_ring([*given, "-serial", "stdio"], 7) is None


def test_all_arrives_and_qemu_ends_after_its_guest(tmp_path: Path) -> None:
    qemu = tmp_path / "qemu"
    qemu.write_text(f"#!{sys.executable} -IS{QEMU}")
    qemu.chmod(0o755)
    pump = [sys.executable, "-IS", console_pump.__file__, str(tmp_path / "ended"), "ring"]
    done = subprocess.run(
        [*pump, str(qemu), "-serial", "stdio"], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 3, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        b"first line", b"from QEMU itself", b"second \xff",
    ]  # fmt: skip
    assert (tmp_path / "ended").read_text() == "3"


def test_a_qemu_that_is_killed_between_two_questions_does_not_kill_its_reader(
    tmp_path: Path,
) -> None:
    qemu = tmp_path / "qemu"
    qemu.write_text(
        f"#!{sys.executable} -IS\nimport os, sys\n"
        'os.close(int(next(a for a in sys.argv if a.startswith("socket,")).rpartition("=")[2]))\n'
        "os.read(0, 1)\nos.kill(os.getpid(), 9)\n"
    )
    qemu.chmod(0o755)
    script = tmp_path / "slow_pump.py"
    # The reader asks once more after QEMU has closed its end, and before it has seen that.
    script.write_text(
        "import sys, time\n"
        f"sys.path.insert(0, {str(Path(console_pump.__file__).parents[2])!r})\n"
        "from mermapctl.runner import console_pump\n"
        "first = console_pump.Ring.__init__\n"
        "def late(ring, connection):\n"
        "    time.sleep(1)\n"
        "    first(ring, connection)\n"
        "console_pump.Ring.__init__ = late\n"
        "sys.exit(console_pump.main(*sys.argv[1:3], sys.argv[3:]))\n"
    )
    pump = [sys.executable, str(script), str(tmp_path / "ended"), "ring"]
    done = subprocess.run(
        [*pump, str(qemu), "-serial", "stdio"],
        input=b"x", capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 128 + 9, done.stderr
    assert (tmp_path / "ended").read_text() == "-9"


MESSAGE = "qemu-system-x86_64: terminating on signal 15 from pid 7 (kill)"


@pytest.mark.parametrize(
    ("guest", "itself", "noted"),
    [
        ("first line", MESSAGE, "3 15"),
        (MESSAGE, "from QEMU itself", "3"),
        (MESSAGE, "qemu-system-x86_64: warning", "3"),
        ("first line", MESSAGE.replace("qemu-system-x86_64", "other"), "3"),
        ("first line", MESSAGE.replace("15", "999"), "3"),
    ],
)
def test_only_qemu_itself_says_that_it_was_killed(
    tmp_path: Path, guest: str, itself: str, noted: str
) -> None:
    qemu = tmp_path / "qemu"
    program = QEMU.replace("first line", guest).replace("from QEMU itself", itself)
    qemu.write_text(f"#!{sys.executable} -IS{program}")
    qemu.chmod(0o755)
    pump = [sys.executable, "-IS", console_pump.__file__, str(tmp_path / "ended"), "ring"]
    done = subprocess.run(
        [*pump, str(qemu), "-serial", "stdio"], capture_output=True, timeout=60, check=False
    )
    assert {guest, itself} <= {*done.stdout.decode(errors="replace").splitlines()}
    assert (tmp_path / "ended").read_text() == noted


@pytest.fixture
def pair() -> Iterator[tuple[Ring, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        yield Ring(ours), theirs


def taken(ring: Ring) -> bytes:
    backlog = Backlog()
    ring.take(backlog)
    return bytes(backlog.first)


def asked(monitor: socket.socket) -> list[str]:
    return [json.loads(line)["execute"] for line in monitor.recv(1 << 16).splitlines()]


def answer(monitor: socket.socket, *said: dict[str, Any]) -> None:
    monitor.sendall(b"".join(json.dumps(each).encode() + b"\r\n" for each in said))


def console(text: bytes) -> dict[str, Any]:
    return {"return": base64.b64encode(text).decode()}


def test_the_last_lines_are_read_before_qemu_is_told_to_quit(
    pair: tuple[Ring, socket.socket],
) -> None:
    ring, monitor = pair
    assert asked(monitor) == ["qmp_capabilities"]
    ring.ask()  # not before the answer
    answer(monitor, {"QMP": {}}, {"return": {}})
    assert taken(ring) == b""
    ring.ask()
    assert asked(monitor) == ["ringbuf-read"]
    # An empty answer that was given before the guest ended says nothing about its last lines.
    answer(monitor, console(b""), {"event": "SHUTDOWN"})
    assert taken(ring) == b""
    ring.ask()
    assert asked(monitor) == ["ringbuf-read"]
    answer(monitor, console(b"ok 1 mermap\n"))
    assert taken(ring) == b"ok 1 mermap\n"
    ring._next = 0.0
    ring.ask()
    assert asked(monitor) == ["ringbuf-read"]
    answer(monitor, console(b""))
    assert taken(ring) == b""
    assert asked(monitor) == ["quit"]
    answer(monitor, {"return": {}})
    assert taken(ring) == b""
    ring._next = 0.0
    ring.ask()  # QEMU closes its end as soon as it has answered
    monitor.setblocking(False)  # noqa: FBT003
    with pytest.raises(BlockingIOError):
        monitor.recv(1)
    monitor.close()
    taken(ring)
    assert ring.gone


def test_an_answer_in_pieces_is_put_together(pair: tuple[Ring, socket.socket]) -> None:
    ring, monitor = pair
    whole = json.dumps(console(b"x" * 3000)).encode() + b"\n"
    monitor.sendall(b'{"return": {}}\n' + whole[:1000])
    assert taken(ring) == b""
    ring.ask()
    monitor.sendall(whole[1000:])
    assert taken(ring) == b"x" * 3000


LINES = b"".join(b"line %05d\n" % number for number in range(10_000))


def left_out(console: bytes) -> int:
    gaps = Gaps([console])
    assert b"".join(gaps) == console
    return gaps.left_out


def written(backlog: Backlog, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return all that a backlog writes."""
    made = bytearray()

    def write(_fd: int, data: bytes) -> int:
        made.extend(data)
        return len(data)

    with monkeypatch.context() as patch:
        patch.setattr("os.write", write)
        while backlog.first:
            backlog.write(100)
    return bytes(made)


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 5000, 50_000])
@pytest.mark.parametrize("reads", [0, 3])
def test_of_more_than_can_wait_the_gap_is_counted(
    size: int, reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_pump, "MOST", 8000)
    backlog = Backlog()
    made = b""
    for at in range(0, len(LINES), size):
        backlog.add(LINES[at : at + size])
        if reads and at // size % 400 == 0:
            with monkeypatch.context() as patch:
                patch.setattr("os.write", lambda _fd, data: len(data) // 2)
                before = bytes(backlog.first)
                backlog.write(8)
                made += before[: len(before[:8]) // 2]
    made += written(backlog, monkeypatch)
    assert made.startswith(LINES[:30])
    assert made.endswith(LINES[-1000:])
    pieces = [each for each in made.split(b"\n") if each and b"mermapctl" not in each]
    assert set(pieces) <= {*LINES.split(b"\n")} | {pieces[made[: made.index(b"\n**")].count(b"\n")]}
    kept = sum(len(each) + 1 for each in pieces)
    assert abs(left_out(made) - (len(LINES) - kept)) <= 2


def test_what_fits_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    backlog = Backlog()
    for at in range(0, len(LINES), 777):
        backlog.add(LINES[at : at + 777])
    assert written(backlog, monkeypatch) == LINES


@pytest.mark.parametrize(("full", "lost"), [(3, False), (4, True), (9, True)])
def test_a_ring_that_was_full_has_lost_its_oldest_lines(
    pair: tuple[Ring, socket.socket], monkeypatch: pytest.MonkeyPatch, full: int, lost: bool
) -> None:
    monkeypatch.setattr(console_pump, "CHUNK", 1000)
    monkeypatch.setattr(console_pump, "RING", 4000)
    ring, monitor = pair
    said = [LINES[at * 1000 : (at + 1) * 1000] for at in range(full)] + [b"ok 1 mermap\n"]
    made = b""
    answer(monitor, {"return": {}})
    made += taken(ring)
    backlog = Backlog()
    for part in said:
        monkeypatch.setattr(ring, "_next", 0.0)
        ring.ask()
        answer(monitor, console(part))
        for _ in range(9):
            if ring._asked:
                ring.take(backlog)
    made = written(backlog, monkeypatch)
    assert bool(left_out(made)) is lost
    assert made.endswith(b"".join(said[full:]) if lost else b"".join(said))
    if lost:  # the line that was cut is not read as another
        assert made.splitlines()[2] == LINES.splitlines()[1]


def test_a_pipe_that_was_full_has_lost_its_newest_lines(tmp_path: Path) -> None:
    qemu = tmp_path / "qemu"
    qemu.write_text(
        f"#!{sys.executable} -IS\nimport os, time\n"
        "os.set_blocking(1, False)\n"
        "time.sleep(0.5)\n"  # the pump looks, and is then stopped
        "os.kill(os.getppid(), 19)\n"
        "for number in range(10 ** 5):\n"
        "    try: os.write(1, b'not ok %07d\\n' % number)\n"
        "    except BlockingIOError: break\n"
        "os.kill(os.getppid(), 18)\n"
        "time.sleep(0.5)\n"
        "os.write(1, b' 5 torn\\nlast line\\n')\n"
    )
    qemu.chmod(0o755)
    pump = [sys.executable, "-IS", console_pump.__file__, str(tmp_path / "ended"), "pipe"]
    done = subprocess.run([*pump, str(qemu)], capture_output=True, timeout=60, check=False)
    *_, before, _, mark, last = done.stdout.splitlines()
    assert before.startswith(b"not ok")
    assert b"left out here" in mark
    assert last == b"last line"
    assert left_out(done.stdout) == 1
