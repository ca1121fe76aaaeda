# SPDX-License-Identifier: GPL-2.0-only
"""Console lines -> splats: warnings, oopses, sanitizer and lockdep reports. Pure and streaming.

The titles are those that 6.12 and 7.3 print, on x86, arm, arm64, riscv, powerpc, s390 and UML.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mermapctl.console import Kind

if TYPE_CHECKING:
    from mermapctl.console import Line


class SplatKind(enum.StrEnum):
    """What the kernel complained of."""

    WARNING = "warning"
    BUG = "bug"
    OOPS = "oops"
    PANIC = "panic"
    KASAN = "kasan"
    KCSAN = "kcsan"
    KFENCE = "kfence"
    KMSAN = "kmsan"
    UBSAN = "ubsan"
    LOCKDEP = "lockdep"
    RCU_STALL = "rcu-stall"
    SLEEP_IN_ATOMIC = "sleep-in-atomic"
    LOCKUP = "lockup"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Splat:
    """One complaint; `line`..`last_line` are its console lines (1-based, inclusive).

    `frames` are the call trace's reliable entries, innermost first; `excerpt` is the text itself,
    capped, so that a record can show it where the console is gone. `where` is FILE:LINE if the
    title has it, `message` what WARN() printed with it, `count` how often the same came in the same
    test. `in_suite` is False for what was said before, between and after the suites.
    """

    kind: SplatKind
    title: str
    test: str | None
    line: int
    last_line: int | None = None
    frames: tuple[str, ...] = ()
    excerpt: tuple[str, ...] = ()
    where: str | None = None
    message: str | None = None
    count: int = 1
    in_suite: bool = True


DEADLY = frozenset({SplatKind.OOPS, SplatKind.BUG, SplatKind.PANIC})
"""Kinds after which the test's thread, or the kernel, does not go on."""

PICKS = (
    *(r"--{3,}\[ cut here", "=={29}", r"\[ BUG: ", "WARNING: ", "BUG", "Oops", "Internal error: "),
    *("Kernel panic - ", "Kernel mode fault", "kernel BUG ", "general protection fault"),
    *("stack segment: ", "divide error: ", "invalid opcode: ", "PANIC: ", "traps: PANIC: "),
    *("Unable to handle ", "Unhandled fault", "Bad mode in ", "UBSAN: ", "rcu: INFO: "),
    *("INFO: task ", "INFO: rcu", "INFO: trying to", "watchdog: ", "NMI watchdog: "),
)
"""The lines that this reader wants (`console.Console`)."""

KEEP_INSIDE = 64
KEEP_OUTSIDE = 16
BODY_LINES = 400
EXCERPT_LINES = 60
TEXT_LIMIT = 300
FRAMES = 32
STRANGERS = 3
"""So many lines in a row that no splat prints end it."""

