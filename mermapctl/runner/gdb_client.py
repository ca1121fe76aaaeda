# SPDX-License-Identifier: GPL-2.0-only
"""Talk to QEMU's gdb stub on a Unix socket: registers, memory, breakpoints, run and stop.

While the guest is stopped, QEMU takes several questions at once and answers them in order, which
saves two process switches per question. While the guest runs, QEMU takes any byte for a request to
stop, also an acknowledgement. It waits for no acknowledgement (gdb_read_byte() in its gdbstub.c
takes the next packet for one), so none is sent.
"""

from __future__ import annotations

import contextlib
import enum
import re
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from mermapctl.runner import gdb_packets, socket_place
from mermapctl.runner.gdb_packets import StopReply, StubError

ANSWER = 10.0
"""Seconds that an answer may take while the guest is stopped; a busy machine needs less than one.
"""
LOOK = 0.1
"""Seconds between two checks whether to end the wait for a stop."""
CHUNK = 1 << 16
LARGEST_READ = 1024
"""Bytes of guest memory read by one packet: QEMU's packets have 4096 characters."""
LONGEST_DESCRIPTION = 1 << 18
BLOCK, MOST_BLOCKS = 256, 6
"""The size of a block that is read ahead, in bytes, and the number of such blocks."""
Piece: TypeAlias = tuple[int, int]
"""An address and a number of bytes."""
_INTERRUPT = b"\x03"
_FEATURES = b"qSupported:xmlRegisters=i386;vContSupported+;hwbreak+;swbreak+"
_INCLUDED = re.compile(rb'<xi:include\s+href="([\w.-]{1,64})"')


class Access(enum.IntEnum):
    """An access that stops the guest, by its number in the packets `Z` and `z`."""

    EXECUTE = 1
    WRITE = 2
    READ = 3


class Breakpoint(NamedTuple):
    """Where the guest stops: before an instruction, or after one that writes or reads a word.

    QEMU does not write to the guest's code for it.
    """

    address: int
    access: Access = Access.EXECUTE

    @property
    def packet(self) -> bytes:
        """The breakpoint in a packet, without the packet's first letter."""
        size = 1 if self.access is Access.EXECUTE else 8
        return b"%d,%x,%x" % (self.access, self.address, size)


def _refused(answer: bytes) -> bool:
    """Return whether the answer is an error number: the memory is not mapped."""
    return answer[:1] == b"E" and len(answer) == len("E14")


def argument(path: Path) -> tuple[str, ...]:
    """Return QEMU's arguments to listen on a socket and to start with the guest stopped."""
    return ("-gdb", socket_place.server(path), "-S")


