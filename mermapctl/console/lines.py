# SPDX-License-Identifier: GPL-2.0-only
"""Console bytes -> numbered, normalized lines. Streaming; memory is bounded for any input.

Most lines of a log concern no reader. One compiled expression picks the relevant lines out of each
block of text; the others are only counted and never become Python objects. A consumer that needs
every following line (a call trace, a failure block) sets `attentive`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import BinaryIO, NamedTuple

from mermapctl.console.prefix import BEHIND, is_prefix, prefix_pattern

BLOCK_BYTES = 128 * 1024
LINE_BYTES = 64 * 1024
"""Limit on a line: a longer one is split into pieces."""
_OVERLAP = 1024
"""Bytes that two pieces share: one of them has a splat's whole title (LOG_LINE_MAX, printk.c)."""
_CONTINUED = b"\n~ "
"""Precedes every piece but the first: its start must not match as the start of a line."""
TAIL_CHARS = 16 * 1024
TAIL_LINES = 12


class LineKind(enum.IntEnum):
    """The reader of a line; OTHER lines are yielded only while the console is `attentive`."""

    OTHER = 0
    KTAP = 1
    SPLAT = 2
    TRACE = 3
    BOOT = 4
    HARNESS = 5


class LineRun(NamedTuple):
    """Consecutive `lines` matched by one expression; `number` is the number of the first."""

    number: int
    lines: int
    match: re.Match[str]


class Line(NamedTuple):
    """One console line without its prefix.

    `number` is 1-based. `seconds` and `caller` (`T27` a task, `C0` a CPU) come from printk's
    prefix. `whole` is False for a last line without a newline.
    """

    number: int
    text: str
    seconds: float | None = None
    caller: str | None = None
    kind: LineKind = LineKind.OTHER
    whole: bool = True


_STAMPS = r"(?:\[ *+[0-9]++\.[0-9]++\](?: ?\[ *+[CT][0-9]++\])?|\[ *+[CT][0-9]++\])"
"""The prefixes of printk itself; dmesg puts a space before the caller."""
_BRACKETS = r"\[[ 0-9.CT]++\] ?+(?:\[[ 0-9.CT]++\] ?+|)"
_PREFIX = rf"(?>{_BRACKETS}|<[0-9]{{1,3}}>(?:{_BRACKETS}|)|)"
"""printk's prefix, as the scan matches it: slightly too wide, at a third of the cost. `(?:X|)` is
faster than `(?:X)?`; the group is atomic, so there is no second try without the stamp."""
_STAMP = re.compile(
    r"(?:<[0-9]{1,3}>)?(?:\[ *(?P<seconds>[0-9]{1,12}\.[0-9]{1,9})\]"
    r"(?: ?\[ *(?P<caller>[CT][0-9]+)\])?|\[ *(?P<alone>[CT][0-9]+)\]|(?<=>)) ?"
)
_STAMP_AT_END = re.compile(rf"(?:<[0-9]{{1,3}}>)?(?:{_STAMPS})\Z")
_HEADER = re.compile(
    r"(?P<before>[^#\s](?:[^#]*?[^#\s])?)(?P<gap>\s*)(?:KTAP|(?<!K)TAP) version \d+\s*\Z"
)
_HEADER_WORDS = "TAP version "
_RESULT_WORDS = {"ok ": LineKind.KTAP, _HEADER_WORDS: LineKind.KTAP, "# Subtest: ": LineKind.KTAP}
"""Words to find inside lines while the prefix may change."""
PREFIXES = 8
"""Limit on the prefixes of one log."""
_STAMP_BEGINS = ("[", "<")
_ESCAPE = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\](?:[^\x07\x1b\n]*(?:\x07|\x1b\\)|(?:\d{1,4};)?)|[@-Z\\-~])"
)
"""An unterminated title (OSC) hides no text: only its first bytes are dropped."""
_CR_AT_EDGE = re.compile(rb"\r+\n|\n\r+")
_CR_INSIDE = re.compile(rb"\r+")
_SHOWN = {code: f"\\x{code:02x}" for code in (*range(9), *range(10, 32), *range(127, 160))}
"""Control characters are shown as escapes; a tab is indentation."""

