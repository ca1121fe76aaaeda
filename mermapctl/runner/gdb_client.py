# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's gdb stub on a Unix socket: registers, memory, breakpoints, and the guest going on.

QEMU takes several questions at once while the guest stands, and answers them in order; that saves
a switch between the processes for each. While the guest runs it takes any byte for a request to
stop. Up to 7.2 at least it knows no mode without acknowledgements.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import time
from typing import TYPE_CHECKING

from mermapctl.runner import gdb_packets
from mermapctl.runner.gdb_packets import StopReply, StubError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ANSWER = 10.0
"""Seconds that an answer may take while the guest stands; a busy machine needs a part of one."""
LOOK = 0.1
"""Seconds between two looks at whether the wait for a stop was ended."""
CHUNK = 1 << 16
LARGEST_READ = 1024
"""Bytes of guest memory read by one packet: QEMU's are 4096 characters."""
LONGEST_DESCRIPTION = 1 << 18
_ERROR = len("E14")
_INTERRUPT = b"\x03"
_FEATURES = b"qSupported:xmlRegisters=i386;vContSupported+;hwbreak+;swbreak+"
_INCLUDED = re.compile(rb'<xi:include\s+href="([\w.-]{1,64})"')


def argument(path: Path) -> tuple[str, ...]:
    """What makes QEMU listen on a socket, and wait with the guest."""
    return ("-gdb", f"unix:{str(path).replace(',', ',,')},server=on,wait=off", "-S")


