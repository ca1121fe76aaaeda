# SPDX-License-Identifier: GPL-2.0-only
"""The grammar of a splat's title, and its position in a line. Pure.

Titles known by their words come first: those of 6.12 and 7.3, of every architecture in kunit.py's
QEMU configurations, and of UML. die() prints the same form on all of them, ending in `[#N]`. A
sentence that may or may not be a title (`WARNING: text`, the text in a frame of `=`) is `weak`: the
lines below it decide.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

from mermapctl.console.frames import SYMBOL, place
from mermapctl.console.splat import SplatKind

TEXT_LIMIT = 300

PICKS = (
    *(r"--{3,}\[ cut here", "8<-", "=={24}", r"\[ BUG: ", r"\[ INFO: ", "WARNING: ", "BUG"),
    *("Kernel panic - ", "Kernel mode fault", "Kernel B[Uu][Gg]", "Kernel stack overflow"),
    *("kernel BUG ", "Kernel unaligned access", "Kernel Fault: ", "Kernel bug ", "Oops"),
    *("Internal error: ", "INFO: suspicious ", "INFO: inconsistent "),
    *("general protection fault", "segment-related general", "stack segment: ", "double fault: "),
    *("divide[_ ]error: ", "invalid opcode: ", "int3: ", "PANIC: ", "traps: PANIC: "),
    *("addressing exception: ", "Unable to handle ", "Unhandled fault", "Bad mode in "),
    *(r"CPU \d+ Unable", "Insufficient stack space", "UBSAN: ", "rcu: INFO: ", "INFO: task "),
    *("INFO: rcu", "INFO: trying to", "INFO: possible "),
    *("watchdog: ", "NMI watchdog: ", r"kmemleak: \d", "kmemleak: unref", "unreferenced object 0x"),
    # Lines that only follow a title: they reveal one that no other pattern matches.
    *("Call [Tt]race:", "Backtrace:", r"CPU: \d+ (?:UID: \d+ )?PID: ", "RIP: "),
    r"---\[ end trace ",
)
"""The lines that the splat reader wants (`console.Console`)."""

INSIDE = ("G: ", "new suspected memory leak")
"""Words that also count in the middle of a line; the first ends `BUG: ` and `WARNING: `. The lines
that follow a title reveal those without these words."""


class Title(NamedTuple):
    """A title and its position in a line.

    `symbol` is the function that it names, `cause` the reason that it gives, `number` the `N` of
    `[#N]`, `caller` that of a prefix of printk inside the line, before the title.
    """

    kind: SplatKind
    text: str
    where: str | None = None
    symbol: str | None = None
    cause: str | None = None
    number: int | None = None
    weak: bool = False
    caller: str | None = None
    offset: int = 0


_LOCKDEP = (
    r"(?:possible (?:circular|recursive|irq lock|deadlock|nested)|inconsistent lock"
    r"|(?:suspicious|illegal) RCU usage|bad (?:unlock balance|contention) detected|held lock freed"
    r"|lock held (?:when returning|at task exit)|Nested lock was not taken"
    r"|\w+-safe -> \w+-unsafe|[Ii]nvalid wait context|chain_key collision"
    r"|\S+/\d+ still has locks held|MAX_(?:LOCK|STACK_TRACE)|key \S+ has not|looking up invalid)"
)
_WARNED = r"(?:CPU: \d+ (?:UID: \d+ )?PID: \d+ )?"
"""The form before 6.18; later kernels may print a condition instead (DEBUG_BUGVERBOSE_DETAILED)."""
_IN = rf" in (?P<symbol>{SYMBOL}|[\w.$]+)"
_STACK = r"(?:\S+ )?stack guard page"
_FAULT = rf"kernel NULL pointer|unable to handle|kernel data access|{_STACK}"
_UNWINDER = (
    r"kernel stack (?:regs|frame pointer) at .* has bad|stack recursion on stack"
    r"|can't (?:access|dereference) registers at|stack going in the wrong direction"
    r"|missing \S+ (?:value )?at|unknown (?:\.orc_unwind entry|SP base|BP base)"
    r"|unrecognized unwind|invalid (?:unwind|\.orc)"
)
_CODE = r"[0-9a-f]{4}\b"
_FILE = r"(?:\.\./)*[\w./-]+\.\w{1,3}:\d+"
_WATCHDOG = r"(?:(?:NMI )?[Ww]atchdog: )?"
_LOCKUPS = r"(?:soft|spinlock|workqueue|hard) lockup"
_TRAPS = (
    r"general protection fault(?:, .*?)?|stack segment|divide[ _]error|invalid opcode|int3"
    r"|double fault"
)
_FAULTS = (
    r"Insufficient stack space to handle|Kernel stack overflow|Kernel mode fault|Bad mode in "
    r"|Unhandled fault|Kernel Fault: Code=|Kernel unaligned access at"
)
_TABLE: dict[SplatKind, tuple[str, ...]] = {
    SplatKind.KASAN: (rf"BUG: KASAN: (?P<cause>.+?{_IN})\s*\Z", r"BUG: KASAN: (?P<cause>.*)"),
    SplatKind.KCSAN: (
        rf"BUG: KCSAN: (?P<cause>[\w: -]+?{_IN}.*)",
        r"BUG: KCSAN: (?P<cause>.*)",
    ),
    SplatKind.KFENCE: (
        rf"BUG: KFENCE: (?P<cause>[\w: -]+?{_IN}.*)",
        r"BUG: KFENCE: (?P<cause>.*)",
    ),
    SplatKind.KMSAN: (
        rf"BUG: KMSAN: (?P<cause>[\w: -]+?{_IN}.*)",
        r"BUG: KMSAN: (?P<cause>.*)",
    ),
    SplatKind.LOCKDEP: (
        rf"(?:WARNING|BUG|INFO): (?P<cause>{_LOCKDEP}.*)",
        r"INFO: (?P<cause>trying to register non-static key.*)",
    ),
    SplatKind.PERCPU_PREEMPTIBLE: (r"BUG: (?P<cause>using \S+ in preemptible.*)",),
    SplatKind.SLEEP_IN_ATOMIC: (
        r"BUG: (?P<cause>(?:sleeping function|scheduling (?:while|in a non)).*)",
        r"BUG: (?P<cause>assuming (?:atomic|non migratable) context.*)",
    ),
    SplatKind.MEMORY_LEAK: (
        r"kmemleak: (?P<cause>\d+ new suspected memory leaks?)",
        r"(?:BUG: |)memory leak\s*\Z|(?:kmemleak: |)unreferenced object 0x",
    ),
    SplatKind.LOCKUP: (
        rf"{_WATCHDOG}BUG: (?P<cause>{_LOCKUPS}.*)",
        rf"{_WATCHDOG}(?:CPU\d+: |BUG: )?(?P<cause>Watchdog detected hard LOCKUP.*)",
        (
            rf"{_WATCHDOG}(?P<cause>CPU \d+ (?:self-)?detected hard LOCKUP"
            rf"(?: @ (?P<symbol>{SYMBOL}))?.*)"
        ),
        r"INFO: (?P<cause>task .+ blocked\b.* for more than.*)",
    ),
    SplatKind.RCU_STALL: (r"(?:rcu: )?INFO: (?P<cause>\w*rcu\w* .*\bstalls?\b.*)",),
    SplatKind.PANIC: (
        (
            r"Kernel panic - not syncing(?:: (?P<cause>.*?"
            rf"(?: in: (?P<symbol>{SYMBOL}))?))?\s*\Z"
        ),
    ),
    SplatKind.BUG: (
        r"[Kk]ernel B(?:UG|ug) at (?P<where>[^\s:]+:\d+)",
        r"BUG: failure at (?P<where>\S+?:\d+)/(?P<symbol>\w+)\(\)!",
    ),
    SplatKind.WARNING: (
        (
            rf"WARNING: {_WARNED}(?:\[(?P<cause>.*)\] )?(?:at )?(?P<where>{_FILE})\b"
            rf"(?:(?: at)? (?P<symbol>{SYMBOL}))?"
        ),
        rf"WARNING: {_WARNED}at (?P<symbol>{SYMBOL})",
        rf"WARNING: {_WARNED}at 0x[0-9a-f]+",
        rf"WARNING: (?P<cause>(?:{_UNWINDER}).*)",
    ),
    # The compiler's name of a file in the tree may begin with Kbuild's link to the tree.
    SplatKind.UBSAN: (
        r"UBSAN: (?P<cause>.*) in (?:source/)?(?P<where>[\w./-]+:\d+)",
        r"UBSAN: (?P<cause>.*)",
    ),
    SplatKind.OOPS: (
        rf"BUG: (?P<cause>(?i:{_FAULT}).*)",
        r"(?:CPU \d+ )?(?P<cause>Unable to handle (?:kernel|MMU|paging).*)",
        rf"(?P<cause>{_FAULTS})",
        r"(?:traps: )?PANIC: (?P<cause>.*)",
        rf"Oops: (?!Oops)(?P<cause>[A-Za-z].*?)(?:: {_CODE}|, sig:|\s\[#|\Z)",
        rf"Oops\b|Oops#?: {_CODE}",
        r"Internal error: (?P<cause>.*?)(?:: [0-9a-f]+ \[#|\s*\[#|\s*\Z)",
        rf"(?P<cause>{_TRAPS})\b(?:: ?{_CODE}|,|:|\s*\[#)",
        r"\S+\(\d+\): (?P<cause>Oops|Kernel [Bb]ug)\b",
    ),
}
_GRAMMAR = tuple(
    (kind, re.compile(pattern)) for kind, patterns in _TABLE.items() for pattern in patterns
)

_LOOSE = re.compile(r"BUG(?:: (?P<cause>.*)| \S+ \(.*?\)(?:: (?P<slab>.*))?)")
"""A complaint of an unknown kind, certain only at the beginning of a line."""
_WEAK = re.compile(r"WARNING: \S|\[ (?:BUG|INFO|WARNING): .* \]")
_BEGINS = re.compile(
    r"BUG: |BUG (?=\S+ \()|WARNING: |\[ (?:BUG|INFO): |Kernel panic - |[Kk]ernel B(?:UG|ug) at "
    r"|(?:rcu: )?INFO: |(?:NMI )?watchdog: |Unable to handle |CPU \d+ Unable|UBSAN: |Oops"
    r"|Internal error: |general protection fault|segment-related|divide[ _]error|invalid opcode"
    r"|stack segment|kmemleak: \d|Kernel mode fault|Bad mode in |Unhandled fault"
    r"|(?:traps: )?PANIC: |Kernel stack overflow|Insufficient stack|Kernel Fault: |Kernel unaligned"
)
"""Beginnings of titles that are searched behind other text in a line."""
_DEATHS = re.compile(r"Oops|Internal error|general|segment|divide|invalid|stack segment")
"""Words that are a title behind other text only with the count of deaths."""

MOST, LONGEST = 100, 2048
"""Beginnings tried behind other text in a line, and characters of each: printk's lines have 1,024.
A line has up to 64 KB, in which thousands may be repeated."""

_FLAGS = r"(?:,? [A-Z][A-Z0-9_]*(?:\(\w+\))?)*"
_DIE = re.compile(
    r"(?P<name>(?:Oops: |Internal error: )?[A-Za-z#][\w ,'()/-]*?)"
    r"(?:: (?P<code>[0-9a-f]{1,16})|, sig: \d+)?:?(?: ilc:\d)? ?\[#(?P<number>\d{1,6})\]"
    rf"(?=:|{_FLAGS}\s*\Z|\s*\Z)"
)
"""The output of die(): a name, an optional error code, and the count of deaths."""
_COUNT = re.compile(r"\[#(\d{1,6})\]")
_STAMP = re.compile(
    r"(?:<\d{1,3}>)?(?:\[ *\d{1,12}\.\d{1,9}\](?: ?\[ *(?P<caller>[CT]\d+)\])?"
    r"|\[ *(?P<alone>[CT]\d+)\]) ?"
)
_OPENING = re.compile(r"(?P<cut>-{4,}\[ cut here \]?)|8<--- cut here|(?P<frame>={25,}\s*\Z)")
_CUT_INSIDE = re.compile(r"-{4,}\[ cut here \]-{4}")


_FOLLOWERS = ("CPU: ", "RIP: ", "Call ", "Backtrace:", "---[ end ")
"""Beginnings of lines that are no titles, though one may have run into them."""
_BRACKET = re.compile(r"\[ *(?:[CT]?\d|#|cut here)")
"""The beginning of a prefix of printk, of a count of deaths, or of a cut-here line."""
_HINTS = (
    *("G: ", "BUG", "INFO: ", " - not sync", "Unable to", "UBSAN: ", "dog: ", "kmemleak: "),
    *("PANIC: ", "nhandled fault", "ernel ", "Bad mode in ", "nsufficient stack"),
)
"""A word of each title in `_BEGINS` that counts without a count of deaths."""


def may_contain_title(text: str) -> bool:
    """Return quickly whether a title or an opening may stand behind other text in a line."""
    return any(hint in text for hint in _HINTS) or bool("[" in text and _BRACKET.search(text))


class Opening(NamedTuple):
    """A line above a title: a cut-here line is `sure` to begin a report."""

    sure: bool
    frame: bool
    caller: str | None = None


def opening(text: str) -> Opening | None:
    """Return the opening of a report, None if `text` is none."""
    match = _OPENING.match(text)
    if match is not None:
        return Opening(match["cut"] is not None, match["frame"] is not None)
    inside = _CUT_INSIDE.search(text)
    if inside is None or text.startswith("#"):
        return None
    stamp = _stamp_before(text, inside.start())
    return Opening(sure=True, frame=False, caller=_caller(stamp))


def _caller(stamp: re.Match[str] | None) -> str | None:
    return (stamp["caller"] or stamp["alone"]) if stamp else None


def _stamp_before(text: str, at: int) -> re.Match[str] | None:
    """Return the last prefix of printk inside a line before `at`."""
    found = list(_STAMP.finditer(text, 0, at))
    return found[-1] if found else None


def inner(text: str) -> tuple[str, str | None] | None:
    """Return the text behind the last prefix of printk inside a line, and its caller."""
    stamp = _stamp_before(text, len(text)) if "]" in text else None
    return (text[stamp.end() :], _caller(stamp)) if stamp else None


def find(text: str) -> Title | None:
    """Return the title in a line, also behind a prompt, dots or another message; None without one.

    Behind text without a prefix of printk in between, only a title known by its words is certain;
    other sentences are weak.
    """
    if text.startswith(_FOLLOWERS) and (text[0] == "-" or not may_contain_title(text)):
        return None
    if (title := _at(text, 0, len(text))) is not None:
        return title
    stamps = list(_STAMP.finditer(text)) if "]" in text else []
    for number, stamp in enumerate(stamps):
        until = stamps[number + 1].start() if number + 1 < len(stamps) else len(text)
        if (title := _at(text, stamp.end(), until)) is not None:
            return title._replace(caller=_caller(stamp))
    for begin in islice(_BEGINS.finditer(text, 1), MOST):
        if text[: begin.start()].rstrip().endswith("---[ end"):
            return None
        title = _at(text, begin.start(), min(len(text), begin.start() + LONGEST))
        if title is not None and (title.number is not None or not _DEATHS.match(title.text)):
            return title._replace(weak=title.weak or title.kind is SplatKind.OTHER)
    return None


def _at(text: str, start: int, end: int) -> Title | None:
    """Return the title that begins at `start` and ends before the next prefix of printk."""
    said = text[start:end]
    if start == 0 and "]" in said and (glued := _STAMP.search(said, 1)) is not None:
        said = said[: glued.start()]
    framed = said.startswith("[ ")
    said = (said[2:].rstrip().removesuffix(" ]") if framed else said).rstrip()
    for kind, pattern in _GRAMMAR:
        if match := pattern.match(said):
            return _title(kind, said, match.groupdict(), start)
    if "[#" in said and (die := _death(said, start)):
        return die
    if not framed and (loose := _LOOSE.match(said)):
        cause = loose["cause"] or loose["slab"]
        return Title(SplatKind.OTHER, said[:TEXT_LIMIT], cause=_short(cause), offset=start)
    if _WEAK.match(text[start:end]):
        kind = SplatKind.WARNING if said.startswith("WARNING") else SplatKind.OTHER
        cause = said.partition(": ")[2]
        return Title(kind, said[:TEXT_LIMIT], cause=_short(cause), weak=True, offset=start)
    return None


def _title(kind: SplatKind, said: str, groups: dict[str, str | None], start: int) -> Title:
    count = _COUNT.search(said) if kind is SplatKind.OOPS else None
    return Title(
        kind,
        said[:TEXT_LIMIT],
        where=groups.get("where") or place(groups.get("symbol")),
        symbol=groups.get("symbol"),
        cause=_short(groups.get("cause")),
        number=int(count[1]) if count else None,
        offset=start,
    )


def _death(said: str, start: int) -> Title | None:
    """Return a title of die() with an unknown name: the words before the error code."""
    match = _DIE.search(said)
    if match is None:
        return None
    name = match["name"].strip(" ,-")
    return Title(
        SplatKind.OOPS,
        said[match.start() :].rstrip()[:TEXT_LIMIT],
        cause=_short(name),
        number=int(match["number"]),
        offset=start + match.start(),
    )


def _short(text: str | None) -> str | None:
    return text.strip()[:TEXT_LIMIT] or None if text else None
