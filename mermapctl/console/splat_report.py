# SPDX-License-Identifier: GPL-2.0-only
"""An open report: the lines of one thread or CPU -> a Splat. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mermapctl.console import frames, reporters
from mermapctl.console.frames import Trace, place
from mermapctl.console.lines import Line
from mermapctl.console.splat import DEADLY, Splat, SplatKind
from mermapctl.console.splat_preludes import Prelude
from mermapctl.console.splat_titles import TEXT_LIMIT, Title

BODY_LINES = 400
EXCERPT_LINES = 60
FOREIGN_LINES = 3
"""This many foreign lines in a row, such as no report prints, end it."""
EARLY_FOREIGN_LINES = 10
"""This many end it before its trace has begun."""
UNTITLED = 8
"""Lines below an opening after which its title counts as lost."""

UNKNOWN = "------------[ cut here ]------------"
"""The title of a report that consists of its opening only."""

_ENDING = re.compile(r"---\[ end (?:trace|Kernel panic)|={25,}\s*\Z")
_ENDS = ("-", "=")
_REMARK = re.compile(r" *# (?:module|Totals): ")
"""KTAP that the KTAP parser ignores."""
_BODY = re.compile(
    r"\s|\Z|CPU|PID|Pid:|Tainted|Hardware name|Modules linked|Workqueue|Kernel Offset|note: "
    r"|RIP|Code|R\w\w?:|E\w\w:|[CDEFGS]S:|CR\d|DR\d|PKRU|#PF|PGD|PMD|P4D|Oops|KASAN|UBSAN|Internal"
    r"|Call|Stack|NMI backtrace|Sending NMI|Showing|handler|---|===|\[[0-9a-f]{8,16}\]"
    r"|x\d+ *:|[a-z]\w? *: |pstate|Mem abort|Data abort|user pgtable|NIP|MSR|GPR|CFAR|LR |Krnl"
    r"|Read |Write |Allocated|Freed|Last |The buggy|Memory state|>[0-9a-f]|Pointer tag"
    r"|page|flags|raw|head|index|which |but task|the existing|other info|Possible|Chain|stack "
    r"|in_atomic|preempt|RCU nest|rcu|\d+ locks? held|irq event|hardirqs|softirqs|no locks"
    r"|-> #|=>|Disabling lock|BUG|INFO|WARNING|\d+\.\d|Fault|Failing|AS:|LE PAGE|BE PAGE|REGS|DAR"
    r"|inconsistent \{|\{[A-Z]|[0-9a-f]{8,16} \(|\S+/\d+ (?:is|just|\[HC)|and |\.\.\.|context-\{"
    r"|Preemption disabled|\[<[0-9a-f]|caller is |task:|Task dump|\"echo |Instruction dump|XER"
    r"|(?:[Uu]se-after-free|[Oo]ut-of-bounds|[Ii]nvalid|race) [a-z -]+ at |Corrupted memory"
    r"|(?:write|read|assert no \w+) (?:\(\w+\) )?to 0x|value changed|Reported by Kernel|kfence-#"
    r"|allocated by task|freed by task|Uninit was|Local variable|Bytes |Memory access"
    r"|Slab 0x|Object |Redzone |Padding |FIX |0x[0-9a-f]|memcg:|aops:|anon |file |\S+\(\d+\): "
    r"|Process |Flags: |Control: |Register |Exception |Backtrace|Trace|Unwind|unwind|Frame format"
    r"|PC |LR |PSR|SR:|TSTATE|TPC|RPC|I7|Caller|IAOQ|IIR|IOR|[%$]\w|\*pgd|swapper_pg|\[\w+\] \*p"
    r"|comm \"|hex dump|backtrace|Kernel (?:panic|bug)|Rebooting|Dumping ftrace|\S+ \S+ from "
    r"|(?:[%$]?\w{1,8}(?: +\d+)?|\w+\[\d\]) *[:=] *(?:\[?<?[0-9a-f]{4}|<?\w+\+0x)"
    rf"|{frames.PLACE} |.*?{frames.SYMBOL}"
)
"""Beginnings of the lines between a splat's title and its end."""
_AFTER_WARN = re.compile(
    r"\s*\Z|Modules linked|CPU[: ]|Tainted|Hardware|Workqueue|Call |Stack|Backtrace|---|===|Kernel"
    r"|pc |sp |RIP|EIP|NIP|PC is|epc|Krnl|Pid:|Process|\[|<|[a-z]\d+ *:|\s*(?:not )?ok \d|PSW|ERA"
)
"""Lines below the title of a WARN() that printed no message of its own there."""
_INDEXED = re.compile(
    r"(?:index|shift exponent|signed integer|unsigned|division|member access|load of|negation|left"
    r"|right|null pointer|execution|addition|subtraction|multiplication|pointer|value"
    r"|\S+ [+*/-] ).*"
)
"""Lines that UBSAN prints below its title."""
_EVIDENCE = re.compile(
    r"CPU: \d+ (?:UID: \d+ )?PID: |stack backtrace:|---\[ end trace|Modules linked"
)
_CALLER_IS = re.compile(rf"caller is (?P<symbol>{frames.SYMBOL})")
_LOCK_AT = re.compile(rf".*, at: (?:\[<[0-9a-f]+>\] )?(?P<symbol>{frames.SYMBOL})")
_TRYING = re.compile(r".*is trying to (?:acquire|release) lock|.* takes:|.*is trying to lock")
_RANGE = re.compile(r"KASAN: [\w -]+ in range ")
_DUMPED = "page dumped because: "
_RCU_USE = re.compile(r"(?P<where>\S+\.\w{1,3}:\d+) (?P<cause>.+)")
_DETAILED = frozenset(SplatKind) - {SplatKind.WARNING}
"""Kinds with details below the title; WARN() prints its message next to the title."""
_INLINED = frozenset({SplatKind.KASAN, SplatKind.KFENCE, SplatKind.KMSAN})
"""Kinds whose title a decoder repeats for each inlined function."""
_BARE = frozenset({SplatKind.KCSAN, SplatKind.KFENCE, SplatKind.KMSAN, SplatKind.MEMORY_LEAK})
"""Kinds whose first trace is the relevant one, without `Call Trace:` above it."""


