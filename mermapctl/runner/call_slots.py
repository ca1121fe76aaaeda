# SPDX-License-Identifier: GPL-2.0-only
"""Stack words in which repeated calls keep their return address, to be watched by QEMU.

A call writes its return address to such a word (slot), and its return reads it. A watch on the slot
stops the guest right after either, and earlier than a breakpoint at the same instruction. When QEMU
stops at a breakpoint it drops all translated code; when it stops at a watch it drops none
(gdb_vm_state_change(), in 7.2 gdbstub.c, which flushes only after the test for watches). So a watch
takes 0.2 ms instead of 1 ms.

The breakpoint at a function's entry still stops calls that no watch sees. A breakpoint also stops
the return until the slot's watch has seen one. If both are set, QEMU stops twice, the second time
at the higher price (the watch's interrupt is still pending when helper_lookup_tb_ptr() finds the
breakpoint).
"""

from __future__ import annotations

MOST = 4
"""Slots watched at once: any access to their page takes QEMU's slow path."""
PATIENCE, IDLE = 64, 4
"""Stops for other calls at the same depth that a slot may cost: at first, and more for each own
stop."""


class CallSlots:
    """The slots worth a watch, in the order in which each was first seen twice."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()
        self._credit: dict[int, int] = {}
        self._dear: set[int] = set()
        self._proven: set[int] = set()

    @property
    def watched(self) -> list[int]:
        """The addresses to watch now."""
        return list(self._credit)

    def called(self, function: int, slot: int) -> None:
        """Note a call, found by the breakpoint at its entry; its return address is in `slot`."""
        if (function, slot) in self._seen and slot not in self._dear:
            self._credit.setdefault(slot, PATIENCE)
            if len(self._credit) > MOST:
                del self._credit[next(iter(self._credit))]
        self._seen.add((function, slot))

    def returned(self, slot: int) -> None:
        """Note a return at which the slot's watch stopped the guest."""
        self._proven.add(slot)

    def proven(self, slot: int) -> bool:
        """Return whether the return of a call with its address in this slot needs no breakpoint."""
        return slot in self._proven and slot in self._credit

    def stopped(self, slot: int, *, ours: bool) -> None:
        """Count a stop by a watch; `ours`: at a call or return of ours. Drop a costly slot."""
        if slot in self._credit:
            self._credit[slot] += IDLE if ours else -1
            if self._credit[slot] <= 0:
                del self._credit[slot]
                self._dear.add(slot)

    def clear(self) -> None:
        """Forget all slots: another test begins, on another stack."""
        self._seen.clear()
        self._credit.clear()
        self._dear.clear()
        self._proven.clear()
