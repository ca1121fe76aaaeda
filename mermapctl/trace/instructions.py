# SPDX-License-Identifier: GPL-2.0-only
"""Executed instructions, one by one -> what each test, get, put and flush took. Pure, streaming.

The input is QEMU's log of executed blocks (`-d exec,nochain`, accel/tcg/cpu-exec.c) where a block
has one instruction: `Trace CPU: HOST [CS_BASE/PC/FLAGS/CFLAGS] SYMBOL`. A block that was logged and
then not executed is followed by a line that says so, and is logged again.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

GET, PUT, FLUSH = "get", "put", "flush"
_LINE = re.compile(rb"^Trace (\d+): \S+ \[[0-9a-f]+/([0-9a-f]{16})/", re.MULTILINE)
_NOT_EXECUTED = re.compile(
    rb"^Trace [^\n]*\n(?:Stopped execution of TB|cpu_io_recompile)[^\n]*\n", re.MULTILINE
)
_LONGEST_CALL = 7
"""The most bytes of a call instruction; the next one is where the call returns to."""


_JUMPS = 4
"""The most functions in a row that end in a jump to the next."""


def address(number: int) -> bytes:
    """Return an address as the log has it."""
    return b"%016x" % number


class Begin(NamedTuple):
    """What begins at a function's first instruction: a test of this name, or a kind of call.

    `outer`: another function of this kind is called in it, which does not count.
    """

    what: str
    test: bool = False
    outer: bool = False


@dataclass(frozen=True, slots=True)
class Places:
    """The addresses that matter; each is in the form of `address`.

    An interrupt begins at one of `interrupts`, an exception at one of `exceptions`, and both end
    with the instruction at `ends`. Of the `stubs` among `interrupts` the first one executed counts.
    Without `ends` interrupts count like everything else. `thunks` are the instructions through
    which indirect calls go. `functions` are the starts of all functions, ascending: a call ends
    where it returns to, and control comes from another function.
    """

    begins: Mapping[bytes, Begin]
    interrupts: AbstractSet[bytes] = frozenset()
    stubs: AbstractSet[bytes] = frozenset()
    exceptions: AbstractSet[bytes] = frozenset()
    ends: bytes = b""
    thunks: AbstractSet[bytes] = frozenset()
    functions: Sequence[int] = ()


class _Frame(NamedTuple):
    interrupt: bool
    clock: int
    before: bytes


class _Call(NamedTuple):
    begin: Begin
    clock: int
    returns: tuple[bytes, ...]


@dataclass(slots=True)
class _Cpu:
    """One CPU: instructions so far without those of interrupts, and the calls that run."""

    clock: int = 0
    before: bytes = b""
    site: bytes = b""
    frames: list[_Frame] = field(default_factory=list)
    calls: list[_Call] = field(default_factory=list)
    returns: frozenset[bytes] = frozenset()
    entered: dict[bytes, bytes] = field(default_factory=dict)


def _after(site: bytes) -> tuple[bytes, ...]:
    """Return the addresses to which a call at `site` may return."""
    if not site:
        return ()
    return tuple(address(int(site, 16) + length) for length in range(1, _LONGEST_CALL + 1))


class InstructionCounter:
    """Feed the log in pieces. `calls` and `tests` have the instructions of what has ended."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._special = {*places.begins, *places.thunks}
        if places.ends:
            self._special |= {*places.interrupts, *places.exceptions, places.ends}
        self._cpus: dict[bytes, _Cpu] = {}
        self._rest = b""
        self.calls: dict[str, list[int]] = {GET: [], PUT: [], FLUSH: []}
        self.tests: list[tuple[str, int]] = []
        self._jump: set[bytes] = set()  # functions that may end in a jump to a get or put
        self.executed = 0

    def starts(self, cpu: int, back: int) -> None:
        """Take that the log starts with a function that returns to `back`."""
        self._cpus[b"%d" % cpu] = _Cpu(before=address(back - 1))

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the log."""
        text = self._rest + piece
        end = text.rfind(b"\nTrace ") + 1  # the line after the last one may take it back
        self._rest = text[end:]
        self._take(_LINE.findall(_NOT_EXECUTED.sub(b"", text[:end])))

    def finish(self) -> None:
        """Take what is left of the log."""
        text, self._rest = self._rest, b""
        self._take(_LINE.findall(_NOT_EXECUTED.sub(b"", text)))

    def _take(self, executed: Iterable[tuple[bytes, bytes]]) -> None:
        special, cpus = self._special, self._cpus
        for number, at in executed:
            cpu = cpus.get(number)
            if cpu is None:
                cpu = cpus[number] = _Cpu()
            cpu.clock += 1
            self.executed += 1
            if at in special or at in cpu.returns:
                self._meets(cpu, at)
            else:
                cpu.before = at

    def _meets(self, cpu: _Cpu, at: bytes) -> None:
        """Handle an instruction that begins or ends something."""
        before, cpu.before = cpu.before, at
        places = self._places
        if places.ends and self._framed(cpu, at, before):
            return
        if any(frame.interrupt for frame in cpu.frames):
            return
        if at in places.thunks:
            cpu.site = cpu.site if before in places.thunks else before
            return
        if at in cpu.returns and self._function(at) not in {int(at, 16), self._function(before)}:
            self._returned(cpu, at)
        site = cpu.site if before in places.thunks else before
        if at in self._jump:
            cpu.entered[at] = site
        begin = places.begins.get(at)
        if begin is not None:
            self._begun(cpu, begin, site)

    def _framed(self, cpu: _Cpu, at: bytes, before: bytes) -> bool:
        """Return whether an interrupt or exception begins or ends here.

        At its end go back to the clock of its beginning, if it was an interrupt.
        """
        places = self._places
        if at in places.interrupts or at in places.exceptions:
            if at not in places.stubs or before not in places.stubs:
                cpu.frames.append(_Frame(at in places.interrupts, cpu.clock - 1, before))
            return True
        if at != places.ends:
            return False
        if cpu.frames:
            frame = cpu.frames.pop()
            cpu.before = frame.before
            cpu.clock = frame.clock if frame.interrupt else cpu.clock
        return True

    def _returned(self, cpu: _Cpu, at: bytes) -> None:
        for number in range(len(cpu.calls) - 1, -1, -1):
            call = cpu.calls[number]
            if at in call.returns:
                spent = cpu.clock - 1 - call.clock
                self._running(cpu, cpu.calls[:number])
                if call.begin.test:
                    self.tests.append((call.begin.what, spent))
                else:
                    self.calls[call.begin.what].append(spent)
                return

    def _begun(self, cpu: _Cpu, begin: Begin, site: bytes) -> None:
        kinds = [call.begin.what for call in cpu.calls if not call.begin.test]
        if begin.test:
            kept: list[_Call] = []  # a test that died left calls behind
        elif begin.what == FLUSH and (not kinds or FLUSH in kinds):
            return  # of no get or put, or part of another flush
        elif any(call.begin.outer for call in cpu.calls) and not begin.outer and begin.what == PUT:
            return  # the inner half of a put
        elif begin.what == FLUSH:
            kept = cpu.calls
        else:
            kept = [call for call in cpu.calls if call.begin.test]  # gets and puts do not nest
        back = (*_after(site), *self._after_jump(cpu, site))
        self._running(cpu, [*kept, _Call(begin, cpu.clock - 1, back)])

    def _function(self, at: bytes) -> int | None:
        """Return the start of the function around an address."""
        functions = self._places.functions
        number = bisect.bisect_right(functions, int(at or b"0", 16)) - 1
        return functions[number] if number >= 0 else None

    def _after_jump(self, cpu: _Cpu, site: bytes) -> tuple[bytes, ...]:
        """Return where the functions around `site` return to, in case that they jump there.

        What a function was called from is known only from the second time on; before, a call that
        it ends with by a jump has no end here.
        """
        found: list[bytes] = []
        for _ in range(_JUMPS):
            start = self._function(site)
            if start is None:
                break
            function = address(start)
            self._jump.add(function)
            self._special.add(function)
            site = cpu.entered.get(function, b"")
            found += _after(site)
        return tuple(found)

    @staticmethod
    def _running(cpu: _Cpu, calls: list[_Call]) -> None:
        cpu.calls = calls
        cpu.returns = frozenset(each for call in calls for each in call.returns)
