# SPDX-License-Identifier: GPL-2.0-only
"""The addresses at which an x86-64 kernel's tests, gets, puts, flushes and interrupts begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mermapctl.runner.gdb_packets import StubError
from mermapctl.runner.system_map import SystemMap
from mermapctl.trace.instructions import FLUSH, GET, PUT, Begin, Places, address
from mermapctl.trace.probes import FLUSHES, NEEDED, OUTER

_CALLS = {
    NEEDED[0].symbol: GET,
    NEEDED[2].symbol: PUT,
    OUTER.symbol: PUT,
    **{each.symbol: FLUSH for each in FLUSHES},
}
_STUBS = ("irq_entries_start", "spurious_entries_start")
"""Arrays of stubs, one for each vector, where device interrupts begin (arch/x86/entry)."""
_VECTORS, _EXCEPTIONS = "asm_sysvec_", "asm_exc_"
_END = "native_irq_return_iret"
"""The instruction with which interrupts and exceptions of the kernel end (entry_64.S)."""
_THUNKS = "__x86_indirect_thunk_array"


def places(known: SystemMap, tests: Sequence[str], offset: int) -> Places:
    """Return the places of a build, `offset` bytes above those in its System.map.

    Raises StubError if System.map names no function of `tests`.
    """
    begins = {name: Begin(kind, outer=name == OUTER.symbol) for name, kind in _CALLS.items()}
    wanted = {name: Begin(name, test=True) for name in tests if known.one(name) is not None}
    if not wanted:
        raise StubError("System.map names no function of these tests")
    found = {
        address(each + offset): begin
        for name, begin in (begins | wanted).items()
        for each in known.addresses.get(name, ())
    }
    # If another task may run before an interrupt ends, their instructions cannot be told apart.
    end = None if known.preemptible else known.one(_END)
    functions = [each + offset for each in known.text]
    if end is None:
        return Places(found, thunks=_range(known, _THUNKS, offset), functions=functions)
    stubs = frozenset[bytes]().union(*(_range(known, name, offset) for name in _STUBS))
    return Places(
        found,
        interrupts=stubs.union(_named(known, _VECTORS, offset)),
        stubs=stubs,
        exceptions=frozenset(_named(known, _EXCEPTIONS, offset)),
        ends=address(end + offset),
        thunks=_range(known, _THUNKS, offset),
        functions=functions,
    )


def _named(known: SystemMap, prefix: str, offset: int) -> Iterator[bytes]:
    for name, addresses in known.addresses.items():
        if name.startswith(prefix):
            yield from (address(each + offset) for each in addresses)


def _range(known: SystemMap, name: str, offset: int) -> frozenset[bytes]:
    """Return all addresses from a name to the next symbol; none if it is not there."""
    start = known.one(name)
    if start is None:
        return frozenset()
    return frozenset(address(start + offset + at) for at in range(known.size(name)))
