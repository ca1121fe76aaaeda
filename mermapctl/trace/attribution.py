# SPDX-License-Identifier: GPL-2.0-only
"""The thread of each event: one name, however printk spells it. Pure.

A kprobe is a breakpoint until the kernel has optimized it to a jump (kernel/kprobes.c, OPTPROBES),
and in a breakpoint's handler printk prints the CPU, "C0", in place of the task. So one get may
print as T19, the walk in it as C0, and its put as either. Only a return probe always prints its
thread.
"""

from __future__ import annotations

from typing import NamedTuple

from mermapctl.trace.events import Event, EventKind

_WALKS = (EventKind.WALK, EventKind.TABLES)
OWNERS = 256
"""Allocations remembered at most; a correct mermap has four a CPU and process."""
_OURS = "mermap"
_COMM = "kunit_try_catch"
_NESTED = ("__flush_tlb_all", "flush_tlb_local")
"""A flush's own callee may be probed as well (mermapctl.trace.probes)."""


class _Doing(NamedTuple):
    """A get that has not returned (`inside`), or the last put, with its process.

    `loose` is a put that printed as its CPU's: taken for that of the get's thread, though it may be
    another's (KUnit's clean-up runs in a thread of its own). `walk` is the range that the get has
    walked, (base, size), or the one that the put is still to walk: that of its get.
    """

    mm: int
    inside: bool
    loose: bool = False
    walk: tuple[int, int] | None = None


class Callers:
    """Names the thread of each event, in console order; forgets all between two tests."""

    def __init__(self) -> None:
        self._doing: dict[str, _Doing] = {}
        self._alias: dict[str, str] = {}  # a thread whose get printed as its CPU's
        self._at: dict[str, str] = {}  # thread -> the CPU where it was last seen
        self._recent: dict[str, None] = {}  # threads by their latest events
        self._owners: dict[int, tuple[str, _Doing]] = {}

    def test_ended(self) -> None:
        """Forget the threads of the test that ended."""
        self._doing.clear()
        self._alias.clear()
        self._at.clear()
        self._recent.clear()

    def of(self, event: Event) -> str:
        """Return the event's thread; its CPU where the thread is unknown; "" for neither."""
        name = event.caller
        if name.startswith("C"):
            name = self._on_cpu(event)
        else:
            name = self._alias.get(name, name)
            if self._in_get(event) and not self._inside(name):
                name = self._adopted(event, name)
        self._note(event, name)
        return name

    def _in_get(self, event: Event) -> bool:
        """Return whether this may be part, or the end, of a get."""
        return event.kind in (EventKind.GOT, EventKind.ENTRY, *_WALKS) or self._is_ours(event)

    def _inside(self, name: str) -> bool:
        return name in self._doing and self._doing[name].inside

    def _adopted(self, event: Event, name: str) -> str:
        """Return the get, or the put, of a thread whose own events began none.

        It printed as a CPU's. Ignores what a thread does after its own put.
        """
        for begun in reversed(self._recent):
            if begun == name and begun in self._doing and event.kind is not EventKind.GOT:
                break
            doing = self._doing.get(begun)
            if doing is None or (event.kind in _WALKS and doing.mm != event.mm):
                continue
            if doing.inside and begun.startswith("C"):
                self._alias[event.caller] = begun
                return begun
            if doing.loose and event.kind is not EventKind.GOT:
                return begun
        return name

    def _on_cpu(self, event: Event) -> str:
        cpu = event.caller
        found = cpu
        if event.kind is EventKind.PUT:
            owner, _ = self._owners.get(event.alloc, (cpu, None))
            found = self._alias.get(owner, owner)
        elif event.kind in _WALKS:
            found = self._one_of(cpu, self._walkers(event))
        elif event.kind is EventKind.ENTRY or self._is_ours(event):
            found = self._one_of(cpu, list(self._doing))
        self._at[found] = cpu
        return found

    def _walkers(self, event: Event) -> list[str]:
        """Return the threads of which a walk printed as its CPU's may be.

        Another thread's get may be more recent than a put on this CPU; the put's range tells.
        """
        same = {name: each for name, each in self._doing.items() if each.mm == event.mm}
        puts = [
            name
            for name, each in same.items()
            if not each.inside
            and each.walk == (event.base, event.size)
            and self._at.get(name) == event.caller
        ]
        return puts or list(same)

    def _is_ours(self, event: Event) -> bool:
        """Return whether a flush or a pin may be the mermap's: an interrupt prints its CPU too."""
        if event.kind not in (EventKind.FLUSH, EventKind.PIN, EventKind.UNPIN):
            return False
        if event.by is None:
            return event.comm in (None, _COMM)
        return _OURS in event.by or event.by in _NESTED

    def _one_of(self, cpu: str, names: list[str]) -> str:
        """Return the thread that runs on `cpu`, of those possible: the latest one active.

        A thread last seen on another CPU may have migrated, but is the second choice.
        """
        may_be = [name for name in reversed(self._recent) if name in names]
        here = [name for name in may_be if self._at.get(name, cpu) == cpu]
        if len([name for name in here if self._inside(name)]) > 1:
            # Two gets at once: one of a thread that was seen here, else of one never seen.
            here = [name for name in here if name in self._at] or here
        return next(iter(here or may_be), cpu)

    def _note(self, event: Event, name: str) -> None:
        self._recent.pop(name, None)
        self._recent[name] = None
        doing = self._doing.get(name)
        if event.kind is EventKind.GET:
            self._doing[name] = _Doing(event.mm, inside=True)
        elif event.kind is EventKind.WALK and doing and doing.mm == event.mm:
            walked = (event.base, event.size) if doing.inside else None
            self._doing[name] = doing._replace(walk=walked)
        elif event.kind is EventKind.GOT and doing:
            del self._doing[name]
            if event.alloc:
                if len(self._owners) >= OWNERS:
                    self._owners.pop(next(iter(self._owners)))
                self._owners[event.alloc] = (event.caller, doing)
        elif event.kind is EventKind.PUT:
            # Its callee's probe may follow, and needs the owner once more.
            owned = self._owners.get if event.outer else self._owners.pop
            _, got = owned(event.alloc, (name, _Doing(0, inside=False)))
            loose = event.caller.startswith("C")
            self._doing[name] = _Doing(got.mm, inside=False, loose=loose, walk=got.walk)
