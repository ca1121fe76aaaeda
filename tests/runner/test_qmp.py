# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mermapctl.judge import hang_trials, suites
from mermapctl.runner import qmp, system_map
from mermapctl.runner.qmp import Sample
from mermapctl.runner.system_map import SystemMap

MAP = """\
0000000000000000 A fixed_percpu_data
0000000000001000 T below_the_kernel
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000000 t __pfx_first
ffffffff81000010 T first
ffffffff81000100 t __mermap_get
ffffffff81000400 T test_size
ffffffff81000500 W kunit_try_run_case
ffffffff81000600 T _etext
ffffffff82000000 D data
"""


@pytest.fixture
def known(tmp_path: Path) -> SystemMap:
    (tmp_path / "System.map").write_text(MAP)
    made = system_map.load(tmp_path / "System.map")
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (0xFFFFFFFF81000010, "first+0x0/0xf0"),
        (0xFFFFFFFF810000FF, "first+0xef/0xf0"),
        (0xFFFFFFFF81000104, "__mermap_get+0x4/0x300"),
        (0xFFFFFFFF810005FF, "kunit_try_run_case+0xff/0x100"),
        (0xFFFFFFFF81000600, None),
        (0xFFFFFFFF82000000, None),
        (0x1004, None),
        (0, None),
    ],
)
def test_an_address_is_named_as_the_kernel_names_it(
    known: SystemMap, address: int, name: str | None
) -> None:
    assert known.place(address) == name


@pytest.mark.parametrize("text", [None, "not hexadecimal at all\n"])
def test_without_a_system_map_there_are_no_symbols(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "System.map").write_text(text)
    assert system_map.load(tmp_path / "System.map") is None


def registers(cpu: int, rip: int, halted: int = 0) -> str:
    return (
        f"\r\nCPU#{cpu}\r\nRAX=0000000000000000 RBX=0000000000000000\r\n"
        f"RBP=ffffc90000000000 RSP=ffffc9000000be{cpu}0\r\n"
        f"RIP={rip:016x} RFL=00000287 [--S--PC] CPL=0 II=0 A20=1 SMM=0 HLT={halted}\r\n"
    )


STACK = (
    "ffffc9000000beb0: 0x0000000000000042 0xffffffff81000444\r\n"
    "ffffc9000000bec0: 0xffffffff81000400 0xffffffff81000510\r\n"
)


@contextmanager
def machine(path: Path, answer: Callable[[str, int], str | None]) -> Iterator[list[str]]:
    """Serve QMP like QEMU 7.2; an answer None is an error. Yield the commands that arrive."""
    asked: list[str] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rwb", buffering=0) as lines:
                lines.write(b'{"QMP": {"version": {}, "capabilities": ["oob"]}}\r\n')
                for line in lines:
                    request = json.loads(line)
                    if request["execute"] == "qmp_capabilities":
                        lines.write(b'{"return": {}}\r\n')
                        continue
                    command = request["arguments"]["command-line"]
                    asked.append(command)
                    said = answer(command, request["arguments"]["cpu-index"])
                    event = b'{"timestamp": {}, "event": "RTC_CHANGE"}\r\n'
                    made = {"error": {"desc": "no"}} if said is None else {"return": said}
                    lines.write(event + json.dumps(made).encode() + b"\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield asked
        thread.join(timeout=5)
        assert not thread.is_alive()


def test_a_busy_cpu_is_seen_with_its_callers(tmp_path: Path, known: SystemMap) -> None:
    def answer(command: str, cpu: int) -> str:
        if command.startswith("info"):
            return registers(0, 0xFFFFFFFF81000020, halted=1) + registers(1, 0xFFFFFFFF81000104)
        assert cpu == 1
        return STACK

    with machine(tmp_path / "qmp", answer) as asked:
        found = qmp.samples(tmp_path / "qmp", known, times=2)
    frames = (
        "__mermap_get+0x4/0x300",
        "test_size+0x44/0x100",
        "kunit_try_run_case+0x10/0x100",
    )
    assert found == [Sample(1, frames)] * 2
    assert asked == ["info registers -a", f"x /{qmp.STACK_WORDS}gx 0xffffc9000000be10"] * 2


@pytest.mark.parametrize(
    "answer",
    [lambda *_: None, lambda *_: "", lambda *_: "CPU#0\r\nPC=00000000\r\n"],
    ids=["error", "nothing", "another-machine"],
)
def test_a_machine_that_does_not_answer_is_no_sample(
    tmp_path: Path, known: SystemMap, answer: Callable[[str, int], str | None]
) -> None:
    with machine(tmp_path / "qmp", answer):
        assert qmp.samples(tmp_path / "qmp", known, times=1) == []


def test_no_machine_is_no_sample(tmp_path: Path, known: SystemMap) -> None:
    assert qmp.samples(tmp_path / "qmp", known) == []


OWN = Sample(0, ("read_tsc+0x1/0x9", "__mermap_get+0x4/0x300", "test_size+0x44/0x100"))
DIRECT = Sample(0, ("__mermap_get+0x8/0x300", "test_size+0x44/0x100"))
TIMER = Sample(0, ("tick_handler+0x1/0x9",))
CALLED = Sample(0, ("loop+0x1/0x9", "kunit_try_run_case+0x10/0x100"))


@pytest.mark.parametrize(
    ("seen", "suite", "function", "said"),
    [
        ([OWN, DIRECT, DIRECT, TIMER], "mermap", "__mermap_get+0x4/0x300", "3 of 4 samples"),
        ([CALLED, CALLED], "mermap", "loop+0x1/0x9", "2 of 2 samples"),
        ([OWN], "example", "read_tsc+0x1/0x9", "1 of 1 samples"),
        ([TIMER, CALLED, OWN], "mermap", None, None),
        ([], "mermap", None, None),
    ],
)
def test_the_function_in_most_samples_is_the_one(
    seen: list[Sample], suite: str, function: str | None, said: str | None
) -> None:
    found, share = hang_trials.sampled(seen, suite, suites.load())
    assert found == function
    assert (share or "").startswith(said or "") is True
    assert (share is None) is (said is None)
