# SPDX-License-Identifier: GPL-2.0-only
"""Finds what a person or a mailer did to a quoted console: lines left out, lines wrapped. Pure.

Both change what the console shows of the kernel, and neither is the kernel's doing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

SEARCHED = 1 << 20
"""Bytes searched for marks, in 6 ms. They are made by hand, and no list takes a longer mail."""
MARKS = 64
"""The most marks that are kept."""
_LONGEST = 120
"""Bytes of a line that may be a mark."""
_NEEDLES = (
    b"...",
    "…".encode(),
    b"8<",
    b"snip",
    b"Snip",
    b"SNIP",
    b"omitted",
    b"trimmed",
    b">8",
    b"[cut",
)
_WORDS = r"(?:snip(?:ped)?|cut|trim(?:med)?|omitted|skipped|lines?|more|etc)"
_DOTS = r"(?:\.{3,}|…|\. \. \.)"
_MARK = re.compile(
    r"[>|\s]*(?:"
    rf"{_DOTS}"
    rf"|[\[(<{{]+\s*{_DOTS}[^\])>}}]*[\])>}}]+"
    rf"|[\[(<{{]+[^\])>}}]*(?:\b{_WORDS}\b)[^\])>}}]*[\])>}}]+"
    rf"|{_DOTS}?\s*(?:\d+ )?(?:lines? )?(?:snip(?:ped)?|omitted|trimmed)\b\s*{_DOTS}?"
    r"|[-=_~ ]*(?:8<|>8|✂)[-=_~<> 8]*(?:(?:snip|cut)(?: here)?)?[-=_~<> 8]*"
    r")\s*",
    re.IGNORECASE,
)
_TRACE_END = re.compile(r"-+\[ (?:cut here|end trace [0-9a-f]+) \]-+")


class CutMarks:
    """Pass on the chunks of a console unchanged; then `lines` are the numbers of its marks.

    A mark stands on a line of its own in place of lines that were left out: `[...]`, `…`, `[snip]`,
    `--8<--`.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.lines: list[int] = []

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks; search whole lines."""
        carry, number, left = b"", 1, SEARCHED
        for chunk in self._chunks:
            yield chunk
            if left <= 0:
                continue
            left -= len(chunk)
            data = carry + chunk
            end = data.rfind(b"\n") + 1
            self._search(data[:end], number)
            number += data.count(b"\n", 0, end)
            carry = data[max(end, len(data) - 2 * _LONGEST) :]
        if carry:
            self._search(carry, number)

    def _search(self, data: bytes, number: int) -> None:
        found: set[int] = set()
        for needle in _NEEDLES:
            at = data.find(needle)
            while at >= 0 and len(found) < MARKS:
                start = data.rfind(b"\n", max(0, at - _LONGEST), at) + 1
                end = data.find(b"\n", at, at + _LONGEST)
                end = len(data) if end < 0 and len(data) - at < _LONGEST else end
                if (start or at < _LONGEST) and end >= 0 and _is_mark(data[start:end]):
                    found.add(start)
                at = data.find(needle, max(end, at + len(needle)))
        for start in sorted(found)[: MARKS - len(self.lines)]:
            self.lines.append(number + data.count(b"\n", 0, start))


def _is_mark(line: bytes) -> bool:
    text = line.decode("utf-8", "replace")
    return _MARK.fullmatch(text) is not None and not _TRACE_END.search(text)


class Wrapped(NamedTuple):
    """Lines that a mailer wrapped: the number of the first, how many, and their longest width."""

    line: int
    rests: int
    width: int


NARROW, WIDE = 60, 80
"""Widths at which mailers wrap: RFC 5322, 2.1.1, recommends 78; most take 72."""
QUOTE = re.compile(r"(?:[>|] ?)+")
STAMP = r"(?:<\d{1,3}>)?\[ *\d{1,12}\.\d{1,9}\]"
"""printk's level and time; the caller is left out, which may follow."""
_STAMP = re.compile(STAMP)
_OWN = re.compile(
    r"\s|(?:not )?ok \d|K?TAP version|1\.\.\d|#|\[|<|-{3,}|Linux version|[A-Z]{3,}\b|Bail out!"
)
"""Beginnings of lines that are no rest of a wrapped one, in a console without time stamps."""


def wrapped(text: str) -> Wrapped | None:
    """Find lines that were wrapped; None if there are none, or a longer line was left whole.

    A line was wrapped if the next one has no prefix where others have one, and its first word would
    not have fitted.
    """
    lines = [QUOTE.sub("", line.rstrip("\r")) for line in text.split("\n")]
    begin = next((at for at, line in enumerate(lines) if "TAP version " in line), 0)
    body = [(at, line) for at, line in enumerate(lines[begin:], begin + 1) if line.strip()]
    if any(len(line) > WIDE and " " in line[24:WIDE] for _, line in body):
        return None  # a mailer would have wrapped it
    stamped = sum(_STAMP.match(line) is not None for _, line in body) > len(body) / 2
    broken = []
    for (at, line), (_, rest) in itertools.pairwise(body):
        own = _STAMP.match(rest) if stamped else _OWN.match(rest)
        if own is None and NARROW / 2 < len(line) <= WIDE and " " in line.strip():
            broken.append((at, len(line), len(line) + 1 + len(rest.split()[0])))
    width = max((size for _, size, _ in broken), default=0)
    fitting = [each for each in broken if each[2] > max(width, NARROW)]
    if len(fitting) < (1 if stamped else 2) or len(fitting) * 2 < len(broken):
        return None
    return Wrapped(fitting[0][0], len(fitting), width)
