# SPDX-License-Identifier: GPL-2.0-only
"""Console bytes -> numbered, normalized lines. Streaming; memory is bounded whatever the input.

A log is mostly lines that mean nothing to the judge. One compiled expression picks those that may
mean something out of each block of bytes; the others are counted and never become Python objects.
A consumer that needs the lines which follow (a call trace, a failure block) sets `attentive`.
"""

from __future__ import annotations

import enum
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO, NamedTuple

BLOCK_BYTES = 256 * 1024
LINE_BYTES = 64 * 1024
"""Longest line that is kept; the rest of it is dropped and `Console.capped` says how often."""
TAIL_BYTES = 16 * 1024
TAIL_LINES = 12


class Kind(enum.IntEnum):
    """Which reader a line is for; OTHER lines come only while the console is `attentive`."""

    OTHER = 0
    KTAP = 1
    SPLAT = 2
    TRACE = 3
    BOOT = 4


class Line(NamedTuple):
    """One console line without its prefix.

    `number` is 1-based; `seconds` and `caller` (`T27` a task, `C0` a CPU) are those of printk's
    prefix; `whole` is False for a last line that no newline ends.
    """

    number: int
    text: str
    seconds: float | None = None
    caller: str | None = None
    kind: Kind = Kind.OTHER
    whole: bool = True


_STAMPS = rb"(?:\[ *\d+\.\d+\](?:\[ *[CT]\d+\])?|\[ *[CT]\d+\])"
_PRINTK = rb"(?:<\d{1,3}>)?(?:" + _STAMPS + rb" ?)?"
_STAMP = re.compile(
    rb"(?:<\d{1,3}>)?(?:\[ *(?P<seconds>\d+\.\d+)\](?:\[ *(?P<caller>[CT]\d+)\])?"
    rb"|\[ *(?P<alone>[CT]\d+)\]|(?<=>)) ?"
)
_STAMP_AT_END = re.compile(r"(?:<\d{1,3}>)?(?:" + _STAMPS.decode() + r") ?\Z")
_HEADER = re.compile(r"(?P<before>[^#\s][^#]*?)\s?[ \t]*K?TAP version \d+\s*\Z")
_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\-~])")
_CR_AT_EDGE = re.compile(rb"\r+\n|\n\r+")
_CR_INSIDE = re.compile(rb"\r+")
_SHOWN = {code: f"\\x{code:02x}" for code in (*range(9), *range(10, 32), *range(127, 160))}
"""Control characters are shown, never obeyed; a tab is indentation."""

_VARYING = re.compile(
    "(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun"
    "|emerg|alert|crit|err|warn|notice|info|debug)"
)


def _pattern(picks: Mapping[Kind, bytes], prefix: bytes) -> re.Pattern[bytes]:
    """The expression that picks lines; `prefix` is the pattern of this log's own prefix."""
    groups = b"|".join(b"(?P<%s>%s)" % (kind.name.encode(), pick) for kind, pick in picks.items())
    return re.compile(rb"\n\r?" + prefix + _PRINTK + b"(?:" + groups + b")")


def _generalize(before: str) -> bytes:
    """The text that stands before a KTAP header -> an optional pattern for that of other lines.

    Numbers vary from line to line, and so do the names of months, days and log levels; all else
    (host name, tty, punctuation) is the same in every line of one log.
    """
    parts = []
    for token in re.findall(r"\d+| +|[A-Za-z]+|[^\dA-Za-z ]+", before):
        if token.isdigit():
            parts.append(r"\d+")
        elif token.isspace():
            parts.append(" +")
        elif _VARYING.fullmatch(token):
            parts.append("[A-Za-z]+")
        else:
            parts.append(re.escape(token))
    return f"(?:{''.join(parts)} ?)?+".encode()


