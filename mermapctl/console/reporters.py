# SPDX-License-Identifier: GPL-2.0-only
"""Which frames of a call trace are the report's own: what is left begins with the top frame. Pure.

The order in which the top frame is looked for: what the report itself names (the title's `in f+0x`,
`caller is f`, lockdep's `at: f`), the instruction pointer, what stands below the interrupt in which
a stall was noticed, and last the lists of configs/reporters.toml.
"""

from __future__ import annotations

import functools
import itertools
import re
import tomllib
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from mermapctl.console.frames import EntryKind, Frame
from mermapctl.console.splat import SplatKind, function
from mermapctl.errors import HarnessError
from mermapctl.system import paths

if TYPE_CHECKING:
    from collections.abc import Iterable

_SUFFIX = re.compile(r"\.(?:part|cold|constprop|isra|llvm|cfi|cfi_jt)\b.*")
_MOST = 24
"""Frames among which a reporter is looked for: deeper ones belong to the reported code."""

_STALLS = frozenset({SplatKind.RCU_STALL, SplatKind.LOCKUP})


@dataclass(frozen=True, slots=True)
class Group:
    """Functions of one origin, as the data file lists them."""

    functions: tuple[str, ...]
    kinds: tuple[SplatKind, ...] = ()
    through: bool = False


@dataclass(frozen=True, slots=True)
class Entries:
    """The functions by which an interrupt enters."""

    functions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _File:
    reporters: dict[str, Group]
    entries: Entries


class Role(NamedTuple):
    """What the lists say of one function."""

    through: bool
    single: bool
    entry: bool


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """The patterns that count for one kind of splat."""

    through: re.Pattern[str]
    single: re.Pattern[str]
    entries: re.Pattern[str]

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - there is one for each kind, for ever
    def role(self, symbol: str) -> Role:
        """The role of a frame's function."""
        name = _SUFFIX.sub("", function(symbol))
        return Role(*(bool(each.match(name)) for each in (self.through, self.single, self.entries)))

    def names(self, symbol: str) -> bool:
        """Whether a function is the report's own."""
        role = self.role(symbol)
        return role.through or role.single


def _pattern(globs: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(glob) for glob in globs) or r"(?!)")


@functools.cache
def _file() -> _File:
    source = paths.shipped("configs") / "reporters.toml"
    try:
        return msgspec.convert(tomllib.loads(source.read_text(encoding="utf-8")), _File)
    except (OSError, ValueError) as error:
        raise HarnessError(
            f"{source}: {error}", "it travels with mermapctl; install mermapctl again"
        ) from error


@functools.cache
def lists(kind: SplatKind) -> Lists:
    """The lists for a kind; HarnessError where the data file cannot be read."""
    file = _file()
    groups = [each for each in file.reporters.values() if not each.kinds or kind in each.kinds]
    return Lists(
        through=_pattern(glob for each in groups if each.through for glob in each.functions),
        single=_pattern(glob for each in groups if not each.through for glob in each.functions),
        entries=_pattern(file.entries.functions),
    )


def blamed(
    kind: SplatKind,
    trace: list[Frame],
    pointer: str | None,
    named: str | None,
    *,
    sleeps: bool = False,
) -> tuple[str, ...]:
    """The trace from the top frame on; nothing if all of it is the report's own.

    `pointer` is the instruction pointer above the trace, `named` the function that the report
    itself names; `sleeps`: it is the trace of a task that waits, not of a CPU.
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
    """The trace from `symbol` on; None if it is not there."""
    name = function(symbol)
    for at, frame in enumerate(trace[:_MOST]):
        if function(frame.symbol) == name:
            fuller = frame.symbol if frame.symbol != name else symbol
            return [frame._replace(symbol=fuller), *trace[at + 1 :]]
    return None


def _interrupted(trace: list[Frame], known: Lists) -> list[Frame]:
    """What was interrupted, where a trace begins in the interrupt that noticed a stall."""
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
    """The trace below the outermost reporter of the context in which the report was made."""
    cut = 0
    for at, frame in enumerate(trace[:_MOST]):
        if at and frame.entry is not EntryKind.FRAME:
            break  # below it is another context, of which a reporter may have been interrupted
        if frame.symbol and known.role(frame.symbol).through:
            cut = at + 1
    return trace[cut:]
