# SPDX-License-Identifier: GPL-2.0-only
"""Ask QEMU where the CPUs of a guest are; works without help from the kernel that hangs.

It needs no second CPU, no detector and no interrupts. QEMU's machine protocol gives the registers
and the stack of each CPU, and System.map gives the names. A return address on the stack may be left
from an earlier call; one that occurs in most samples together with the program counter is current.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mermapctl.runner import socket_place
from mermapctl.runner.system_map import SystemMap

SAMPLES = 16
APART = 0.03
"""Seconds between two samples; long enough that a timer interrupt is not in most of them."""
STACK_WORDS = 96
ANSWER = 5.0
_REGISTERS = re.compile(r"\bRIP=([0-9a-f]{16})\b.*?\bHLT=([01])", re.DOTALL)
_STACK = re.compile(r"\bRSP=([0-9a-f]{16})\b")
_CPU = re.compile(r"^CPU#(\d+)", re.MULTILINE)
_WORD = re.compile(r"0x([0-9a-f]{16})")
_IDLE = re.compile(r"(?:default_idle|pv_native_safe_halt|native_safe_halt|acpi_safe_halt)\b")


@dataclass(frozen=True, slots=True)
class Sample:
    """One CPU at one moment: the function that it runs, then its callers by its stack."""

    cpu: int
    frames: tuple[str, ...]


class Monitor:
    """QEMU's machine protocol (QMP) on a Unix socket. Raises OSError, ValueError."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(ANSWER)
            self._socket.connect(str(path))
            self._lines = self._socket.makefile("rb")
            self._lines.readline()  # the greeting
            self._execute({"execute": "qmp_capabilities"})
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        """Close the connection; the guest continues."""
        self._lines.close()
        self._socket.close()

    def ask(self, command: str, cpu: int = 0) -> str:
        """Return the answer of QEMU's human monitor to a command."""
        arguments = {"command-line": command, "cpu-index": cpu}
        return self._execute({"execute": "human-monitor-command", "arguments": arguments})

    def _execute(self, request: dict[str, object]) -> str:
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while line := self._lines.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise ValueError(answer["error"].get("desc", "an error of QEMU's monitor"))
            if "return" in answer:  # events come in between
                return str(answer["return"])
        raise ValueError("QEMU hung up")


def argument(path: Path) -> tuple[str, ...]:
    """Return QEMU's arguments to listen on a socket."""
    return ("-qmp", socket_place.server(path))


def samples(path: Path, known: SystemMap, times: int = SAMPLES) -> list[Sample]:
    """Sample every CPU that is not idle, `times` times. Return [] if QEMU does not answer."""
    found: list[Sample] = []
    with contextlib.suppress(OSError, ValueError), contextlib.closing(Monitor(path)) as monitor:
        for number in range(times):
            time.sleep(APART if number else 0.0)
            found += _look(monitor, known)
    return found


def _look(monitor: Monitor, known: SystemMap) -> Iterator[Sample]:
    said = monitor.ask("info registers -a")
    marks = [*_CPU.finditer(said)]
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        text = said[mark.start() : after.start() if after else None]
        registers, stack = _REGISTERS.search(text), _STACK.search(text)
        if registers is None or stack is None or registers[2] == "1":
            continue
        cpu = int(mark[1])
        name = known.place(int(registers[1], 16))
        if name is not None and _IDLE.match(name):
            continue
        frames = [name or "code that System.map does not know"]
        words = monitor.ask(f"x /{STACK_WORDS}gx 0x{stack[1]}", cpu)
        named = (known.place(int(word, 16)) for word in _WORD.findall(words))
        # The very start of a function is a pointer to it, and nothing returns there.
        frames += [frame for frame in named if frame and "+0x0/" not in frame]
        yield Sample(cpu, tuple(frames))
