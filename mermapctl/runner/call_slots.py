# SPDX-License-Identifier: GPL-2.0-only
"""The words of a stack at which functions are called again and again, to be watched there.

A call writes its return address to such a slot, and its return reads it. A watch on the slot stops
the guest right behind either, before a breakpoint at the same instruction would. QEMU throws all
translated code away where a breakpoint stops it, and none where a watch does
(gdb_vm_state_change(), in 7.2 gdbstub.c, which flushes only behind the watches): 0.2 ms instead of
one. A call that no watch sees still meets the breakpoint at the function's entry. A return does as
well, until the slot's watch has seen one: with both QEMU stops twice, the second time at that price
(the watch's interrupt is still due where helper_lookup_tb_ptr() finds the breakpoint).
"""

from __future__ import annotations

MOST = 4
"""Slots watched at once: any access to their page takes QEMU's slow path."""
PATIENCE, IDLE = 64, 4
"""Stops for other calls at the same depth that a slot may make, at first and for each of ours."""


class CallSlots:
    """Slots worth a watch: in the order in which they were first seen twice."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()
        self._credit: dict[int, int] = {}
        self._dear: set[int] = set()
        self._proven: set[int] = set()

    @property
    def watched(self) -> list[int]:
        """The addresses to be watched now."""
        return list(self._credit)

    def called(self, function: int, slot: int) -> None:
        """A breakpoint at a function's entry stopped the guest, with its return address there."""
        if (function, slot) in self._seen and slot not in self._dear:
            self._credit.setdefault(slot, PATIENCE)
            if len(self._credit) > MOST:
                del self._credit[next(iter(self._credit))]
        self._seen.add((function, slot))

    def returned(self, slot: int) -> None:
        """The watch stopped the guest at the return of a call."""
        self._proven.add(slot)

    def proven(self, slot: int) -> bool:
        """Whether the return of a call whose address is in this slot needs no breakpoint."""
        return slot in self._proven and slot in self._credit

    def stopped(self, slot: int, *, ours: bool) -> None:
        """A watch stopped the guest, at a call or return of ours or at another one."""
        if slot in self._credit:
            self._credit[slot] += IDLE if ours else -1
            if self._credit[slot] <= 0:
                del self._credit[slot]
                self._dear.add(slot)

    def clear(self) -> None:
        """Another test begins, on a stack of its own."""
        self._seen.clear()
        self._credit.clear()
        self._dear.clear()
        self._proven.clear()