_new_line = tuple.__new__
"""Line() without the overhead of a NamedTuple's constructor, for logs with many lines."""

Picks = tuple[str, ...]
"""Beginnings of a reader's lines: patterns without groups, led by a plain character."""


def _pattern(
    picks: Mapping[LineKind, Picks], prefix: str
) -> tuple[re.Pattern[str], list[LineKind]]:
    """Return the expression that picks lines, and the kind of each of its groups.

    `prefix` is the pattern of this log's own prefix. The alternatives are sorted by first
    character; a lookahead rejects most lines by theirs.
    """
    tree: dict[str, dict[LineKind, list[str]]] = {}
    for kind, beginnings in picks.items():
        for pattern in beginnings:
            cut = 2 if pattern.startswith("\\") else 1
            tree.setdefault(pattern[:cut], {}).setdefault(kind, []).append(pattern[cut:])
    kinds = [LineKind.OTHER]
    branches = []
    for first, rest in tree.items():
        kinds += rest
        groups = "|".join(f"({'|'.join(patterns)})" for patterns in rest.values())
        branches.append(f"{first}(?:{groups})")
    ahead = "".join(re.escape(first[-1]) if first != r"\t" else first for first in tree)
    return re.compile(rf"\n\r?+{prefix}{_PREFIX}(?=[{ahead}])(?:{'|'.join(branches)})"), kinds


def newline(seconds: str | None = None) -> str:
    """Return a pattern for a newline and printk's prefix; `seconds` names the time stamp group."""
    number = r"[0-9]{1,12}+\.[0-9]{1,9}+"
    stamp = number if seconds is None else f"(?P<{seconds}>{number})"
    return rf"\n(?:\[ *+{stamp}\](?: ?\[ *+[CT][0-9]++\]|) |)"  # `(?:X|)` is quicker than `(?:X)?`


