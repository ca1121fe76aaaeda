# SPDX-License-Identifier: GPL-2.0-only
"""Find where an x86-64 kernel keeps the per-CPU data of each CPU, by reading the guest's memory.

A mermap keeps its allocations of each CPU in that CPU's data. setup_per_cpu_areas()
(arch/x86/kernel/setup_percpu.c) stores the distance from `__per_cpu_start` to each CPU's copy in
`__per_cpu_offset`, and loads it into GS of that CPU. Before Linux 6.15 `__per_cpu_start` is 0.
Only the first chunk (mm/percpu.c), which most data of a small kernel is in, is known from these.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from mermapctl.runner.gdb_client import GdbClient
from mermapctl.runner.system_map import SystemMap

PAGE = 4096
MASK = (1 << 64) - 1
MOST_CPUS = 256
LARGEST = 1 << 28


@dataclass(frozen=True, slots=True)
class PerCpuAreas:
    """The first chunk: `bases` by CPU, as in its GS; from each, `size` bytes begin at `start`."""

    bases: tuple[int, ...]
    start: int
    size: int

    def owner(self, address: int) -> int | None:
        """Return the CPU whose data an address is in; None: not in the first chunk."""
        for cpu, base in enumerate(self.bases):
            if (address - base - self.start) & MASK < self.size:
                return cpu
        return None

    def running(self, gs: int | None) -> int | None:
        """Return the kernel's number of the CPU with this base of GS."""
        return self.bases.index(gs) if gs in self.bases else None


def read(client: GdbClient, system_map: SystemMap, offset: int, cpus: int) -> PerCpuAreas | None:
    """Return the areas of a kernel of several CPUs; None if its values contradict each other."""
    wanted = [
        system_map.one(name) for name in ("__per_cpu_offset", "pcpu_base_addr", "pcpu_unit_size")
    ]
    distances, first, unit = wanted
    if not 1 < cpus <= MOST_CPUS or distances is None or first is None or unit is None:
        return None
    start = system_map.one("__per_cpu_start")
    known = PerCpuAreas(
        bases=client.words(distances + offset, cpus),
        start=0 if start is None else start + offset,
        size=int.from_bytes(client.read(unit + offset, 4), "little"),
    )
    ordered = sorted(known.bases)
    apart = all(high - low >= known.size for low, high in pairwise(ordered))
    begins = client.words(first + offset)[0] in {base + known.start & MASK for base in known.bases}
    sane = 0 < known.size <= LARGEST and known.size % PAGE == 0
    return known if apart and begins and sane else None
