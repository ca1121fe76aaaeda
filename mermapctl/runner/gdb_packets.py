# SPDX-License-Identifier: GPL-2.0-only
"""The frames of gdb's remote protocol: bytes in, packets out. Pure.

A frame is `$PAYLOAD#CHECKSUM`; the checksum is the sum of the payload's bytes modulo 256, in two
hexadecimal digits. The receiver acknowledges each with `+` unless both sides agreed not to (gdb's
manual, appendix "Overview" of the remote protocol). A payload never contains `$` or `#` as it is:
`}` stands before a byte that was XORed with 0x20, and `*N` repeats the byte before it.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from mermapctl.errors import MermapctlError

LONGEST_PACKET = 1 << 16
"""The longest packet that is read, in bytes; QEMU announces 4096."""
GENERAL = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12",
           "r13", "r14", "r15", "rip")  # fmt: skip
"""The first registers of x86-64 in gdb's order; each has eight bytes, little endian."""
_WORD = 8
_THREAD = re.compile(rb"(?:p[0-9a-f]+\.)?([0-9a-f]+)")
_REGISTER = re.compile(rb"<reg\s([^<>]*?)/?>")
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_NAME = re.compile(rb'\bname="([\w-]+)"')
_NUMBER = re.compile(rb'\bregnum="(\d{1,4})"')


class StubError(MermapctlError):
    """QEMU's gdb stub gave no or a wrong answer, or hung up; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class StopReply:
    """Why the guest stopped: a `signal`, and the vCPU's `thread` (counted from 1; 0: unknown).

    `exited`: the guest has ended. `watched`: the address of the access that stopped it, else 0.
    """

    signal: int = 0
    thread: int = 0
    exited: bool = False
    watched: int = 0


def checksum(payload: bytes) -> bytes:
    """Return the two digits that follow a frame's `#`."""
    return b"%02x" % (sum(payload) & 0xFF)


def frame(payload: bytes) -> bytes:
    """Return the frame of a printable payload. Raises ValueError if the payload needs escapes."""
    if re.search(rb"[$#}*]", payload):
        raise ValueError(f"{payload!r} needs escapes")
    return b"$%b#%b" % (payload, checksum(payload))


class Deframer:
    """Splits a stream into payloads. Raises StubError for bytes that form no valid frame."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, received: bytes) -> list[bytes]:
        """Return the payloads that are complete now; drop acknowledgements."""
        rest = self._rest + received
        packets = []
        while rest := rest.lstrip(b"+"):
            if rest[:1] != b"$":
                what = "asks for a repetition" if rest[:1] == b"-" else f"sends {rest[:16]!r}"
                raise StubError(f"QEMU's gdb stub {what} where a packet should begin")
            at = rest.find(b"#")
            if at < 0 or len(rest) < at + 3:
                break
            payload, sum_, rest = rest[1:at], rest[at + 1 : at + 3], rest[at + 3 :]
            if sum_.lower() != checksum(payload):
                raise StubError("a packet of QEMU's gdb stub has a wrong checksum")
            packets.append(_unescaped(payload))
        if len(rest) > LONGEST_PACKET:
            raise StubError(f"QEMU's gdb stub sends a packet of more than {LONGEST_PACKET} bytes")
        self._rest = rest
        return packets


def _unescaped(payload: bytes) -> bytes:
    if b"}" not in payload and b"*" not in payload:
        return payload
    plain = bytearray()
    at = 0
    while at < len(payload):
        byte = payload[at : at + 1]
        following = payload[at + 1 : at + 2]
        if byte in (b"}", b"*"):
            if not following or (byte == b"*" and (not plain or following[0] < 32)):
                raise StubError("a packet of QEMU's gdb stub ends in the middle of an escape")
            plain += (
                bytes([following[0] ^ 0x20]) if byte == b"}" else plain[-1:] * (following[0] - 29)
            )
            at += 2
        else:
            plain += byte
            at += 1
        if len(plain) > LONGEST_PACKET:
            raise StubError("a packet of QEMU's gdb stub is too long")
    return bytes(plain)


def hexed(payload: bytes, what: str, size: int | None = None) -> bytes:
    """Return the bytes that a reply has in hexadecimal. Raises StubError; `what` names the data."""
    if payload[:1] == b"E" and len(payload) == 3:
        number = payload[1:].decode("ascii", "replace")
        raise StubError(f"QEMU's gdb stub cannot read {what} (error {number})")
    try:
        read = bytes.fromhex(payload.decode("ascii"))
    except ValueError:
        raise StubError(f"QEMU's gdb stub answers {payload[:16]!r} to {what}") from None
    if size is not None and len(read) != size:
        raise StubError(f"QEMU's gdb stub answers {len(read)} bytes to {what}, not {size}")
    return read


def general(payload: bytes) -> dict[str, int]:
    """Return the general registers at the start of the reply to `g`."""
    read = hexed(payload[: len(GENERAL) * _WORD * 2], "the registers")
    if len(read) < len(GENERAL) * _WORD:
        raise StubError("QEMU's gdb stub does not show the registers of x86-64")
    return dict(zip(GENERAL, struct.unpack_from(f"<{len(GENERAL)}Q", read), strict=True))


def stop(payload: bytes) -> StopReply | None:
    """Return the stop that a packet reports; None if the packet is output of the stub (`O`)."""
    kind = payload[:1]
    if re.fullmatch(rb"O(?:[0-9a-f]{2})*", payload):
        return None
    if kind in (b"W", b"X"):
        return StopReply(exited=True)
    if kind not in (b"S", b"T") or not re.fullmatch(rb"[0-9a-f]{2}", payload[1:3]):
        raise StubError(f"QEMU's gdb stub sends {payload[:16]!r} where the guest should stop")
    thread = watched = 0
    for pair in payload[3:].split(b";") if kind == b"T" else ():
        key, _, value = pair.partition(b":")
        if key == b"thread":
            match = _THREAD.fullmatch(value)
            if match is None or len(match[1]) > 8:
                raise StubError(f"QEMU's gdb stub names no thread: {value[:16]!r}")
            thread = int(match[1], 16)
        elif key in (b"watch", b"rwatch") and re.fullmatch(rb"[0-9a-f]{1,16}", value):
            watched = int(value, 16)
    return StopReply(int(payload[1:3], 16), thread, watched=watched)


def numbers(description: bytes) -> dict[str, int]:
    """Return the registers' numbers in a target description (XML), in gdb's order of counting."""
    found: dict[str, int] = {}
    number = 0
    for register in _REGISTER.finditer(_COMMENT.sub(b"", description)):
        name = _NAME.search(register[1])
        given = _NUMBER.search(register[1])
        number = int(given[1]) if given else number
        if name is not None:
            found.setdefault(name[1].decode("ascii"), number)
        number += 1
    return found
