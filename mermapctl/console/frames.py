# SPDX-License-Identifier: GPL-2.0-only
"""Lines of a call trace -> functions, in the notation of every architecture. Pure.

Notations: x86 and UML (`f+0x1/0x2`, `[<address>] ? f+0x1/0x2`), arm (`f from g+0x1/0x2`), powerpc
(`[sp] [ip] f+0x1/0x2`), sparc (`[address : f+0x1/0x2 ]`, `Caller[address]: f+0x1/0x2`), s390
(`([<address>] f+0x1/0x2)`), and the output of scripts/decode_stacktrace.sh (`f (FILE:LINE)`,
`f+0x1/0x2 FILE:LINE`).
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple

FRAMES = 32
"""Frames kept of a trace."""

PLACE = r"[\w./+@-]+\.\w{1,3}:(?:\d+|\?)"
_DISCRIMINATOR = r"(?: \(discriminator \d+\))?"
_PLACES = rf"(?:{PLACE}|\?\?:\?){_DISCRIMINATOR}(?:,? {PLACE}{_DISCRIMINATOR})*"
_NAME = r"[A-Za-z_$.][\w$.]*"
_OFFSET = r"\+0x[0-9a-f]+/0x[0-9a-f]+"
SYMBOL = rf"{_NAME}(?:{_OFFSET}(?: \(?{_PLACES}\)?)?| \({_PLACES}\))"
"""A function with its offset, its place in the source, or both."""

_ADDRESS = r"(?:[0-9a-f]{4,16}|\(_*ptrval_*\))"
_BEHIND = r"\)?(?: \[[^\]]*\])*(?: \(\w+\))*(?: \w+)?(?: \[[^\]]*\])?\s*\Z"
"""Text that may follow a function: its module, arm64's `(P)`, powerpc's `(unreliable)`."""
_FRAME = re.compile(
    rf"\s*(?:</?\w+>\s+)?(?:\(?\[<?{_ADDRESS}>?\]\s*|Caller\[{_ADDRESS}\]: )*"
    rf"(?P<guess>\? )?(?P<symbol>{SYMBOL}){_BEHIND}"
)
_FROM = re.compile(
    rf"\s*(?:\[<{_ADDRESS}>\] )?\(?(?P<name>{_NAME})(?:{_OFFSET})?(?: \({_PLACES}\))?\)? from "
    rf"(?:\[<{_ADDRESS}>\] )?\(?(?P<symbol>{SYMBOL}){_BEHIND}"
)
"""arm: the function on the left returns to the place on the right."""
_SPARC32 = re.compile(rf"\[[0-9a-f]{{8}} : (?P<symbol>{SYMBOL}) \]")
_IP = re.compile(
    r"\s*(?:RIP: [0-9a-f]+:|EIP: |EIP is at |IP: |pc ?: |PC is at |pc is at |epc *: |ERA *: "
    r"|NIP (?=\[)|NIP: |Krnl PSW : [^(]*\(|T?PC: |IAOQ\[0\]: |-{3,4} interrupt: \w+ at )"
    rf"\s*(?:\[<?{_ADDRESS}>?\]\s*|{_ADDRESS}\s+)*<?(?P<symbol>{SYMBOL})"
)
"""The instruction pointer and its function in each architecture's register dump."""
_HEADING = re.compile(r"\s*(?:Call [Tt]race|Backtrace|Trace|Stack trace):(?P<rest>.*)")
_END_OF_IRQ = re.compile(r"\s*(?:</(?:IRQ|NMI|SOFTIRQ|#\w+)>|<EOI>|<<EOE>>)")
_ANOTHER = re.compile(
    r"\s*\Z|(?:Allocated|Freed|Last |The buggy|Modules linked|---\[ end|Uninit |Local variable"
    r"|Reported by|Showing |Memory state|Kernel Offset|NMI backtrace|Kernel panic|read |write "
    r"|value changed|kfence-#|allocated by|freed by|Register |Unused|Instruction dump)"
)
"""The end of a trace: an empty line, or the heading of another section."""


