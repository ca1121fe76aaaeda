# SPDX-License-Identifier: GPL-2.0-only
"""Console lines -> splats: warnings, oopses, sanitizer and lockdep reports. Pure and streaming.

Where printk prints its caller (`[   T31]`, `[    C0]`), a report consists of the lines of one
caller, and several reports may be open at a time. A title that matched no pick is found when a line
comes that only follows a title: the reader then searches the lines above it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from mermapctl.console import frames, splat_preludes, splat_titles
from mermapctl.console.lines import Line, LineKind
from mermapctl.console.splat import DEADLY, Splat, SplatKind
from mermapctl.console.splat_kept import KeptSplats
from mermapctl.console.splat_report import BODY_LINES, Report
from mermapctl.console.splat_titles import Opening, Title

KEEP_INSIDE = 64
KEEP_OUTSIDE = 16
OPEN = 8
"""Limit on open reports."""
PATIENCE = 200
"""Lines of other callers after which a report that its own caller does not continue is closed."""
ABOVE = 16
"""Lines above a report's body that are searched for its title."""

_IN_TORN = re.compile(r"(?:(?<!\[ end )Kernel panic - |BUG: |WARNING: ).*")
_RUN_INTO = re.compile(rf"(?:(?<=[^\s:])|(?<=\] ))(?:{_IN_TORN.pattern})")
_REMARKS = re.compile(r"\s*# ")
_RESULT = re.compile(r"\s*(?:not )?ok \d|\s*1\.\.\d|---\[ end ")
_STALLS = frozenset({SplatKind.RCU_STALL, SplatKind.LOCKUP})


class _Above(NamedTuple):
    """A title that was missed, its line, and the lines of the same caller below it."""

    title: Title
    line: Line
    below: Sequence[Line]


def _nothing() -> Iterator[Line]:
    return iter(())


