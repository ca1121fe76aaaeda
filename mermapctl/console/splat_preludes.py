# SPDX-License-Identifier: GPL-2.0-only
"""The sentence with the cause, where a checker prints it above the cut-here line. Pure.

A checker prints what it found and then calls BUG() or WARN(), which print their own report.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import NamedTuple

from mermapctl.console.lines import Line

LOOK_BACK = 48
"""Lines above a report that are searched for its cause: page_owner's traces take thirty."""
TEXT_LIMIT = 300
_DUMP = 10
"""Lines of a page's dump."""
_NEAR = 4
"""Limit on lines of the same thread between a one-line cause and the report."""


class Prelude(NamedTuple):
    """The text above a report: its cause, its lines, and FILE:LINE if it names one."""

    cause: str
    lines: tuple[Line, ...]
    where: str | None = None


_SENTENCE = re.compile(
    r"list_(?:add|del)\b.*|(?:hlist|plist|klist|rculist)\w* corrupt.*"
    r"|(?:usercopy: )?Kernel memory (?:exposure|overwrite) attempt .*|usercopy: .*"
    r"|(?:skbuff: )?skb_(?:over|under)_panic: .*|CFI failure .*"
    r"|(?:fortify: )?\w*:? ?detected (?:buffer|field-spanning) .*|detected buffer overflow.*"
    r"|kernel tried to execute .*|unable to execute userspace .*|exploit attempt.*"
    r"|(?:\S+: )?[Aa]ssertion (?:failed|failure).*|.*\bVM_(?:BUG|WARN)_ON\w*\(.*"
    r"|kernel stack overflow.*|refcount_t: .*|ODEBUG: .*|slab: .*corrupt.*"
    r"|(?:double fault|stack overflow) .*|Bad page state .*|cache_from_obj: .*"
    r"|(?:\w+: )?(?:Wrong slab cache|Trying to vfree\(\)).*"
)
_RUST = re.compile(r"rust_kernel: panicked at (?P<where>.+?:\d+)(?::\d+)?:\s*\Z")
_PAGE = re.compile(r"page: ?(?:refcount|[0-9a-f]{8})")
_BARRIER = re.compile(r"\s*(?:not )?ok \d|---\[ end|\s*# Subtest|\s*K?TAP version|-{4,}\[ cut here")


def above(lines: Iterable[Line]) -> Prelude | None:
    """Return the cause in the lines above a report, all of its own thread, nearest first.

    A page's dump begins with the page, a Rust panic with the place; a checker's sentence is the
    last line that the thread prints before BUG().
    """
    seen: list[Line] = []
    source = iter(lines)
    for line in source:
        text = line.text.strip()
        if _BARRIER.match(line.text):
            return None
        near = len(seen) < _NEAR
        if near and (rust := _RUST.match(text)):
            said = seen[-1].text.strip() if seen else text
            return Prelude(said[:TEXT_LIMIT], (line, *seen[-1:]), rust["where"])
        if text.startswith("page dumped because: "):
            return Prelude(text[:TEXT_LIMIT], (*_page(source), line))
        if near and _SENTENCE.fullmatch(text):
            return Prelude(text[:TEXT_LIMIT], (line,))
        seen.append(line)
    return None


def _page(lines: Iterable[Line]) -> list[Line]:
    """Return the lines of a page's dump above its last one, [] without its first one."""
    found: list[Line] = []
    for line in itertools.islice(lines, _DUMP):
        found.insert(0, line)
        if _PAGE.match(line.text):
            return found
    return []