class Console:
    """Iterate over the relevant lines of a console log.

    `stream` is a binary file or an iterable of byte chunks. `picks` gives for each reader the
    beginnings of its lines, behind their prefix; `anywhere` the words that also count in the middle
    of a line (torn lines, unknown prefixes); `run` a pattern of whole lines, each led by
    `newline()`, that are yielded as one LineRun.

    While iterating, the consumer may set and clear `attentive` and `runs`, `watch` for more words,
    `settle` the prefix and `forget` a reader. Afterwards `lines` is the number of lines, `tail` the
    last texts, and `whole` is True if the log ends with a newline.
    """

    def __init__(
        self,
        stream: BinaryIO | Iterable[bytes],
        picks: Mapping[LineKind, Picks],
        anywhere: Mapping[str, LineKind],
        run: re.Pattern[str] | None = None,
    ) -> None:
        self.attentive = False
        self.runs = run is not None
        self.lines = 0
        self.whole = True
        self.tail: tuple[str, ...] = ()
        self._stream = stream
        self._picks = picks
        self._anywhere = dict(anywhere)
        self._stale = False
        self._pick, self._kinds = _pattern(picks, "")
        self._run = run or re.compile(r"(?!)")
        self._prefix: re.Pattern[str] | None = None
        self._prefixes: list[str] = []
        self._settled = False
        self._soft = False
        self._cut = False
        self._prior = self._block = ""
        self._at = 0

    def __iter__(self) -> Iterator[Line | LineRun]:
        """Yield picked lines, and every line while `attentive` is set."""
        tail = ""
        for block in self._blocks():
            self._prior, self._block = self._block, block
            yield from self._scan(block)
            tail = block[-TAIL_CHARS:] if len(block) > TAIL_CHARS else (tail + block)[-TAIL_CHARS:]
        last = [self._normalize(text)[0] for text in tail.split("\n")[1:]]
        self.tail = tuple(last[-TAIL_LINES:])

    def watch(self, anywhere: Mapping[str, LineKind]) -> None:
        """Find these words in the middle of lines too, from the next line on."""
        if not anywhere.keys() <= self._anywhere.keys():
            self._anywhere.update(anywhere)
            self._stale = True

    def settle(self, *words: str) -> None:
        """Stop searching for headers inside lines: after a header the prefix is known.

        From the next line on `words` count only at the beginning of a line, too.
        """
        self._settled = True
        for each in (_HEADER_WORDS, *words):
            self._stale |= self._anywhere.pop(each, None) is not None

    def forget(self, kind: LineKind) -> None:
        """Pick no more lines for this reader, from the next line on."""
        self._picks = {each: picks for each, picks in self._picks.items() if each is not kind}
        prefix = self._prefix.pattern if self._prefix else ""
        self._pick, self._kinds = _pattern(self._picks, prefix)
        self._stale = True

    def above(self) -> Iterator[Line]:
        """Yield the lines above the one yielded last, nearest first.

        They reach back one block of the log at most.
        """
        number, end = self.lines, self._at
        for block in (self._block, self._prior):
            end = len(block) if block is not self._block else end
            while end > 0:
                start = block.rfind("\n", 0, end)
                raw = block[start + 1 : end]
                text, seconds, caller = self._normalize(raw)
                number -= 1
                yield Line(number, text, seconds, caller)
                number += raw.startswith("\r")
                end = start

    def _chunks(self) -> Iterator[bytes]:
        if isinstance(self._stream, Iterable) and not hasattr(self._stream, "read"):
            yield from self._stream
            return
        while chunk := self._stream.read(BLOCK_BYTES):
            yield chunk

    def _blocks(self) -> Iterator[str]:
        """Yield whole lines in blocks, each line led by its newline; long lines in pieces."""
        carry = b"\n"
        for chunk in self._chunks():
            data = carry + (chunk.replace(b"\0", b"") if b"\0" in chunk else chunk)
            cut = data.rfind(b"\n")
            yield from self._whole_lines(data[:cut])
            carry = yield from self._pieces(data[cut:])
        if len(carry) > 1:
            self.whole = False
            yield self._decode(carry)

    def _whole_lines(self, block: bytes) -> Iterator[str]:
        start = 0
        while len(block) - start > LINE_BYTES:
            end = block.rfind(b"\n", start + 1, start + LINE_BYTES + 1)
            if end < 0:
                if start:
                    yield self._decode(block[:start])
                end = block.find(b"\n", start + 1)
                end = len(block) if end < 0 else end
                last = yield from self._pieces(block[start:end])
                block, end = last + block[end:], len(last)
            start = end
        if block:
            yield self._decode(block)

    def _pieces(self, line: bytes) -> Generator[str, None, bytes]:
        """Yield all pieces of a line but the last, and return that.

        A piece ends at a lone carriage return, as a line does; otherwise the pieces overlap.
        """
        while len(line) > LINE_BYTES:
            cut = line.rfind(b"\r", 2, LINE_BYTES)
            if cut > 0:
                piece, line = line[:cut], b"\n" + line[cut:].lstrip(b"\r")
            else:
                piece, line = line[:LINE_BYTES], _CONTINUED + line[LINE_BYTES - _OVERLAP :]
            yield self._decode(piece)
            self._cut = True
        return line

    def _decode(self, block: bytes) -> str:
        """Drop escape sequences and carriage returns; decode.

        A lone carriage return begins a new line, as for programs that read in text mode. Neither it
        nor a split line's piece begins a new number: line numbers are those of an editor.
        """
        if b"\x1b" in block:
            block = _ESCAPE.sub(b"", block)
        self._soft, self._cut = self._cut, False
        lead = b"\n\r" if self._soft else b""
        if b"\r" in block:
            block = _CR_AT_EDGE.sub(b"\n", block).rstrip(b"\r")
            if b"\r" in block:
                block = _CR_INSIDE.sub(b"\n\r", block)
                self._soft = True
        if lead:
            block = lead + block[1:]
        return block.decode("utf-8", "backslashreplace")

    def _count(self, block: str, start: int, end: int) -> int:
        count = block.count("\n", start, end)
        return count - block.count("\n\r", start, end + 1) if self._soft else count

    def _find_anywhere(self, block: str, start: int) -> list[tuple[int, LineKind]]:
        """Return the lines that contain one of `anywhere`, in order, from `start` on."""
        found: dict[int, LineKind] = {}
        for words, kind in self._anywhere.items():
            at = block.find(words, start)
            while at >= 0:
                found.setdefault(block.rfind("\n", 0, at), kind)
                at = block.find(words, at + len(words))
        return [*sorted(found.items()), (len(block), LineKind.OTHER)]

    def _scan(self, block: str) -> Iterator[Line | LineRun]:
        """Yield from one block; `here` is the newline that leads the first uncounted line."""
        here, size = 0, len(block)
        pick, kinds, run = self._pick, self._kinds, self._run
        inside = iter(self._find_anywhere(block, 0))
        word, word_kind = next(inside)
        while here < size:
            match = pick.match(block, here) if self.attentive else pick.search(block, here)
            while word < here:
                word, word_kind = next(inside)
            mark, kind = word, word_kind
            if match is not None and match.start() <= mark:
                mark, kind = match.start(), kinds[match.lastindex or 0]
            if mark > here and self.attentive:
                mark, kind = here, LineKind.OTHER
            if mark > here:
                self.lines += self._count(block, here, mark)
                here = mark
                if here == size:
                    return
            many = run.match(block, here) if kind is LineKind.KTAP and self.runs else None
            if many is not None:
                count = block.count("\n", here, many.end())
                yield LineRun(self.lines + 1, count, many)
                self.lines += count
                here = many.end()
                continue
            end = block.find("\n", here + 1)
            end = size if end < 0 else end
            text, seconds, caller = self._normalize(block[here + 1 : end])
            if (
                kind is LineKind.KTAP
                and (match is None or mark != match.start())
                and (self._learn_first(text) or self._learn_next(block[here + 1 : end]))
            ):
                pick, kinds = self._pick, self._kinds
                continue  # match the same line again, behind the prefix learned from it
            self.lines += 1 if not self._soft else self._count(block, here, here + 1)
            whole = self.whole or end < size
            self._at = here
            yield _new_line(Line, (self.lines, text, seconds, caller, kind, whole))
            here = end
            if self._stale:
                self._stale = False
                pick, kinds = self._pick, self._kinds
                inside = iter(self._find_anywhere(block, here))
                word, word_kind = next(inside)

    def split(self, run: LineRun) -> Iterator[Line]:
        """Yield the lines of a run one by one."""
        for offset, raw in enumerate(run.match[0][1:].split("\n")):
            text, seconds, caller = self._normalize(raw)
            yield Line(run.number + offset, text, seconds, caller, LineKind.KTAP)

    def _normalize(self, text: str) -> tuple[str, float | None, str | None]:
        """Return the text without its prefix, the seconds and the caller."""
        seconds = caller = None
        text = text[1:] if text[:1] == "\r" else text
        if self._prefix is not None and (prefix := self._prefix.match(text)):
            text = text[prefix.end() :]
        if text[:1] in _STAMP_BEGINS and (stamp := _STAMP.match(text)):
            text = text[stamp.end() :]
            when, who, alone = stamp.groups()
            seconds = float(when) if when else None
            caller = who or alone
        text = text[:LINE_BYTES]
        return text if text.isprintable() else text.translate(_SHOWN), seconds, caller

    def _learn_first(self, text: str) -> bool:
        """Learn the prefix of a first KTAP header; return whether the line had one."""
        if self._settled or self._prefix is not None or not (header := _HEADER.match(text)):
            return False
        before = _STAMP_AT_END.sub("", header["before"]).rstrip()
        self._learn(before, len(header["gap"]) % 4)
        return True

    def _learn(self, before: str, gap: int) -> None:
        """Add a prefix; from now on either may precede a line."""
        self._prefixes.append(prefix_pattern(before, gap))
        self._prefix = re.compile(f"(?:{'|'.join(self._prefixes)})?")
        self._pick, self._kinds = _pattern(self._picks, self._prefix.pattern)
        self.watch(_RESULT_WORDS)

    def _learn_next(self, raw: str) -> bool:
        """Learn a new prefix from a KTAP line behind it; return whether the line had one."""
        known = self._prefix.match(raw) if self._prefix is not None else None
        if (known is not None and known.end()) or len(self._prefixes) >= PREFIXES:
            return False
        behind = BEHIND.match(raw)
        if behind is None or not is_prefix(before := behind["before"]):
            return False
        self._learn(_STAMP_AT_END.sub("", before).rstrip(), len(behind["gap"]) % 4)
        return True
