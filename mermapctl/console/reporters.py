# SPDX-License-Identifier: GPL-2.0-only
"""Skip the frames of the reporting code in a call trace, to find the top frame. Pure.

The top frame is searched in this order: the function named by the report itself (the title's `in
f+0x`, `caller is f`, lockdep's `at: f`), the instruction pointer, the frames below the interrupt
that detected a stall, and last the lists of configs/reporters.toml.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from typing import NamedTuple

from mermapctl.console.frames import EntryKind, Frame
from mermapctl.console.splat import SplatKind, function
from mermapctl.system import tables

_SUFFIX = re.compile(r"\.(?:part|cold|constprop|isra|llvm|cfi|cfi_jt)\b.*")
_MOST = 24
"""Frames searched for a reporter: deeper ones belong to the reported code."""

_STALLS = frozenset({SplatKind.RCU_STALL, SplatKind.LOCKUP})


@dataclass(frozen=True, slots=True)
class Group:
    """Functions of one origin in the data file."""

    functions: tuple[str, ...]
    kinds: tuple[SplatKind, ...] = ()
    through: bool = False


@dataclass(frozen=True, slots=True)
class Entries:
    """The functions through which an interrupt enters."""

    functions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _File:
    reporters: dict[str, Group]
    entries: Entries


class Role(NamedTuple):
    """Membership of one function in the lists."""

    through: bool
    single: bool
    entry: bool


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """The patterns that apply to one kind of splat."""

    through: re.Pattern[str]
    single: re.Pattern[str]
    entries: re.Pattern[str]

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - there is one for each kind, for ever
    def role(self, symbol: str) -> Role:
        """Return the role of a frame's function."""
        name = _SUFFIX.sub("", function(symbol))
        return Role(*(bool(each.match(name)) for each in (self.through, self.single, self.entries)))

    def names(self, symbol: str) -> bool:
        """Return whether a function belongs to the reporting code."""
        role = self.role(symbol)
        return role.through or role.single


def _pattern(globs: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(glob) for glob in globs) or r"(?!)")


@functools.cache
def _file() -> _File:
    return tables.read("reporters.toml", _File)


@functools.cache
def lists(kind: SplatKind) -> Lists:
    """Return the lists for a kind. Raises HarnessError where the data file cannot be read."""
    file = _file()
    groups = [each for each in file.reporters.values() if not each.kinds or kind in each.kinds]
    return Lists(
        through=_pattern(glob for each in groups if each.through for glob in each.functions),
        single=_pattern(glob for each in groups if not each.through for glob in each.functions),
        entries=_pattern(file.entries.functions),
    )


def reported_trace(
    kind: SplatKind,
    trace: list[Frame],
    pointer: str | None,
    named: str | None,
    *,
    sleeps: bool = False,
) -> tuple[str, ...]:
    """Return the trace from the top frame on; () if all of it is reporting code.

    `pointer` is the instruction pointer above the trace, `named` the function that the report
    itself names. `sleeps`: the trace is that of a waiting task, not of a CPU.
    """
    known = lists(kind)
    start = trace
    hints = [hint for hint in (named, pointer) if hint is not None]
    trusted = [hint for hint in hints if not known.names(hint)]
    for hint in trusted:
        if (found := _from(trace, hint)) is not None:
            return tuple(frame.symbol for frame in found if frame.symbol)
    on_top = next((hint for hint in trusted if hint != function(hint)), "")
    for hint in hints:
        start = _from(trace, hint) or start
    if not hints and kind in _STALLS and not sleeps:
        start = _interrupted(trace, known)
    rest = itertools.dropwhile(
        lambda frame: not frame.symbol or known.names(frame.symbol), _through(start, known)
    )
    below = tuple(frame.symbol for frame in rest if frame.symbol)
    return (on_top, *below) if on_top else below


def _from(trace: list[Frame], symbol: str) -> list[Frame] | None:
    """Return the trace from `symbol` on, None if it is not there."""
    name = function(symbol)
    for at, frame in enumerate(trace[:_MOST]):
        if function(frame.symbol) == name:
            fuller = frame.symbol if frame.symbol != name else symbol
            return [frame._replace(symbol=fuller), *trace[at + 1 :]]
    return None


def _interrupted(trace: list[Frame], known: Lists) -> list[Frame]:
    """Return the interrupted code of a trace that begins in the interrupt that detected a stall."""
    first = next((frame.symbol for frame in trace if frame.symbol), "")
    in_interrupt = any(frame.entry is EntryKind.END_OF_IRQ for frame in trace)
    if not in_interrupt and not known.names(first):
        return trace
    for at, frame in enumerate(trace):
        if frame.entry is EntryKind.POINTER and not known.names(frame.symbol):
            return trace[at:]
        if frame.entry is EntryKind.FRAME and known.role(frame.symbol).entry:
            below = trace[at + 1 :]
            return below if any(each.symbol for each in below) else trace
    return trace


def _through(trace: list[Frame], known: Lists) -> list[Frame]:
    """Return the trace below the outermost reporter of the reporting context."""
    cut = 0
    for at, frame in enumerate(trace[:_MOST]):
        if at and frame.entry is not EntryKind.FRAME:
            break  # another context follows; a reporter may itself have been interrupted
        if frame.symbol and known.role(frame.symbol).through:
            cut = at + 1
    return trace[cut:]
