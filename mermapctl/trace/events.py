# SPDX-License-Identifier: GPL-2.0-only
"""The text of a boot-time kprobe event -> an Event. Pure.

`tp_printk` prints `NAME: (SYMBOL+OFFSET/SIZE) FIELD=VALUE ...` for an entry probe and `NAME:
(CALLER+OFFSET/SIZE <- SYMBOL) ...` for a return probe (kernel/trace/trace_kprobe.c). An unreadable
number keeps the buffer's previous contents; a string prints `(fault)`.
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple

from mermapctl.console.splat import function

START = re.compile(r"mm_(get|got|put|flush|walk|tables|pte|prep|tear|pin|unpin)(_[a-z]+)?: \(")
"""Where an event begins in a console line; a glued line holds several."""

_FIELD = re.compile(r'(\w+)=(\{[^{}]*\}|"[^"]*"|[^\s{"]+)')

_RETURNS = re.compile(r"[\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[\w+\])? <- [\w.]+(?: \[\w+\])?")
"""The place of a return probe's event: for an entry it decides whether it is the mermap's."""

_SITE = re.compile(r"[\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+", re.ASCII)

ERROR_POINTER = (1 << 64) - 4096
"""From here on a pointer is a negative errno."""

KERNEL_POINTER = len("0xffff880000200000")

COMM = 15
"""Characters of a task's name at most (TASK_COMM_LEN)."""

FAULT = -1
"""Stands for a word that the probe could not read."""

OUTER_PUT = "mm_put_outer"
"""The probe on `mermap_put()`, into which gcc may inline `__mermap_put()`."""


class EventKind(enum.StrEnum):
    """The kind of an event."""

    GET = "get"
    GOT = "got"
    PUT = "put"
    FLUSH = "flush"
    WALK = "walk"
    TABLES = "tables"
    ENTRY = "pte"
    PREPARE = "prep"
    TEARDOWN = "tear"
    PIN = "pin"
    UNPIN = "unpin"


class TornError(ValueError):
    """An event's text is incomplete: another line cut into it."""


class Event(NamedTuple):
    """One event. `words` are the allocation's first 64-bit words; `size` is bytes asked or walked.

    `page` is the `struct page` that a get maps, 0 where it is not printed; `entry` is the page
    table entry as read after it was written, for the address `base`. `caller` is printk's thread or
    CPU ("T27", "C1", or "" where it prints none), `where` the function that the probe sits in or
    returns to, `by` the caller of a flush, walk or pin. `site` is
    the place in the caller to which a flush returns, as `FUNCTION+OFFSET/SIZE`.
    """

    kind: EventKind
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
    page: int = 0
    entry: int = 0
    site: str | None = None

    @property
    def outer(self) -> bool:
        """Whether a put is seen in the caller into which it may be inlined."""
        return self.probe == OUTER_PUT


_KINDS = {str(kind): kind for kind in EventKind}


def parse(match: re.Match[str], text: str, until: int, line: int, caller: str) -> Event:
    """Parse the event of `match` (of START) in `text[:until]`; TornError if it is incomplete."""
    name, variant = match.groups("")
    kind = _KINDS[name]
    start = match.end()
    closed = text.find(")", start, until)
    if closed < 0:
        raise TornError
    if kind is EventKind.ENTRY and not _RETURNS.fullmatch(text, start, closed):
        raise TornError
    where = function(text[start:closed])
    fields: dict[str, str] = dict(_FIELD.findall(text, closed, until))
    head = (kind, line, caller, f"mm_{name}{variant}", where)
    return _READERS.get(kind, _of_process)(head, fields)


_Head = tuple[EventKind, int, str, str, str]
_Fields = dict[str, str]


def _get(head: _Head, fields: _Fields) -> Event:
    page = _pointer(fields, "page") if "page" in fields else 0
    mm, size = _pointer(fields, "mm"), _number(fields, "size")
    return Event(*head, mm, size, _flag(fields, "rsv"), page=page)


def _got(head: _Head, fields: _Fields) -> Event:
    alloc = _number(fields, "ret")
    return Event(*head, alloc=alloc, words=_words(fields) if 0 < alloc < ERROR_POINTER else ())


def _put(head: _Head, fields: _Fields) -> Event:
    return Event(*head, alloc=_pointer(fields, "alloc"))


def _entry(head: _Head, fields: _Fields) -> Event:
    return Event(*head, entry=_number(fields, "pte"), base=_pointer(fields, "at"))


def _walk(head: _Head, fields: _Fields) -> Event:
    mm, base = _pointer(fields, "mm"), _pointer(fields, "at")
    return Event(*head, mm, _number(fields, "len"), base=base, by=_by(fields))


def _called(head: _Head, fields: _Fields) -> Event:
    return Event(*head, by=_by(fields), comm=_comm(fields))


def _flush(head: _Head, fields: _Fields) -> Event:
    by = fields.get("by", "")
    site = by if _SITE.fullmatch(by) else None
    return Event(*head, by=_by(fields), comm=_comm(fields), site=site)


def _of_process(head: _Head, fields: _Fields) -> Event:
    return Event(*head, _pointer(fields, "mm"))


_READERS = {
    EventKind.GET: _get,
    EventKind.GOT: _got,
    EventKind.PUT: _put,
    EventKind.ENTRY: _entry,
    EventKind.WALK: _walk,
    EventKind.TABLES: _walk,
    EventKind.FLUSH: _flush,
    EventKind.PIN: _called,
    EventKind.UNPIN: _called,
}


def _by(fields: dict[str, str]) -> str | None:
    return function(fields.get("by", "")) or None


def _comm(fields: dict[str, str]) -> str | None:
    """Parse a task's name: quoted, and of 15 characters at most."""
    comm = fields.get("comm")
    if comm is None or comm == "(fault)":
        return None
    if not comm.startswith('"') or len(comm) > len('""') + COMM:
        raise TornError
    return comm.strip('"')


def _number(fields: dict[str, str], name: str) -> int:
    return _value(fields.get(name, ""))


def _pointer(fields: dict[str, str], name: str) -> int:
    """Parse an address; a kernel address has sixteen digits, fewer are a fragment."""
    text = fields.get(name, "")
    if text == "0" or ("0xffff".startswith(text[:6]) and len(text) < KERNEL_POINTER):
        raise TornError
    return _value(text)


def _value(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        if text == "(fault)":
            return FAULT
        raise TornError from None


def _flag(fields: dict[str, str], name: str) -> bool:
    digit = fields.get(name, "")[:1]  # the next line may follow without a newline
    if not digit.isdigit():
        raise TornError
    return digit != "0"


def _words(fields: dict[str, str]) -> tuple[int, ...]:
    """Parse `w={0x..,0x..}`, `w0=0x.. w1=0x..`, or the fixed offsets `base=0x.. end=0x..`."""
    array = fields.get("w", "")
    if array.startswith("{"):
        return tuple(_value(text) for text in array[1:-1].split(","))
    names = [f"w{n}" for n in range(len(fields)) if f"w{n}" in fields] or ["base", "end"]
    return tuple(_number(fields, name) for name in names)
