# SPDX-License-Identifier: GPL-2.0-only
"""One hit of a probe: the text of a boot-time kprobe event -> an Event. Pure.

`tp_printk` prints `NAME: (SYMBOL+OFFSET/SIZE) FIELD=VALUE ...` for an entry probe and
`NAME: (CALLER+OFFSET/SIZE <- SYMBOL) ...` for a return probe (kernel/trace/trace_kprobe.c). A
number that could not be read keeps whatever the buffer held; a string prints `(fault)`.
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple

START = re.compile(r"\bmm_(get|got|put|flush|walk|prep|tear)(_[a-z]+)?: \(")
"""Where an event begins in a console line; a glued line holds several."""

_FIELD = re.compile(r'(\w+)=(\{[^{}]*\}|"[^"]*"|[^\s{"]+)')

FAULT = -1
"""Stands for a word that the probe could not read."""


class Kind(enum.StrEnum):
    """What a probe saw."""

    GET = "get"
    GOT = "got"
    PUT = "put"
    FLUSH = "flush"
    WALK = "walk"
    PREPARE = "prep"
    TEARDOWN = "tear"


class TornError(ValueError):
    """An event's text lacks something: another line cut into it."""


class Event(NamedTuple):
    """One hit. `words` are the allocation's first 64-bit words; `size` is bytes asked or walked.

    `caller` is printk's thread or CPU ("T27", "C1", or "" where it prints none), `where` the
    function that the probe sits in or returns to, `by` the function that called a flush or walk.
    """

    kind: Kind
    line: int
    caller: str
    probe: str
    where: str = ""
    mm: int = 0
    size: int = 0
    reserved: bool = False
    alloc: int = 0
    words: tuple[int, ...] = ()
    base: int = 0
    by: str | None = None
    comm: str | None = None


def parse(match: re.Match[str], text: str, line: int, caller: str) -> Event:
    """The event that `match` (of START) begins in `text`; raises TornError if it is not whole."""
    kind = Kind(match[1])
    where, closed, rest = text[match.end() :].partition(")")
    if not closed:
        raise TornError
    fields: dict[str, str] = dict(_FIELD.findall(rest))
    start = Event(kind, line, caller, f"mm_{match[1]}{match[2] or ''}", _symbol(where))
    if kind is Kind.GET:
        return start._replace(
            mm=_number(fields, "mm"), size=_number(fields, "size"), reserved=_flag(fields, "rsv")
        )
    if kind is Kind.GOT:
        alloc = _number(fields, "ret")
        return start._replace(alloc=alloc, words=_words(fields) if alloc else ())
    if kind is Kind.PUT:
        return start._replace(alloc=_number(fields, "alloc"))
    if kind is Kind.WALK:
        return start._replace(
            mm=_number(fields, "mm"), size=_number(fields, "len"), base=_number(fields, "at"),
            by=_symbol(fields.get("by", "")) or None,
        )  # fmt: skip
    if kind is Kind.FLUSH:
        by, comm = fields.get("by", ""), fields.get("comm", "")
        return start._replace(by=_symbol(by) or None, comm=comm.strip('"') or None)
    return start._replace(mm=_number(fields, "mm"))


def _symbol(text: str) -> str:
    return text.partition("+")[0].partition(" ")[0]


def _number(fields: dict[str, str], name: str) -> int:
    return _value(fields.get(name, ""))


def _value(text: str) -> int:
    if text == "(fault)":
        return FAULT
    try:
        return int(text, 16) if text.startswith("0x") else int(text)
    except ValueError:
        raise TornError from None


def _flag(fields: dict[str, str], name: str) -> bool:
    digit = fields.get(name, "")[:1]  # the next line may be glued on
    if not digit.isdigit():
        raise TornError
    return digit != "0"


def _words(fields: dict[str, str]) -> tuple[int, ...]:
    """`w={0x..,0x..}`, `w0=0x.. w1=0x..`, or the fixed offsets `base=0x.. end=0x..`."""
    array = fields.get("w", "")
    if array.startswith("{"):
        return tuple(_value(text) for text in array[1:-1].split(","))
    names = [f"w{n}" for n in range(len(fields)) if f"w{n}" in fields] or ["base", "end"]
    return tuple(_number(fields, name) for name in names)