class ReadAhead:
    """Guest memory that was read since the guest stopped, and the blocks that were asked for."""

    def __init__(self) -> None:
        self._blocks: list[tuple[int, bytes]] = []
        self._pieces: dict[Piece, None] = {}

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The first few blocks in which small reads looked."""
        return tuple(self._pieces)[:MOST_BLOCKS]

    def keep(self, address: int, read: bytes) -> None:
        """Keep the bytes that were read at an address."""
        self._blocks.append((address, read))

    def find(self, address: int, size: int) -> bytes | None:
        """Return `size` bytes at an address if they were kept; note the blocks of a small read."""
        if size <= BLOCK:
            last = address + size - 1
            self._pieces |= {(each // BLOCK * BLOCK, BLOCK): None for each in (address, last)}
        for low, read in self._blocks:
            if low <= address and address + size <= low + len(read):
                return read[address - low : address - low + size]
        return None

    def clear(self) -> None:
        """Forget everything, because the guest runs again."""
        self._blocks.clear()
        self._pieces.clear()


class GdbClient:
    """A connection to the stub. Every method raises StubError; the guest is stopped at first."""

    def __init__(self, path: Path, wait: float, over: Callable[[], bool]) -> None:
        """Connect within `wait` seconds; `over` ends every wait once it returns true."""
        self._over = over
        self._deframer = gdb_packets.Deframer()
        self._packets: list[bytes] = []
        self._socket = self._connected(path, wait)
        self._due: list[bytes] = []  # breakpoints to be asked for with the next resumption
        self._asked: list[bytes] = []  # and those whose answers come before the next stop
        self._ahead = ReadAhead()
        self._description: dict[str, int] | None = None
        self.running = False

    def close(self) -> None:
        """Close the connection; the guest stays as it is."""
        self._socket.close()

    def begin(self) -> None:
        """Agree on the protocol. Raises StubError if the other side is no gdb stub."""
        supported = self.ask(_FEATURES)
        if b"PacketSize=" not in supported:
            raise StubError("what listens on the socket is no gdb stub of QEMU's")
        if gdb_packets.stop(self.ask(b"?")) is None:
            raise StubError("QEMU's gdb stub does not say whether the guest stands")

    def ask(self, question: bytes) -> bytes:
        """Return the answer to one question."""
        return self.ask_all([question])[0]

    def ask_all(self, questions: Sequence[bytes]) -> list[bytes]:
        """Send several questions at once; return their answers."""
        if not questions:
            return []
        if self.running:
            raise StubError("the guest runs: only a stop can be waited for")
        self._send(b"".join(map(gdb_packets.frame, questions)))
        until = time.monotonic() + ANSWER
        return [self._packet(until) for _ in questions]

    def set(self, stops: Iterable[Breakpoint], *, remove: Iterable[Breakpoint] = ()) -> None:
        """Set breakpoints and remove others; QEMU is told with the next `step` or `go_on`."""
        self._due += [b"z" + each.packet for each in remove]
        self._due += [b"Z" + each.packet for each in stops]

    def registers(self, ahead: Sequence[Piece] = ()) -> dict[str, int]:
        """Return the general registers of the CPU that stopped.

        Also read the pieces of memory `ahead`, and keep them for later reads until the guest runs
        again; leave out pieces that are not mapped.
        """
        memory = [b"m%x,%x" % piece for piece in ahead]
        registers, *answers = self.ask_all([b"g", *memory])
        for (address, size), answer in zip(ahead, answers, strict=True):
            if not _refused(answer):
                read = gdb_packets.hexed(answer, f"memory at {address:#x}", size)
                self._ahead.keep(address, read)
        return gdb_packets.general(registers)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The memory read since the guest stopped, worth reading ahead at the next such stop."""
        return self._ahead.pieces

    def control(self, name: str) -> int | None:
        """Return a register by its name in the target description (``cr3``); None: not in there."""
        if self._description is None:
            self._description = self._numbers()
        number = self._description.get(name)
        if number is None:
            return None
        return int.from_bytes(gdb_packets.hexed(self.ask(b"p%x" % number), name, 8), "little")

    def read(self, address: int, size: int) -> bytes:
        """Return guest memory at a kernel's virtual address, as the CPU that stopped maps it."""
        return self.read_all([(address, size)])[0]

    def read_all(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return pieces of guest memory, read at once. Raises StubError if one is not mapped."""
        read = self.try_read(ranges)
        for (address, _), each in zip(ranges, read, strict=True):
            if each is None:
                raise StubError(f"QEMU's gdb stub cannot read memory at {address:#x}")
        return [each for each in read if each is not None]

    def try_read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes | None]:
        """Return several pieces of guest memory, read at once; None for each that is not mapped."""
        pieces = [
            (number, address + at, min(LARGEST_READ, size - at))
            for number, (address, size) in enumerate(ranges)
            for at in range(0, size, LARGEST_READ)
        ]
        known = [self._ahead.find(address, size) for _, address, size in pieces]
        wanted = [piece for piece, here in zip(pieces, known, strict=True) if here is None]
        answers = iter(self.ask_all([b"m%x,%x" % (address, size) for _, address, size in wanted]))
        read: list[bytes | None] = [b"" for _ in ranges]
        for (number, address, size), here in zip(pieces, known, strict=True):
            before, found = read[number], here
            if found is None:
                answer = next(answers)
                what = f"memory at {address:#x}"
                found = None if _refused(answer) else gdb_packets.hexed(answer, what, size)
            read[number] = None if before is None or found is None else before + found
        return read

    def words(self, address: int, count: int = 1) -> tuple[int, ...]:
        """Return 64-bit words of guest memory."""
        return struct.unpack(f"<{count}Q", self.read(address, 8 * count))

    def step(self, thread: int) -> StopReply:
        """Execute one instruction on one vCPU while the others are stopped."""
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
        """Wait until the guest stops, at most `wait` seconds; None: until `over` ends the wait.

        Raises TimeoutError if the guest still runs after `wait` seconds.
        """
        self._confirmed()
        until = None if wait is None else time.monotonic() + wait
        while True:
            reply = gdb_packets.stop(self._packet(until, running=True))
            if reply is not None:
                self.running = False
                return reply

    def detach(self) -> None:
        """Remove all breakpoints and let the guest run; ignore an error."""
        with contextlib.suppress(MemoryError, StubError, TimeoutError, OSError):
            if self.running:
                self.interrupt()
            self.ask(b"D")

    def _resume(self, how: bytes) -> None:
        if self.running:
            raise StubError("the guest runs already")
        self._ahead.clear()
        self._asked, self._due = self._due, []
        self._send(b"".join(map(gdb_packets.frame, [*self._asked, how])))
        self.running = True

    def _confirmed(self) -> None:
        """Read the answers to the breakpoints that were sent when the guest last began to run."""
        asked, self._asked = self._asked, []
        until = time.monotonic() + ANSWER
        for question in asked:
            if self._packet(until) != b"OK":
                raise StubError(f"QEMU's gdb stub refuses a breakpoint ({question.decode()})")

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
