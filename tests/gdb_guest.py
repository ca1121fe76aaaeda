# SPDX-License-Identifier: GPL-2.0-only
"""Stand in for QEMU's gdb stub: the memory, registers and stops of a guest.

The model mermap records a `Script`, and `Stub` plays it: it goes from one stop to the next one with
a breakpoint, and applies the writes to memory on its way.
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

PAGE = 4096
DIRECT = 0xFFFF888000000000
VMEMMAP = 0xFFFFEA0000000000
ORDER = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12",
         "r13", "r14", "r15", "rip")  # fmt: skip
GS, CR4, EFER = 25, 30, 32
TARGET_XML = (
    b'<target><architecture>i386:x86-64</architecture><xi:include href="i386-64bit.xml"/></target>'
)
REGISTERS_XML = b"".join(
    [
        *(b'<reg name="%b" bitsize="64"/>' % name.encode() for name in ORDER),
        *(b'<reg name="r%d" bitsize="32"/>' % n for n in range(17, 24)),
        b'<!-- <reg name="ss_base" bitsize="64"/> -->',
        *(b'<reg name="%b" bitsize="64"/>' % name for name in
          (b"fs_base", b"gs_base", b"k_gs_base", b"cr0", b"cr2", b"cr3", b"cr4", b"cr8", b"efer")),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Stop:
    """The guest is about to execute `pc` on a CPU; `writes` (address: word) came before it."""

    pc: int
    cpu: int
    registers: dict[str, int]
    writes: dict[int, int] = field(default_factory=dict)


@dataclass
class Script:
    """The memory of a guest at its start, word by word, and its stops."""

    memory: dict[int, int] = field(default_factory=dict)
    stops: list[Stop] = field(default_factory=list)
    symbols: dict[str, int] = field(default_factory=dict)
    cr4: int = 0
    efer: int = 1 << 11
    gs: dict[int, int] = field(default_factory=dict)  # of each CPU

    def system_map(self) -> str:
        lines = sorted((address, name) for name, address in self.symbols.items())
        return "".join(f"{address:016x} T {name}\n" for address, name in lines)


class Stub(threading.Thread):
    """Play a script on a socket. From its `after`-th packet on it misbehaves as `fault` says."""

    def __init__(self, path: Path, script: Script, fault: str = "", after: int = 0) -> None:
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.script = script
        self.fault = fault
        self.after = after
        self.memory = dict(script.memory)
        self.pages = {address // PAGE for address in self.memory}
        self.breakpoints: set[int] = set()
        self.watches: dict[str, set[int]] = {"2": set(), "3": set()}  # written, read
        self.stopped_by = {"breakpoint": 0, "watch": 0}
        self.at = -1
        self.stepped = 0
        self.packets = 0
        self.detached = False
        self.steps = 0

    def run(self) -> None:
        connection, _ = self.listener.accept()
        with connection, self.listener:
            try:
                self.serve(connection)
            except OSError:
                return  # the witness has hung up

    def serve(self, connection: socket.socket) -> None:
        rest = b""
        while chunk := connection.recv(1 << 16):
            rest += chunk
            while True:
                rest = rest.lstrip(b"+\x03")
                end = rest.find(b"#")
                if end < 0 or len(rest) < end + 3:
                    break
                packet, rest = rest[1:end], rest[end + 3 :]
                self.packets += 1
                if self.fault and self.packets > self.after:
                    self.misbehave(connection)
                    return
                answer = self.answer(packet)
                connection.sendall(b"+$%b#%02x" % (answer, sum(answer) & 0xFF))
                if answer == b"W00" or self.detached:
                    return

    def misbehave(self, connection: socket.socket) -> None:
        match self.fault:
            case "hangs":
                connection.recv(1)
                time.sleep(60)
            case "rubbish":
                connection.sendall(b"\x00\xff SMTP ready\r\n")
            case "checksum":
                connection.sendall(b"$OK#00")
            case "lies":
                while connection.recv(1 << 16):
                    connection.sendall(b"$00112233#8c" * 3)
            case "gigabyte":
                connection.sendall(b"+$")
                while True:
                    connection.sendall(b"0" * (1 << 20))

    def answer(self, packet: bytes) -> bytes:
        text = packet.decode()
        answers = {
            "?": lambda _: b"T05thread:01;",
            "Z": self.breakpoint,
            "z": self.breakpoint,
            "g": lambda _: b"".join(map(self.register, ORDER)) + b"00" * 100,
            "p": self.control,
            "m": self.read,
            "q": self.query,
            "D": self.detach,
            "v": self.resume,
        }
        made = answers.get(text[0])
        return made(text) if made else b""

    def query(self, text: str) -> bytes:
        if text.startswith("qSupported"):
            return b"PacketSize=1000;qXfer:features:read+;vContSupported+;multiprocess+"
        name, _, rest = text.removeprefix("qXfer:features:read:").partition(":")
        whole = TARGET_XML if name == "target.xml" else REGISTERS_XML
        low, size = (int(each, 16) for each in rest.split(","))
        return (b"l" if low + size >= len(whole) else b"m") + whole[low : low + size]

    def breakpoint(self, text: str) -> bytes:
        address = int(text.split(",")[1], 16)
        places = self.watches.get(text[1], self.breakpoints)
        (places.add if text[0] == "Z" else places.discard)(address)
        return b"OK"

    def control(self, text: str) -> bytes:
        gs = self.script.gs.get(self.script.stops[self.at].cpu, 0) if self.at >= 0 else 0
        known = {GS: gs, CR4: self.script.cr4, EFER: self.script.efer}
        value = known.get(int(text[1:], 16), 0)
        return value.to_bytes(8, "little").hex().encode()

    def detach(self, _: str) -> bytes:
        self.detached = True
        return b"OK"

    def resume(self, text: str) -> bytes:
        if text == "vCont;c":
            return self.go_on()
        self.stepped = 1
        self.steps += 1
        return b"T05thread:%02x;" % (self.script.stops[self.at].cpu + 1)

    def go_on(self) -> bytes:
        if self.at >= 0 and not self.stepped and self.script.stops[self.at].pc in self.breakpoints:
            self.at -= 1  # QEMU stops at once where a breakpoint was not stepped over
        self.stepped = 0
        while self.at + 1 < len(self.script.stops):
            self.at += 1
            stop = self.script.stops[self.at]
            for address, word in stop.writes.items():
                self.memory[address] = word
                self.pages.add(address // PAGE)
            watched = self.watched(stop)
            if watched or stop.pc in self.breakpoints:
                self.stopped_by["watch" if watched else "breakpoint"] += 1
                return b"T05thread:%02x;%b" % (stop.cpu + 1, watched)
        return b"W00"

    def watched(self, stop: Stop) -> bytes:
        """What a watch adds: a call writes its return address, and a return reads it."""
        stack = stop.registers["rsp"]
        if stack in self.watches["2"] & {*stop.writes}:
            return b"watch:%x;" % stack
        returns = stack - 8 in self.watches["3"] and self.memory.get(stack - 8) == stop.pc
        return b"rwatch:%x;" % (stack - 8) if returns else b""

    def register(self, name: str) -> bytes:
        value = 0
        if self.at >= 0:
            stop = self.script.stops[self.at]
            value = stop.pc + self.stepped if name == "rip" else stop.registers.get(name, 0)
        return value.to_bytes(8, "little").hex().encode()

    def read(self, text: str) -> bytes:
        address, size = (int(each, 16) for each in text[1:].split(","))
        low = address & ~7
        if any(at not in self.pages for at in range(low // PAGE, (address + size - 1) // PAGE + 1)):
            return b"E14"
        words = b"".join(
            self.memory.get(at, 0).to_bytes(8, "little") for at in range(low, address + size, 8)
        )
        return words[address - low :][:size].hex().encode()
