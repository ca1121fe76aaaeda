# SPDX-License-Identifier: GPL-2.0-only
"""Test whether /dev/kvm can run a guest, with a guest of 167 bytes.

QEMU's firmware loads it like any kernel. It builds page tables, enters long mode, counts down from
20 million and exits through QEMU's isa-debug-exit device. That takes 0.1 s under a KVM that works.
A /dev/kvm that can be opened but emulates each instruction (nested virtualisation without hardware
support) does not finish within half a minute, and boots no kernel.
"""

from __future__ import annotations

import enum
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from mermapctl.errors import HarnessError
from mermapctl.runner import accelerator
from mermapctl.system import files, process, scratch

QEMU = "qemu-system-x86_64"
LIMIT = 2.5
"""Seconds that the guest may take; ending a QEMU that hangs takes up to two more."""
_SAID = 0x2A
_EXIT = _SAID << 1 | 1
"""QEMU's exit code for a guest that writes _SAID to isa-debug-exit."""

# A multiboot image for 0x100000. Its header: magic, flags "addresses follow", checksum, the
# addresses of load and entry. Page tables at 0x200000 map the first 2 MiB onto themselves.
_GUEST = (
    ("02b0ad1b 00000100 fe4f51e4", "magic, flags, checksum"),
    ("00001000 00001000 00000000 00000000 20001000", "header, load, end, bss, entry"),
    ("bf00002000", "mov $0x200000, %edi"),
    ("31c0", "xor %eax, %eax"),
    ("b9000c0000", "mov $0xc00, %ecx"),
    ("f3ab", "rep stos %eax, (%edi)"),
    ("c7050000200003102000", "movl $0x201003, 0x200000"),
    ("c7050010200003202000", "movl $0x202003, 0x201000"),
    ("c7050020200083000000", "movl $0x83, 0x202000"),
    ("0f20e0 0c20 0f22e0", "set PAE in %cr4"),
    ("b800002000 0f22d8", "mov $0x200000, %cr3"),
    ("b9800000c0 0f32 80cc01 0f30", "set LME in EFER"),
    ("0f20c0 0d01000080 0f22c0", "set PG and PE in %cr0"),
    ("0f0115a1001000", "lgdt 0x1000a1"),
    ("ea810010000800", "ljmp $8, $0x100081"),
    ("b9002d3101", "mov $20000000, %ecx"),
    ("ffc9 75fc", "dec %ecx; jne back"),
    ("b02a e6f4", "out $0x2a, 0xf4"),
    ("f4 ebfd", "hlt; jmp back"),
    ("0000000000000000 00000000009a2000", "an empty and a 64-bit code descriptor"),
    ("0f00 91001000", "limit and address of the descriptors"),
)


class Ability(enum.StrEnum):
    """What /dev/kvm can do."""

    WORKS = "works"
    ABSENT = "absent"
    DENIED = "denied"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """The ability of /dev/kvm, and a sentence about it."""

    ability: Ability
    said: str


def guest() -> bytes:
    """Return the guest's image."""
    return bytes.fromhex("".join(code for code, _ in _GUEST))


def command(image: Path, accel: str) -> list[str]:
    """Return QEMU's command line for the guest; QEMU exits with 85 if the guest succeeds."""
    return [
        QEMU,
        "-accel", accel,
        "-nodefaults",
        "-display", "none",
        "-m", "16",
        "-no-reboot",
        "-device", "isa-debug-exit,iobase=0xf4,iosize=1",
        "-kernel", str(image),
    ]  # fmt: skip


def probe(device: Path = accelerator.KVM, accel: str = "kvm") -> Answer:
    """Check the device, then run the guest. Takes less than five seconds in every case."""
    if not device.exists():
        return Answer(Ability.ABSENT, f"no {device}: guests run under software emulation")
    if not os.access(device, os.R_OK | os.W_OK):
        group = "add yourself to its group" if device.stat().st_mode & 0o060 else "see udev rules"
        return Answer(Ability.DENIED, f"{device} may not be opened by you: {group}")
    if platform.machine() != "x86_64" or not shutil.which(QEMU):
        return Answer(Ability.UNKNOWN, f"{device} opens; there is no {QEMU} here to try it with")
    try:
        with scratch.filled("kvm") as place:
            image = place / "guest"
            files.make(image, guest())
            return _run(image, accel)
    except HarnessError as error:
        return Answer(Ability.UNKNOWN, f"{device} opens; it was not tried: {error.message}")


def _run(image: Path, accel: str) -> Answer:
    try:
        said = process.run(command(image, accel), timeout=LIMIT)
    except HarnessError:
        return Answer(
            Ability.BROKEN,
            f"it opens, but a guest of 20 million instructions did not end within {LIMIT:g} s "
            "(nested virtualisation?): software emulation is used",
        )
    if said.returncode == _EXIT:
        return Answer(Ability.WORKS, "runs a guest")
    lines = (said.stderr or said.stdout).strip().splitlines()
    told = accelerator.complaint(said.stderr.encode()) or (lines[-1] if lines else "")
    return Answer(
        Ability.BROKEN, f"it opens, but a guest ended with code {said.returncode}: {told[:200]}"
    )
