# SPDX-License-Identifier: GPL-2.0-only
"""The sentence that tells why, where it stands before the report: above its cut-here line. Pure.

A checker prints what it found and then calls BUG() or WARN(), which print their own report.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mermapctl.console import Line

LOOK_BACK = 48
"""Lines above a report in which its cause is looked for: page_owner's traces take thirty."""
TEXT_LIMIT = 300
_DUMP = 10
"""Lines of a page's dump."""
_NEAR = 4
"""So many lines of the same thread may stand between a one-line cause and the report."""


class Prelude(NamedTuple):
    """What stands above a report: its cause, its lines, and FILE:LINE where it names one."""

    cause: str
    lines: tuple[Line, ...]
    where: str | None = None


_SENTENCE = re.compile(
    r"list_(?:add|del)\b.*|(?:hlist|plist|klist|rculist)\w* corrupt.*|page dumped because: .*"
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
_BARRIER = re.compile(
    r"\s*(?:not )?ok \d|---\[ end|\s*# Subtest|\s*K?TAP version|-{4,}\[ cut here"
)


def above(lines: Sequence[Line], opening: int) -> Prelude | None:
    """The cause in the lines above a report, all of its own thread; `opening` is its first line.

    A dump of a page begins with the page, a Rust panic with the place; the sentence of a checker is
    the last thing that the thread prints before BUG().
    """
    own = [line for line in lines if line.number < opening]
    for at in range(len(own) - 1, -1, -1):
        text = own[at].text.strip()
        near = len(own) - at <= _NEAR
        if _BARRIER.match(own[at].text):
            return None
        if near and (rust := _RUST.match(text)):
            said = own[at + 1].text.strip() if at + 1 < len(own) else text
            return Prelude(said[:TEXT_LIMIT], tuple(own[at : at + 2]), rust["where"])
        if not _SENTENCE.fullmatch(text):
            continue
        if text.startswith("page dumped"):
            return Prelude(text[:TEXT_LIMIT], tuple(own[_page(own, at) : at + 1]))
        if near:
            return Prelude(text[:TEXT_LIMIT], (own[at],))
    return None


def _page(lines: Sequence[Line], last: int) -> int:
    """The index of the first line of a page's dump, which ends at index `last`."""
    for at in range(last, max(last - _DUMP, -1), -1):
        if _PAGE.match(lines[at].text):
            return at
    return last