class GdbClient:
    """A connection to the stub. Every method raises StubError; the guest stands at first."""

    def __init__(self, path: Path, wait: float, over: Callable[[], bool]) -> None:
        """Connect within `wait` seconds; `over` ends every wait once it returns true."""
        self._over = over
        self._deframer = gdb_packets.Deframer()
        self._packets: list[bytes] = []
        self._socket = self._connected(path, wait)
        self._acknowledges = True
        self._description: dict[str, int] | None = None
        self.running = False

    def close(self) -> None:
        """Hang up. The guest stays as it is."""
        self._socket.close()

    def begin(self) -> None:
        """Agree on the protocol. Raises StubError where the other side is no gdb stub."""
        supported = self.ask(_FEATURES)
        if b"PacketSize=" not in supported:
            raise StubError("what listens on the socket is no gdb stub of QEMU's")
        if b"QStartNoAckMode+" in supported and self.ask(b"QStartNoAckMode") == b"OK":
            self._acknowledges = False
        if gdb_packets.stop(self.ask(b"?")) is None:
            raise StubError("QEMU's gdb stub does not say whether the guest stands")

    def ask(self, question: bytes) -> bytes:
        """The answer to one question."""
        return self.ask_all([question])[0]

    def ask_all(self, questions: Sequence[bytes]) -> list[bytes]:
        """The answers to several questions, sent at once."""
        if self.running:
            raise StubError("the guest runs: only a stop can be waited for")
        self._send(b"".join(map(gdb_packets.frame, questions)))
        until = time.monotonic() + ANSWER
        return [self._packet(until) for _ in questions]

    def set(self, breakpoints: Sequence[int], *, remove: Sequence[int] = ()) -> None:
        """Set hardware breakpoints, and take others out. Code is not written to."""
        questions = [b"z1,%x,1" % each for each in remove]
        questions += [b"Z1,%x,1" % each for each in breakpoints]
        for question, answer in zip(questions, self.ask_all(questions), strict=True):
            if answer != b"OK":
                raise StubError(f"QEMU's gdb stub refuses a breakpoint ({question.decode()})")

    def registers(self) -> dict[str, int]:
        """The general registers of the CPU that stopped."""
        return gdb_packets.general(self.ask(b"g"))

    def control(self, name: str) -> int | None:
        """A register that the target description names, such as ``cr3``; None where it does not."""
        if self._description is None:
            self._description = self._numbers()
        number = self._description.get(name)
        if number is None:
            return None
        return int.from_bytes(gdb_packets.hexed(self.ask(b"p%x" % number), name, 8), "little")

    def read(self, address: int, size: int) -> bytes:
        """Guest memory at a virtual address of the kernel's, as the CPU that stopped sees it."""
        return self.read_all([(address, size)])[0]

    def read_all(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Several pieces of guest memory, asked for at once; all of them must be mapped."""
        read = self.try_read(ranges)
        for (address, _), each in zip(ranges, read, strict=True):
            if each is None:
                raise StubError(f"QEMU's gdb stub cannot read memory at {address:#x}")
        return [each for each in read if each is not None]

    def try_read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes | None]:
        """The same, with None for each piece that is not mapped."""
        pieces = [
            (number, address + at, min(LARGEST_READ, size - at))
            for number, (address, size) in enumerate(ranges)
            for at in range(0, size, LARGEST_READ)
        ]
        answers = self.ask_all([b"m%x,%x" % (address, size) for _, address, size in pieces])
        read: list[bytes | None] = [b"" for _ in ranges]
        for (number, address, size), answer in zip(pieces, answers, strict=True):
            before = read[number]
            if before is None or (answer[:1] == b"E" and len(answer) == _ERROR):
                read[number] = None
            else:
                read[number] = before + gdb_packets.hexed(answer, f"memory at {address:#x}", size)
        return read

    def words(self, address: int, count: int = 1) -> tuple[int, ...]:
        """64-bit words of guest memory."""
        return struct.unpack(f"<{count}Q", self.read(address, 8 * count))

    def step(self, thread: int) -> StopReply:
        """Execute one instruction on one vCPU, while the others stand."""
        self._resume(b"vCont;s:%x" % thread)
        return self.stopped(ANSWER)

    def go_on(self) -> None:
        """Let the guest run."""
        self._resume(b"vCont;c")

    def interrupt(self) -> StopReply:
        """Stop the guest."""
        self._transmit(_INTERRUPT)
        return self.stopped(ANSWER)

    def stopped(self, wait: float | None = None) -> StopReply:
        """Wait for the guest to stop; `wait` in seconds, None until the wait is ended from outside.

        Raises TimeoutError where `wait` is over and the guest runs on.
        """
        until = None if wait is None else time.monotonic() + wait
        while True:
            reply = gdb_packets.stop(self._packet(until, running=True))
            if reply is not None:
                self.running = False
                return reply

    def detach(self) -> None:
        """Take all breakpoints out and let the guest run, without an error where that fails."""
        with contextlib.suppress(MemoryError, StubError, TimeoutError, OSError):
            if self.running:
                self.interrupt()
            self.ask(b"D")

    def _resume(self, how: bytes) -> None:
        if self.running:
            raise StubError("the guest runs already")
        self._send(gdb_packets.frame(how))
        self.running = True

    def _numbers(self) -> dict[str, int]:
        target = self._transferred(b"target.xml")
        included = [self._transferred(each) for each in _INCLUDED.findall(target)[:8]]
        return gdb_packets.numbers(b"".join([target, *included]))

    def _transferred(self, name: bytes) -> bytes:
        text = b""
        while True:
            answer = self.ask(b"qXfer:features:read:%b:%x,ff0" % (name, len(text)))
            if answer[:1] not in (b"m", b"l") or len(text) > LONGEST_DESCRIPTION:
                return b""
            text += answer[1:]
            if answer[:1] == b"l" or len(answer) == 1:
                return text

    def _connected(self, path: Path, wait: float) -> socket.socket:
        until = time.monotonic() + wait
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.settimeout(LOOK)
                connection.connect(str(path))
            except OSError as error:
                connection.close()
                if self._over() or time.monotonic() > until:
                    raise StubError(f"QEMU opens no gdb stub ({error.strerror or error})") from None
                time.sleep(0.01)
            else:
                return connection

    def _packet(self, until: float | None, *, running: bool = False) -> bytes:
        while not self._packets:
            if self._over():
                raise StubError("the boot was ended")
            if until is not None and time.monotonic() > until:
                if running:
                    raise TimeoutError
                raise StubError(f"QEMU's gdb stub does not answer within {ANSWER:g} s")
            received = self._received()
            if received:
                self._packets = self._deframer.feed(received)
                if self._packets and self._acknowledges:
                    with contextlib.suppress(StubError):  # QEMU hangs up behind its last word
                        self._transmit(b"+" * len(self._packets))
        return self._packets.pop(0)

    def _received(self) -> bytes:
        try:
            received = self._socket.recv(CHUNK)
        except TimeoutError:
            return b""
        except OSError as error:
            raise StubError(f"QEMU's gdb stub is gone: {error.strerror}") from None
        if not received:
            raise StubError("QEMU's gdb stub has hung up")
        return received

    def _send(self, framed: bytes) -> None:
        self._packets.clear()
        self._transmit(framed)

    def _transmit(self, data: bytes) -> None:
        try:
            self._socket.settimeout(ANSWER)
            self._socket.sendall(data)
            self._socket.settimeout(LOOK)
        except OSError as error:
            raise StubError(f"QEMU's gdb stub takes nothing: {error.strerror or error}") from None