class SplatReader:
    """Feed console lines, report the end of each test, then `finish`.

    `above` yields the lines above the one that was fed, nearest first. `attentive`: the next line
    may belong to a splat, whatever its text.
    """

    def __init__(self, above: Callable[[], Iterator[Line]] = _nothing) -> None:
        self._above = above
        self._open: dict[str | None, Report] = {}
        self._titled: dict[str | None, int] = {}
        self._waiting = KeptSplats(KEEP_INSIDE)
        self._kept = {True: KeptSplats(KEEP_INSIDE), False: KeptSplats(KEEP_OUTSIDE)}

    @property
    def dropped(self) -> int:
        """Return the number of complaints that were dropped for a limit."""
        return self._waiting.dropped + sum(kept.dropped for kept in self._kept.values())

    @property
    def attentive(self) -> bool:
        """Return whether a report is open."""
        return bool(self._open)

    def feed(self, line: Line, *, in_suite: bool) -> None:
        """Take a line that may begin or continue a splat."""
        text, caller = line.text, line.caller
        picked = line.kind is LineKind.SPLAT
        if caller is None and None not in self._open and self._open:
            inner = splat_titles.inner(text)
            if inner is not None:
                text, caller = inner
                line = line._replace(text=text, caller=caller)
        report = self._open.get(caller)
        untitled = report is not None and report.kind is None
        if picked or untitled or "[#" in text:
            title = splat_titles.find(text)
            framed = report is not None and report.framed
            if title is not None and (picked or framed or not title.weak):
                self._titled_line(line, title, title.caller or caller, in_suite=in_suite)
                return
            if (opening := splat_titles.opening(text)) is not None:
                self._opening(line, opening, opening.caller or caller, in_suite=in_suite)
                return
        if report is None and text.startswith("NMI backtrace for cpu"):
            report = self._stall_of_other_cpu(caller)
        if report is None and picked:
            report = self._untitled(line, text, caller, in_suite=in_suite)
        if report is None:
            self._close_idle(line.number)
            return
        self._continue(report, line, text, None)

    def torn(self, line: Line, *, in_suite: bool) -> None:
        """Take a line of another reader, into which the exact title of a splat may have run.

        A test's own message may quote a title; then the title does not touch the words before it.
        """
        text, caller = line.text, line.caller
        if not splat_titles.may_contain_title(text):
            return
        if _REMARKS.match(text):
            if (inner := splat_titles.inner(text)) is not None:
                text, caller = inner
            elif (inside := _RUN_INTO.search(text)) is not None:
                text = inside[0]
            else:
                return
        title = splat_titles.find(text)
        if title is not None and not title.weak and title.kind is not SplatKind.OTHER:
            line = line._replace(text=text, caller=caller)
            self._titled_line(line, title, title.caller or caller, in_suite=in_suite)

    @property
    def waiting(self) -> bool:
        """Return whether anything was reported since the previous test's end."""
        if not self._open:
            return bool(self._waiting)
        return bool(self._waiting) or any(not each.settled for each in self._open.values())

    def test_ended(self, name: str | None, caller: str | None = None) -> None:
        """Assign all reports since the previous test's end to test `name` (None: the suite).

        `caller` is the thread that printed the result; a report of another may continue below it.
        """
        if not self.waiting:
            return
        for splat in self._waiting.take():
            self._settle(replace(splat, test=name))
        for key, report in list(self._open.items()):
            if self._open.get(key) is not report:
                continue
            goes_on = not report.ended and not report.trace.done
            if key is None or key == caller:
                goes_on = goes_on and not report.trace.begun and key is None
            report.set_test(name)
            if not goes_on:
                self._close(report)

    def finish(self) -> tuple[Splat, ...]:
        """Return all splats in order; those after the last `test_ended` have no test."""
        for report in list(self._open.values()):
            self._close(report)
        self.test_ended(None)
        done = itertools.chain.from_iterable(kept.take() for kept in self._kept.values())
        return tuple(sorted(done, key=lambda splat: splat.line))

    # Lines that begin a report.

    def _titled_line(self, line: Line, title: Title, caller: str | None, *, in_suite: bool) -> None:
        text = line.text[title.offset :]
        report = self._open.get(caller)
        if report is not None and (report.kind is None or report.continued_by(title, line.number)):
            self._titled[caller] = line.number
            self._continue(report, line, text, title)
            return
        if title.number is not None and report is None:
            above = self._title_above(caller, line.number)
            if above is not None and above.title.number is None and above.title.kind in DEADLY:
                self._reread(above, caller, in_suite=in_suite)
                self._titled_line(line, title, caller, in_suite=in_suite)
                return
        cut_short = None
        if report is not None and title.kind is SplatKind.PANIC and not report.ended:
            cut_short = report if report.sure and not report.trace.begun else None
        if cut_short is not None:
            self._open = {key: each for key, each in self._open.items() if each is not cut_short}
        begun = self._begin(line, caller, in_suite=in_suite)
        begun.cut_short = cut_short
        if cut_short is None and not self._opening_above(begun, caller):
            self._look_above(begun, line, caller)
        self._titled[caller] = line.number
        self._continue(begun, line, text, title)

    def _opening(self, line: Line, opening: Opening, caller: str | None, *, in_suite: bool) -> None:
        report = self._open.get(caller)
        if opening.frame and report is not None and not report.ended:
            self._continue(report, line, line.text, None)
            return
        begun = self._begin(line, caller, in_suite=in_suite)
        begun.sure, begun.cut, begun.frame = opening.sure, not opening.frame, opening.frame
        if begun.cut:
            self._look_above(begun, line, caller)

    def _begin(self, line: Line, caller: str | None, *, in_suite: bool) -> Report:
        if (old := self._open.get(caller)) is not None:
            self._close(old)
        while len(self._open) >= OPEN:
            self._close(min(self._open.values(), key=lambda each: each.last_line))
        report = Report(line.number, line.number, in_suite, caller)
        self._open[caller] = report
        return report

    def _lines_of(self, count: int, caller: str | None) -> Iterator[Line]:
        """Yield the lines of one caller among `count` above the current one, nearest first.

        Stop at lines that belong to a report that was already read.
        """
        since = self._titled.get(caller, 0)
        for line in itertools.islice(self._above(), count):
            if line.number <= since:
                return
            said = line
            if line.caller is None and caller is not None:
                inner = splat_titles.inner(line.text)
                if inner is not None:
                    said = line._replace(text=inner[0], caller=inner[1])
            if said.caller == caller:
                yield said

    def _look_above(self, report: Report, line: Line, caller: str | None) -> None:
        """Read the cause that was printed before the report."""
        own = self._lines_of(splat_preludes.LOOK_BACK, caller)
        prelude = splat_preludes.above(each for each in own if each.number < line.number)
        if prelude is not None:
            report.set_prelude(prelude)

    def _opening_above(self, report: Report, caller: str | None) -> bool:
        """Find a cut-here line above the title, inside another line; return whether it exists."""
        below: list[Line] = []
        for line in self._lines_of(3, caller):
            if line.number >= report.line:
                continue
            opening = splat_titles.opening(line.text)
            if opening is not None and opening.sure:
                report.line, report.sure, report.cut = line.number, True, True
                self._look_above(report, line, caller)
                for each in reversed(below):
                    report.take(each, each.text, None)
                return True
            below.append(line)
        return False

    def _stall_of_other_cpu(self, caller: str | None) -> Report | None:
        """Return the open report of a stall, to which another CPU adds its own trace."""
        for report in self._open.values():
            if report.kind in _STALLS and not report.ended and not report.trace.done:
                self._open[caller] = report
                return report
        return None

    def _title_above(self, caller: str | None, line: int) -> _Above | None:
        """Find the title above a line that matched no pick, with the lines below it."""
        below: list[Line] = []
        for each in self._lines_of(ABOVE, caller):
            if _RESULT.match(each.text):
                return None  # a report before this result was already read
            if each.number >= line:
                continue
            title = splat_titles.find(each.text)
            if title is not None and (title.caller or caller) == caller:
                return _Above(title, each, below[::-1])
            below.append(each)
        return None

    def _reread(self, above: _Above, caller: str | None, *, in_suite: bool) -> None:
        """Read a title that was missed, and the lines below it."""
        self._titled_line(above.line, above.title, caller, in_suite=in_suite)
        for later in above.below:
            if (report := self._open.get(caller)) is not None:
                self._continue(report, later, later.text, None)

    def _untitled(
        self, line: Line, text: str, caller: str | None, *, in_suite: bool
    ) -> Report | None:
        """Handle a line that only follows a title: find the title above it, which matched no pick.

        Without a title, begin a report that counts only if its end marks it as a complaint: an
        allocation failure, for example, prints a call trace, too.
        """
        if (above := self._title_above(caller, line.number)) is not None:
            self._reread(above, caller, in_suite=in_suite)
            return self._open.get(caller)
        if not (frames.is_heading(text) or text.startswith(("CPU: ", "RIP: "))):
            return None
        if 0 < line.number - self._titled.get(caller, -BODY_LINES) < BODY_LINES:
            return None
        return self._begin(line, caller, in_suite=in_suite)

    # Lines that continue a report, and its end.

    def _continue(self, report: Report, line: Line, text: str, title: Title | None) -> None:
        report.take(line, text, title)
        if report.over:
            self._close(report)

    def _close_idle(self, line: int) -> None:
        """Close reports that their callers have not continued for long."""
        for report in list(self._open.values()):
            if line - report.last_line > PATIENCE:
                self._close(report)

    def _close(self, report: Report) -> None:
        for key in [key for key, each in self._open.items() if each is report]:
            del self._open[key]
        if (prior := report.cut_short) is not None:
            prior.trace = report.trace
            self._keep(prior)
        self._keep(report)

    def _keep(self, report: Report) -> None:
        if not report.is_complaint:
            return
        closed = report.splat()
        if report.settled or not closed.in_suite:
            self._settle(closed)
        else:
            self._waiting.add(closed)

    def _settle(self, splat: Splat) -> None:
        self._kept[splat.in_suite].add(splat)