class Console:
    """Iterate the lines worth reading of a console log.

    `stream` is a binary file or an iterable of byte chunks. `picks` says for each reader how the
    lines begin that it wants (alternatives of a bytes pattern, behind the prefix), `anywhere` which
    byte strings matter in the middle of a line too: torn lines, prefixes that nobody foresaw.
    While iterating, the consumer may set and clear `attentive`. After it, `lines` is the number of
    lines, `tail` the last texts, `capped` how many lines were cut at LINE_BYTES, and `whole` says
    whether a newline ends the log.
    """

    def __init__(
        self,
        stream: BinaryIO | Iterable[bytes],
        picks: Mapping[Kind, bytes],
        anywhere: Mapping[bytes, Kind],
    ) -> None:
        self.attentive = False
        self.lines = 0
        self.capped = 0
        self.whole = True
        self.tail: tuple[str, ...] = ()
        self._stream = stream
        self._picks = picks
        self._anywhere = dict(anywhere)
        self._stale = False
        self._pick = _pattern(picks, b"")
        self._prefix: re.Pattern[bytes] | None = None
        self._soft = False

    def __iter__(self) -> Iterator[Line]:
        """Yield picked lines, and every line while `attentive` is set."""
        tail = b""
        for block in self._blocks():
            yield from self._scan(block)
            tail = (tail + block)[-TAIL_BYTES:]
        last = [self._normal(text)[0] for text in tail.split(b"\n")[1:]]
        self.tail = tuple(last[-TAIL_LINES:])

    def watch(self, anywhere: Mapping[bytes, Kind]) -> None:
        """From the next line on look for these byte strings in the middle of lines too."""
        self._stale = self._stale or not anywhere.keys() <= self._anywhere.keys()
        self._anywhere.update(anywhere)

    def _chunks(self) -> Iterator[bytes]:
        if isinstance(self._stream, Iterable) and not hasattr(self._stream, "read"):
            yield from self._stream
            return
        while chunk := self._stream.read(BLOCK_BYTES):
            yield chunk

    def _blocks(self) -> Iterator[bytes]:
        """Whole lines in blocks, each line led by its newline."""
        carry = b"\n"
        skipping = False
        for chunk in self._chunks():
            cut = chunk.find(b"\n") if skipping else 0
            if cut < 0:
                continue
            skipping = False
            data = carry + chunk[cut:]
            cut = data.rfind(b"\n")
            block, carry = data[:cut], data[cut:]
            if len(carry) > LINE_BYTES:
                carry = carry[:LINE_BYTES]
                skipping = True
                self.capped += 1
            if block:
                yield self._clean(block)
        if len(carry) > 1:
            self.whole = False
            yield self._clean(carry)

    def _clean(self, block: bytes) -> bytes:
        """Drop NULs, escape sequences and carriage returns.

        A lone carriage return begins a new line here, as it does for programs that read in text
        mode, but no new number: line numbers are those of an editor.
        """
        if b"\0" in block:
            block = block.replace(b"\0", b"")
        if b"\x1b" in block:
            block = _ESCAPE.sub(b"", block)
        self._soft = False
        if b"\r" in block:
            block = _CR_AT_EDGE.sub(b"\n", block).rstrip(b"\r")
            if b"\r" in block:
                block = _CR_INSIDE.sub(b"\n\r", block)
                self._soft = True
        return block

    def _count(self, block: bytes, start: int, end: int) -> int:
        count = block.count(b"\n", start, end)
        return count - block.count(b"\n\r", start, end + 1) if self._soft else count

    def _marks(self, block: bytes, start: int) -> list[tuple[int, Kind]]:
        """Where the lines worth reading begin, in order, from `start` on."""
        marks = {m.start(): Kind[m.lastgroup or ""] for m in self._pick.finditer(block, start)}
        for token, kind in self._anywhere.items():
            at = block.find(token, start)
            while at >= 0:
                marks.setdefault(block.rfind(b"\n", 0, at), kind)
                at = block.find(token, at + len(token))
        return sorted(marks.items())

    def _scan(self, block: bytes) -> Iterator[Line]:
        """Yield from one block; `here` is the newline that leads the first uncounted line."""
        here, size = 0, len(block)
        marks = deque(self._marks(block, 0))
        while here < size:
            if not self.attentive:
                if not marks:
                    break
                self.lines += self._count(block, here, marks[0][0])
                here = marks[0][0]
            kind = marks.popleft()[1] if marks and marks[0][0] == here else Kind.OTHER
            end = block.find(b"\n", here + 1)
            end = size if end < 0 else end
            text, seconds, caller = self._normal(block[here + 1 : end])
            if kind is Kind.KTAP and self._learned(text):
                marks = deque(self._marks(block, here))
                continue  # look at the same line again, with its prefix known
            self.lines += self._count(block, here, here + 1)
            whole = self.whole or end < size
            yield Line(self.lines, text, seconds, caller, kind, whole)
            here = end
            if self._stale:
                self._stale = False
                marks = deque(self._marks(block, here))
        self.lines += self._count(block, here, size)

    def _normal(self, raw: bytes) -> tuple[str, float | None, str | None]:
        """Text without prefix, seconds, caller."""
        seconds = caller = None
        if self._prefix is not None and (prefix := self._prefix.match(raw)):
            raw = raw[prefix.end() :]
        if raw[:1] in (b"[", b"<") and (stamp := _STAMP.match(raw)):
            raw = raw[stamp.end() :]
            if stamp["seconds"]:
                seconds = float(stamp["seconds"])
            who = stamp["caller"] or stamp["alone"]
            caller = who.decode() if who else None
        text = raw[:LINE_BYTES].decode("utf-8", "backslashreplace")
        return text if text.isprintable() else text.translate(_SHOWN), seconds, caller

    def _learned(self, text: str) -> bool:
        """Whether this is a KTAP header behind a prefix that was unknown until now."""
        if self._prefix is not None or not (header := _HEADER.match(text)):
            return False
        before = _STAMP_AT_END.sub("", header["before"] + " ").rstrip()
        self._prefix = re.compile(_generalize(before))
        self._pick = _pattern(self._picks, self._prefix.pattern)
        return True