class EntryKind(enum.Enum):
    """The type of an entry of a trace."""

    FRAME = "frame"
    POINTER = "instruction pointer"
    END_OF_IRQ = "end of the interrupt's stack"


class Frame(NamedTuple):
    """One entry of a trace; `caller` is the right side of arm's notation."""

    symbol: str
    entry: EntryKind = EntryKind.FRAME
    guess: bool = False
    caller: str | None = None


_PLACED = re.compile(PLACE)


def place(symbol: str | None) -> str | None:
    """Return FILE:LINE of a decoded frame, None if there is none."""
    found = _PLACED.search(symbol) if symbol else None
    return found[0] if found else None


def is_heading(text: str) -> bool:
    """Return whether a line begins a call trace."""
    return "race:" in text and bool(_HEADING.match(text))


def pointer(text: str) -> str | None:
    """Return the function of the instruction pointer in a register dump's line."""
    if "+0x" not in text and "(" not in text:
        return None
    match = _IP.match(text)
    return match["symbol"].rstrip() if match else None


def frames(text: str) -> list[Frame]:
    """Return the functions of one line of a trace, [] for another line."""
    if "+0x" not in text and "(" not in text:
        return []
    if match := _FRAME.match(text):
        return [Frame(match["symbol"], guess=bool(match["guess"]))]
    if match := _FROM.match(text):
        return [Frame(match["name"], caller=match["symbol"])]
    return [Frame(match["symbol"]) for match in _SPARC32.finditer(text)]


class Trace:
    """Collect the first call trace of a report, and the instruction pointer above it.

    `bare`: frames count without a heading above them.
    """

    def __init__(self) -> None:
        self.bare = False
        self.pointer: str | None = None
        self._frames: list[Frame] = []
        self._guesses: list[Frame] = []
        self._back: str | None = None
        self._state = 0  # 0 before the trace, 1 in it, 2 after it

    @property
    def begun(self) -> bool:
        """Return whether a trace, or an instruction pointer, was seen."""
        return self._state > 0 or self.pointer is not None

    @property
    def done(self) -> bool:
        """Return whether the trace has ended."""
        return self._state == 2

    def feed(self, text: str) -> None:
        """Take a line of the report."""
        if self._state == 2:
            return
        if self._state == 0:
            self._before(text)
            return
        if "<" in text and _END_OF_IRQ.match(text):
            self._frames.append(Frame("", EntryKind.END_OF_IRQ))
        if found := frames(text):
            self._take(found)
        elif symbol := pointer(text):
            self._take([Frame(symbol, EntryKind.POINTER)])
        elif _ANOTHER.match(text) and (self._frames or self._guesses):
            self._state = 2

    def _before(self, text: str) -> None:
        if "race:" in text and (heading := _HEADING.match(text)):
            self._state = 1
            self._take(frames(heading["rest"]))
        elif self.bare and (found := frames(text)):
            self._state = 1
            self._take(found)
        elif self.pointer is None:
            self.pointer = pointer(text)

    def _take(self, found: list[Frame]) -> None:
        for frame in found:
            kept = self._guesses if frame.guess else self._frames
            if len(kept) < FRAMES:
                kept.append(self._joined(frame))

    def _joined(self, frame: Frame) -> Frame:
        """Take arm's offset from the line before; a call that never returns has none there."""
        back, self._back = self._back, frame.caller
        if frame.caller and back and re.match(rf"{re.escape(frame.symbol)}\b", back):
            return frame._replace(symbol=back)
        return frame

    def result(self) -> list[Frame]:
        """Return all entries, innermost first; unreliable ones only if there are no others."""
        found = self._frames if any(frame.symbol for frame in self._frames) else self._guesses
        last = [Frame(self._back)] if self._back and len(found) < FRAMES else []
        return [*found, *last]
