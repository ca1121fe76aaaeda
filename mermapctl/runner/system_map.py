# SPDX-License-Identifier: GPL-2.0-only
"""The symbols of a build, functions and data, from its System.map."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LINE = re.compile(r"^([0-9a-f]{16}) (\w) (\S+)$", re.ASCII | re.MULTILINE)
_KERNEL = 1 << 63


@dataclass(frozen=True, slots=True)
class SystemMap:
    """Addresses as the kernel was linked: of each name all that it has, lowest first."""

    addresses: dict[str, tuple[int, ...]] = field(default_factory=dict)
    text: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    def one(self, name: str) -> int | None:
        """The address of a name; None where there is none, or several."""
        found = self.addresses.get(name, ())
        return found[0] if len(found) == 1 else None

    def size(self, name: str) -> int:
        """Bytes from a name to the next symbol; 0 where there is no such name."""
        start = self.one(name)
        after = (each for found in self.addresses.values() for each in found if each > (start or 0))
        return 0 if start is None else min(after, default=start) - start

    def function(self, address: int) -> str:
        """The function around an address, "" where there is none."""
        at = bisect.bisect_right(self.text, address) - 1
        end = self.one("_etext")
        return self.names[at] if at >= 0 and (end is None or address < end) else ""


def parse(listed: str) -> SystemMap:
    """Read a System.map (lines of `ADDRESS TYPE NAME`).

    Symbols below the kernel's half are left out: per-CPU and absolute ones.
    """
    addresses: dict[str, list[int]] = {}
    functions: dict[int, str] = {}
    for number, kind, name in _LINE.findall(listed):
        address = int(number, 16)
        if address < _KERNEL:
            continue
        addresses.setdefault(name, []).append(address)
        if kind in "tTwW" and not name.startswith("__pfx_"):
            functions.setdefault(address, name)
    ordered = sorted(functions)
    return SystemMap(
        {name: tuple(sorted(set(found))) for name, found in addresses.items()},
        tuple(ordered),
        tuple(functions[each] for each in ordered),
    )


def load(path: Path) -> SystemMap | None:
    """The System.map in a file; None where it cannot be read, or names nothing."""
    try:
        found = parse(path.read_text(encoding="ascii", errors="replace"))
    except OSError:
        return None
    return found if found.addresses else None