_LOCKDEP = (
    r"(?:possible (?:circular|recursive|irq lock|deadlock)|inconsistent lock|suspicious RCU usage"
    r"|bad (?:unlock balance|contention) detected|held lock freed|lock held when returning"
    r"|Nested lock was not taken|\w+-safe -> \w+-unsafe|Invalid wait context|chain_key collision"
    r"|\S+/\d+ still has locks held|MAX_(?:LOCK|STACK_TRACE)|key \S+ has not|looking up invalid)"
)
_WARNED = r"(?:CPU: \d+ PID: \d+ )?"
"""Before 6.18; since then a condition may come in its place (DEBUG_BUGVERBOSE_DETAILED)."""
_OOPS = r"kernel NULL pointer|unable to handle|(?:\S+ )?stack guard page"
_TITLES: tuple[tuple[SplatKind, str], ...] = (
    (SplatKind.KASAN, r"BUG: KASAN: "),
    (SplatKind.KCSAN, r"BUG: KCSAN: "),
    (SplatKind.KFENCE, r"BUG: KFENCE: "),
    (SplatKind.KMSAN, r"BUG: KMSAN: "),
    (SplatKind.LOCKDEP, r"(?:WARNING|BUG): " + _LOCKDEP),
    (SplatKind.LOCKDEP, r"INFO: trying to register non-static key"),
    (SplatKind.OOPS, rf"BUG: (?i:{_OOPS})"),
    (SplatKind.SLEEP_IN_ATOMIC, r"BUG: (?:sleeping function|scheduling (?:while|in a non))"),
    (SplatKind.SLEEP_IN_ATOMIC, r"BUG: assuming (?:atomic|non migratable) context"),
    (SplatKind.SLEEP_IN_ATOMIC, r"BUG: using \S+ in preemptible"),
    (SplatKind.LOCKUP, r"(?:watchdog: )?BUG: (?:soft lockup|spinlock lockup|workqueue lockup)"),
    (SplatKind.LOCKUP, r"(?:NMI )?[Ww]atchdog: (?:CPU\d+: )?Watchdog detected hard LOCKUP"),
    (SplatKind.LOCKUP, r"INFO: task .+ blocked\b.* for more than"),
    (SplatKind.RCU_STALL, r"(?:rcu: )?INFO: rcu\w* .*\bstalls?\b"),
    (SplatKind.PANIC, r"Kernel panic - not syncing"),
    (SplatKind.BUG, r"kernel BUG at (?P<bug>\S+:\d+)"),
    (SplatKind.WARNING, rf"WARNING: {_WARNED}(?:\[.*\] )?(?:at )?(?P<warn>[\w./-]+:\d+)\b"),
    (SplatKind.WARNING, rf"WARNING: {_WARNED}at (?:[\w.$]+\+)?0x[0-9a-f]+"),
    (SplatKind.UBSAN, r"UBSAN: .* in (?P<ubsan>[\w./-]+:\d+)"),
    (SplatKind.UBSAN, r"UBSAN: "),
    (SplatKind.OOPS, r"Oops\b|Internal error: |Unable to handle kernel|general protection fault"),
    (SplatKind.OOPS, r"(?:stack segment|divide error|invalid opcode): |(?:traps: )?PANIC: "),
    (SplatKind.OOPS, r"Kernel mode fault|Bad mode in |Unhandled fault"),
)
_TITLE = tuple((kind, re.compile(pattern)) for kind, pattern in _TITLES)
_LOOSE = re.compile(r"BUG(?:: | [\w.-]+ \()")
"""A complaint of a kind that has no name here; trusted only where a line begins with it."""
_OPENING = re.compile(r"(?:-{4,}\[ cut here|={30,}\s*\Z)")
_REMARK = re.compile(r" *# (?:module|Totals): ")
"""KTAP that its own reader leaves alone."""
_ENDING = re.compile(r"---\[ end (?:trace|Kernel panic)|={30,}\s*\Z")
_IN_TORN = re.compile(r"(?:(?<!\[ end )Kernel panic - |BUG: |WARNING: ).*")

_RUN_INTO = re.compile(rf"(?:(?<=[^\s:])|(?<=\] ))(?:{_IN_TORN.pattern})")
_REMARKS = re.compile(r"\s*# ")

_SYMBOL = r"(?P<symbol>[\w.$]+\+0x[0-9a-f]+/0x[0-9a-f]+)"
_FRAME = re.compile(
    rf"\s*(?:\[<[0-9a-f]+>\] )?(?P<guess>\? )?{_SYMBOL}(?: \[\w[^\]]*\])*(?: \(\w+\))?\s*\Z"
)
_IP = re.compile(
    rf"(?:RIP: [0-9a-f]+:|pc : |epc : |PC is at |NIP \[\w+\] |EIP: |Krnl PSW : .*\()\s*{_SYMBOL}"
)
_TRACE = re.compile(r"\s*(?:Call [Tt]race|Backtrace):")
_MARK = re.compile(r"\s*</?(?:TASK|IRQ|NMI|SOFTIRQ|#\w+)>\s*\Z|\s*-+\[ cut|\s*\Z")
_BODY = re.compile(
    r"\s|\Z|CPU|PID|Tainted|Hardware name|Modules linked|Workqueue|Kernel Offset|note: "
    r"|RIP|Code|R\w\w?:|E\w\w:|[CDEFGS]S:|CR\d|DR\d|PKRU|#PF|PGD|PMD|P4D|Oops|KASAN|UBSAN"
    r"|Call|Stack|NMI backtrace|Sending NMI|Showing|handler|---|===|\[[0-9a-f]{16}\]"
    r"|x\d+ *:|[a-z]\w? *: |pstate|Mem abort|Data abort|user pgtable|NIP|MSR|GPR|CFAR|LR |Krnl"
    r"|Read of|Write of|Allocated|Freed|Last potentially|The buggy|Memory state|>[0-9a-f]"
    r"|page|flags|raw|head|index|which |but task|the existing|other info|Possible|Chain|stack "
    r"|in_atomic|preempt|RCU nest|rcu|\d+ locks? held|irq event|hardirqs|softirqs|no locks"
    r"|-> #|=>|Disabling lock|BUG|INFO|WARNING|\d+\.\d"
    r"|inconsistent \{|\{[A-Z]|[0-9a-f]{8,16} \(|\S+/\d+ (?:is|just|\[HC)|and |\.\.\.|context-\{"
    r"|Preemption disabled|\[<[0-9a-f]|caller is |task:|\"echo "
    r"|(?:[Uu]se-after-free|[Oo]ut-of-bounds|[Ii]nvalid|race) [a-z -]+ at |Corrupted memory"
    r"|(?:write|read|assert no \w+) (?:\(\w+\) )?to 0x|value changed|Reported by Kernel|kfence-#"
    r"|allocated by task|freed by task|Uninit was|Local variable|Bytes |Memory access"
    r"|Slab 0x|Object |Redzone |Padding |FIX |0x[0-9a-f]"
)
"""How the lines between a splat's title and its end begin."""
_WITHOUT_HEADING = frozenset({SplatKind.KCSAN, SplatKind.KFENCE, SplatKind.KMSAN})
"""Their first trace is the one that tells; no `Call Trace:` stands above it."""
_REPORTERS = re.compile(
    r"(?:__)?(?:dump_stack|dump_stack_lvl|show_stack|print_report|print_address_description"
    r"|kasan_\w+|asan_\w+|vpanic|panic|warn|warn_slowpath_fmt|report_bug|handle_bug|ubsan_\w+"
    r"|kcsan_\w+|might_resched|might_sleep|schedule_bug|lockdep_\w+|print_\w+_bug|mark_lock"
    r"|lock_acquire|check_preemption_disabled)[\w.]*\+"
)
_NUMBERS = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8,}|CPU: ?\d+|CPU#\d+|PID: ?\d+|\d+s\b|/\d+\b")