@dataclass(slots=True)
class Report:
    """One report; without a title as long as only its opening line was read.

    `sure`: it is a report, whatever follows. `cut`: a cut-here line stands above it; `frame`: a
    line of `=`. `owner` is the test in which it was printed, set when that test ends. `cut_short`
    is an earlier report that this panic interrupted; the panic's trace belongs to both.
    """

    line: int
    last_line: int
    in_suite: bool
    caller: str | None
    sure: bool = False
    cut: bool = False
    frame: bool = False
    kind: SplatKind | None = None
    title: str = ""
    title_line: int = 0
    where: str | None = None
    cause: str | None = None
    message: str | None = None
    named: str | None = None
    number: int | None = None
    evident: bool = False
    ended: bool = False
    over: bool = False
    cut_short: Report | None = None
    settled: bool = False
    owner: str | None = None
    trace: Trace = field(default_factory=Trace)
    excerpt: list[str] = field(default_factory=list)
    headline: str | None = None
    _foreign: int = 0
    _fresh: bool = False
    _lock: bool = False

    def set_test(self, test: str | None) -> None:
        """Set the test in which it was printed, or None for the suite."""
        for each in (self, self.cut_short):
            if each is not None and not each.settled:
                each.owner, each.settled = test, True

    def set_title(self, title: Title, line: int) -> None:
        """Set the title."""
        self.kind, self.title, self.title_line = title.kind, title.text, line
        self.sure = self.sure or not title.weak
        self.where = self.where or title.where
        self.cause = self.message or title.cause or self.cause
        self.named, self.number = title.symbol, title.number
        self.trace.bare = title.kind in _BARE

    def set_prelude(self, prelude: Prelude) -> None:
        """Set the sentence printed above the report as the cause."""
        self.line = min(self.line, prelude.lines[0].number)
        self.excerpt += [line.text[:TEXT_LIMIT] for line in prelude.lines]
        self.where = prelude.where or self.where
        self.message = self.cause = prelude.cause

    def continued_by(self, title: Title, line: int) -> bool:
        """Return whether a title continues this report, as die()'s line below the fault's does."""
        if self.kind is None or self.ended or not (self.sure or title.weak):
            return False
        if title.kind is self.kind and title.kind in _INLINED and line == self.title_line + 1:
            return True
        if title.kind is SplatKind.OOPS and self.kind in DEADLY:
            return self.number is None or title.number in {None, self.number}
        return title.weak

    def take(self, line: Line, text: str, title: Title | None) -> None:
        """Take a line of this report's caller, and set `over` if it ends the report."""
        if "# " in text and _REMARK.match(text):
            return
        if title is not None:
            self._title(title, line.number)
        elif self._read_message(text):
            pass
        elif self.kind is not None and not _BODY.match(text):
            self._foreign += 1
            most = FOREIGN_LINES if self.trace.begun else EARLY_FOREIGN_LINES
            self.over = self.ended or self._foreign >= most
            return
        if self.ended and title is None and (not text.strip() or text.startswith("====")):
            self.over = True
            return
        self._foreign, self._fresh = 0, title is not None
        self.last_line = line.number
        if len(self.excerpt) < EXCERPT_LINES:
            self.excerpt.append(text[:TEXT_LIMIT])
        if not self.evident:
            self.evident = bool(_EVIDENCE.match(text)) or frames.is_heading(text)
        self.trace.feed(text)
        if title is None and self.kind in _DETAILED:
            self._read_details(text)
        if text[:1] in _ENDS and title is None and _ENDING.match(text):
            self.ended = self.kind is not None
            self.sure = self.sure or text.startswith("---[ end trace")
        self.over = self.over or line.number - self.line > BODY_LINES or self._untitled(line.number)

    def _untitled(self, line: int) -> bool:
        return self.kind is None and not self.evident and line - self.line > UNTITLED

    def _title(self, title: Title, line: int) -> None:
        if self.kind is None:
            self.set_title(title, line)
        elif title.kind is self.kind and line == self.title_line + 1 and title.symbol:
            self.named, self.title_line = title.symbol, line  # the line above: an inlined function
        elif title.number is not None:
            self.number = title.number

    @property
    def _warned(self) -> bool:
        """Return whether WARN() printed the title."""
        return self.kind is SplatKind.WARNING and bool(self.where or self.named)

    def _read_message(self, text: str) -> bool:
        """Take WARN()'s message, above the title or right below it; return whether this is one."""
        if self.message is not None or not (self.kind is None or self._fresh):
            return False
        said = text.strip()
        if not said:
            return False
        if self.kind is None and not self.cut:
            self.headline = self.headline or (said[:TEXT_LIMIT] if self.frame else None)
            return False
        if self.kind is None:
            if self.evident or _EVIDENCE.match(text) or frames.is_heading(text):
                return False
        elif not (self._warned and self._fresh) or _AFTER_WARN.match(text):
            return False
        self.message = self.cause = said[:TEXT_LIMIT]
        return True

    def _read_details(self, text: str) -> None:
        """Read the cause and the function from a line below the title."""
        if self.kind is SplatKind.OOPS and _RANGE.match(text):
            self.cause = text.strip()[:TEXT_LIMIT]
        elif text.startswith(_DUMPED) or (
            self.kind is SplatKind.UBSAN and self.message is None and _INDEXED.fullmatch(text)
        ):
            self.message = self.cause = text.strip()[:TEXT_LIMIT]
        elif text.startswith("caller is ") and (caller := _CALLER_IS.match(text)):
            self.named = caller["symbol"]
        elif self.kind is SplatKind.LOCKDEP:
            self._read_lockdep(text)

    def _read_lockdep(self, text: str) -> None:
        if self._lock and self.named is None and (at := _LOCK_AT.match(text)):
            self.named = at["symbol"]
        elif (
            "suspicious RCU" in self.title
            and self.where is None
            and (found := _RCU_USE.match(text)) is not None
        ):
            self.where, self.message = found["where"], found["cause"].strip()[:TEXT_LIMIT]
            self.cause = self.message
        self._lock = bool(_TRYING.match(text)) or (self._lock and not text.strip())

    @property
    def framed(self) -> bool:
        """Return whether a line of `=` stands above it, followed by nothing but a title."""
        return self.frame and self.kind is None and not self.evident

    @property
    def is_complaint(self) -> bool:
        """Return whether it is a complaint: its title is certain, or a report follows it."""
        return self.sure or (self.evident and bool(self.kind or self.headline))

    def splat(self) -> Splat:
        """Return the complaint as read so far."""
        lost = f"report without a title: {self.excerpt[0]}" if self.excerpt else UNKNOWN
        title = self.title or self.message or self.headline or lost
        reported = reporters.reported_trace(
            self.kind or SplatKind.OTHER,
            self.trace.result(),
            self.trace.pointer,
            self.named,
            sleeps="INFO: task " in self.title,
        )
        top = reported[0] if reported else None
        return Splat(
            kind=self.kind or SplatKind.OTHER,
            title=title,
            test=self.owner,
            line=self.line,
            last_line=self.last_line,
            frames=reported[: frames.FRAMES],
            excerpt=tuple(self.excerpt),
            where=self.where or place(top),
            message=self.message if self.kind is not None else None,
            in_suite=self.in_suite,
            cause=self.cause or self.message,
            caller=self.caller,
            top_frame=top,
        )
