# SPDX-License-Identifier: GPL-2.0-only
"""The symbols of a build, functions and data, from its System.map."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field
from pathlib import Path

from mermapctl.system import inputs

NAME = "System.map"
"""Its name in a build directory."""
_LINE = re.compile(r"^([0-9a-f]{16}) (\w) (\S+)$", re.ASCII | re.MULTILINE)
_KERNEL = 1 << 63
_PREEMPTIBLE = "preempt_schedule"
"""A function that only a kernel with CONFIG_PREEMPTION has (kernel/sched/core.c)."""


@dataclass(frozen=True, slots=True)
class SystemMap:
    """Addresses as the kernel was linked; a name may have several, lowest first."""

    addresses: dict[str, tuple[int, ...]] = field(default_factory=dict)
    text: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def preemptible(self) -> bool:
        """Whether another task may run before an interrupt of the kernel ends."""
        return _PREEMPTIBLE in self.addresses

    def one(self, name: str) -> int | None:
        """Return the address of a name; None if it has no address, or several."""
        found = self.addresses.get(name, ())
        return found[0] if len(found) == 1 else None

    def size(self, name: str) -> int:
        """Return the bytes from a name to the next symbol; 0 if the name has no single address."""
        start = self.one(name)
        after = (each for found in self.addresses.values() for each in found if each > (start or 0))
        return 0 if start is None else min(after, default=start) - start

    def function(self, address: int) -> str:
        """Return the name of the function around an address, "" if there is none."""
        at = bisect.bisect_right(self.text, address) - 1
        end = self.one("_etext")
        return self.names[at] if at >= 0 and (end is None or address < end) else ""

    def place(self, address: int) -> str | None:
        """Return ``symbol+offset/size`` as the kernel prints it; None outside the kernel's text."""
        at = bisect.bisect_right(self.text, address) - 1
        end = self.one("_etext")
        if at < 0 or end is None or address >= end:
            return None
        start, after = self.text[at], min((*self.text[at + 1 : at + 2], end))
        return f"{self.names[at]}+{address - start:#x}/{after - start:#x}"


def parse(listed: str) -> SystemMap:
    """Read a System.map (lines of `ADDRESS TYPE NAME`).

    Leave out symbols below the kernel's half: per-CPU and absolute ones.
    """
    addresses: dict[str, list[int]] = {}
    functions: dict[int, str] = {}
    for number, kind, name in _LINE.findall(listed):
        address = int(number, 16)
        if address < _KERNEL:
            continue
        addresses.setdefault(name, []).append(address)
        if kind in "tTwW" and not name.startswith(("__pfx_", "_stext")):
            functions.setdefault(address, name)
    ordered = sorted(functions)
    return SystemMap(
        {name: tuple(sorted(set(found))) for name, found in addresses.items()},
        tuple(ordered),
        tuple(functions[each] for each in ordered),
    )


def load(path: Path) -> SystemMap | None:
    """Read the System.map in a file; None if it cannot be read, or has no symbol."""
    try:
        found = parse(inputs.read_text(path))
    except OSError:
        return None
    return found if found.addresses else None