@dataclass(slots=True)
class _Open:
    """A splat while it is being read; without a title yet if only its opening line was seen."""

    line: int
    last_line: int
    in_suite: bool
    kind: SplatKind | None = None
    title: str = ""
    where: str | None = None
    message: str | None = None
    ip: str | None = None
    frames: list[str] = field(default_factory=list)
    traced: int = 0  # 0 before the call trace, 1 in it, 2 after it
    excerpt: list[str] = field(default_factory=list)
    ended: bool = False
    strangers: int = 0


class SplatReader:
    """Feed console lines, say when a test ended, then `finish`.

    `attentive`: the next line may belong to a splat, whatever it looks like. `dropped` splats were
    too many to keep.
    """

    def __init__(self) -> None:
        self.attentive = False
        self.dropped = 0
        self._open: _Open | None = None
        self._done: list[Splat] = []
        self._waiting: dict[tuple[SplatKind, str], Splat] = {}
        self._seen: dict[tuple[SplatKind, str, str | None], int] = {}
        self._room = {True: KEEP_INSIDE, False: KEEP_OUTSIDE}

    def feed(self, line: Line, *, in_suite: bool) -> None:
        """Take a line that may begin or continue a splat."""
        text = line.text
        title = _recognize(text) if line.kind is Kind.SPLAT else None
        if title is not None and not self._same_family(title[0]):
            self._begin(line, in_suite=in_suite)
        elif title is None and _OPENING.match(text) and (self._open is None or self._open.ended):
            self._begin(line, in_suite=in_suite)
            return
        if self._open is not None:
            self._continue(self._open, line, title)

    def torn(self, line: Line, *, in_suite: bool) -> None:
        """Take a line of another reader, into which a splat's title may have run: an exact one.

        What a test says may quote one; then it does not run into the words before it.
        """
        inside = (_RUN_INTO if _REMARKS.match(line.text) else _IN_TORN).search(line.text)
        title = _recognize(inside[0]) if inside else None
        if inside is not None and title is not None and title[0] is not SplatKind.OTHER:
            self.feed(line._replace(text=inside[0], kind=Kind.SPLAT), in_suite=in_suite)

    @property
    def waiting(self) -> bool:
        """Whether something was said since the previous test's end."""
        return self._open is not None or bool(self._waiting)

    def test_ended(self, name: str | None) -> None:
        """What was said since the previous test's end was said in test `name` (None: the suite)."""
        if not self.waiting:
            return
        self._close()
        for splat in self._waiting.values():
            self._settle(replace(splat, test=name))
        self._waiting.clear()

    def finish(self) -> tuple[Splat, ...]:
        """All splats in order; those after the last `test_ended` have no test."""
        self.test_ended(None)
        return tuple(sorted(self._done, key=lambda splat: splat.line))

    def _same_family(self, kind: SplatKind) -> bool:
        """Whether a title continues the open splat: an Oops line after its BUG line, say."""
        if self._open is None:
            return False
        mine = self._open.kind
        if mine is None:
            return True
        return kind is SplatKind.OOPS and mine in DEADLY and not self._open.ended

    def _begin(self, line: Line, *, in_suite: bool) -> None:
        self._close()
        self._open = _Open(line.number, line.number, in_suite)
        self.attentive = True

    def _continue(
        self, splat: _Open, line: Line, title: tuple[SplatKind, str, str | None] | None
    ) -> None:
        text = line.text
        if _REMARK.match(text):
            return
        if title is not None and splat.kind is None:
            splat.kind, splat.title, splat.where = title
        elif (
            splat.kind is None
            and splat.message is None
            and text.strip()
            and not _OPENING.match(text)
        ):
            splat.message = text.strip()[:TEXT_LIMIT]
        if title is None and splat.kind is not None and not _BODY.match(text):
            splat.strangers += 1
            if splat.ended or splat.strangers >= STRANGERS:
                self._close()
            return
        if splat.ended and (not text.strip() or _OPENING.match(text)):
            self._close()
            return
        splat.strangers = 0
        splat.last_line = line.number
        if len(splat.excerpt) < EXCERPT_LINES:
            splat.excerpt.append(text[:TEXT_LIMIT])
        self._trace(splat, text)
        if splat.kind is not None and title is None and _ENDING.match(text):
            splat.ended = True
        if line.number - splat.line > BODY_LINES:
            self._close()

    @staticmethod
    def _trace(splat: _Open, text: str) -> None:
        if splat.traced == 0:
            if _TRACE.match(text):
                splat.traced = 1
            elif splat.kind in _WITHOUT_HEADING and (frame := _FRAME.match(text)):
                splat.traced = 1
                splat.frames.append(frame["symbol"])
            elif splat.ip is None and (ip := _IP.match(text)):
                splat.ip = ip["symbol"]
        elif splat.traced == 1:
            frame = _FRAME.match(text)
            if frame is None and not _MARK.match(text):
                splat.traced = 2
            elif frame is not None and not frame["guess"] and len(splat.frames) < FRAMES:
                splat.frames.append(frame["symbol"])

    def _close(self) -> None:
        splat, self._open = self._open, None
        self.attentive = False
        if splat is None or (splat.kind is None and splat.message is None):
            return
        frames = splat.frames
        while frames and _REPORTERS.match(frames[0]):
            frames.pop(0)
        if splat.ip is not None:
            frames.insert(0, splat.ip)
        closed = Splat(
            kind=splat.kind or SplatKind.OTHER,
            title=splat.title or splat.message or "",
            test=None,
            line=splat.line,
            last_line=splat.last_line,
            frames=tuple(frames),
            excerpt=tuple(splat.excerpt),
            where=splat.where,
            message=splat.message if splat.kind is not None else None,
            in_suite=splat.in_suite,
        )
        if not closed.in_suite:
            self._settle(closed)
        elif (same := self._waiting.get(key := sameness(closed))) is not None:
            self._waiting[key] = replace(same, count=same.count + 1)
        elif len(self._waiting) < KEEP_INSIDE:
            self._waiting[key] = closed
        else:
            self.dropped += 1

    def _settle(self, splat: Splat) -> None:
        key = (*sameness(splat), splat.test)
        at = self._seen.get(key)
        if at is not None:
            self._done[at] = replace(self._done[at], count=self._done[at].count + splat.count)
        elif self._room[splat.in_suite] > 0:
            self._room[splat.in_suite] -= 1
            self._seen[key] = len(self._done)
            self._done.append(splat)
        else:
            self.dropped += 1


def sameness(splat: Splat) -> tuple[SplatKind, str]:
    """What makes two complaints the same: all but addresses, CPUs, tasks and durations."""
    return splat.kind, _NUMBERS.sub("", splat.title)


def _recognize(text: str) -> tuple[SplatKind, str, str | None] | None:
    """Kind, title and FILE:LINE if `text` is a splat's title.

    Behind unknown text (a prefix, a line that another one ran into) only exact titles count.
    """
    if text.startswith("---[ end"):
        return None
    begin = 2 if text.startswith("[ BUG: ") else 0
    for kind, pattern in _TITLE:
        if match := pattern.match(text, begin):
            where = next((value for value in match.groups() if value), None)
            title = text[begin:].rstrip()
            return kind, (title.removesuffix(" ]") if begin else title)[:TEXT_LIMIT], where
    if _LOOSE.match(text):
        return SplatKind.OTHER, text[:TEXT_LIMIT], None
    inside = _IN_TORN.search(text)
    if inside is not None and inside.start() > 0:
        exact = _recognize(inside[0])
        if exact is not None and exact[0] is not SplatKind.OTHER:
            return exact
    return None
