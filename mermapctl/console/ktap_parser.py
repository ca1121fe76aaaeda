# SPDX-License-Identifier: GPL-2.0-only
"""Console lines -> KTAP account. Pure and streaming.

The indentation, relative to the document's header, gives the nesting; names, numbers and plans
confirm it. A line that fits nothing becomes a note, never a test with a mangled name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mermapctl.console import assertion_block, ktap, ktap_fast
from mermapctl.console.ktap_fast import Tests
from mermapctl.console.ktap_levels import Levels
from mermapctl.console.ktap_state import Kept, OpenLevel, as_tally
from mermapctl.console.lines import Line, LineRun
from mermapctl.console.open_failures import KEEP_FAILURES, OpenFailures

_SAID = r"# (?!module: |Totals: (?!pass:\d+ fail:[1-9]))"
_NOT_OK = r"not ok(?![a-z])"
_KTAP = rf"(?:{_NOT_OK}|ok ?\d|1\.\.\d|{_SAID}|K?TAP version |Bail out!)"
PICKS = (
    *(r"ok ?\d", _NOT_OK, r"1\.\.\d", _SAID, "KTAP version ", "TAP version ", "Bail out!"),
    *(rf" [ \t]*+{_KTAP}", rf"\t[ \t]*+{_KTAP}"),
    *("kunit: ", "kunit executor: ", "kunit module: ", r"\*\* \d+ printk messages dropped"),
)
"""The lines that this parser wants (`console.Console`)."""
HEADER = "TAP version "
"""Text in every KTAP header, behind any prefix."""

_STATS = re.compile(r"(?P<name>.+): pass:(\d{1,9}) fail:(\d{1,9}) skip:(\d{1,9}) total:\d+\s*\Z")
_RESULT_INSIDE = re.compile(r"(?:not )?ok \d+ \S|\s*(?:not )?ok ?\d")
_UNREAD = re.compile(r"\s*(?:ok \d{10}|1\.\.\d{10}|(?P<failed>not ok\b))")
"""A result or a plan that cannot be counted: it has no number, or an unreadable one."""
_DROPPED = re.compile(r"\*\* (\d{1,9}) printk messages dropped")
KTAP = "1"
"""The version in which KUnit gives every document a plan; TAP 14 had none until 5.9."""
_KNOWN_VERSIONS = {KTAP, "13", "14"}


def _width(indent: str) -> int:
    return len(indent.expandtabs(8)) if "\t" in indent else len(indent)


class KtapParser:
    """Feed console lines, then `finish`.

    `names` lists the tests of known suites, to tell a new test's name from a torn line's. These
    suites, those named in `wanted`, and one that matches `glob` are kept whatever the log's size.
    `running` is the test that a line named since the last result. `attentive`: the next line may
    belong to a failure block, whatever its text.
    """

    def __init__(
        self,
        names: Mapping[str, Sequence[str]] | None = None,
        wanted: Sequence[str] = (),
        glob: str | None = None,
    ) -> None:
        self.running: str | None = None
        self.attentive = False
        self._names = names or {}
        self._kept = Kept(self._names, wanted, glob)
        self._levels = Levels(self._names, self._kept)
        self._block: assertion_block.FailureBlock | None = None
        self._failures = OpenFailures()
        self._kunit_messages: list[str] = []

    @property
    def inside(self) -> bool:
        """Return whether suites are running: from a document's header to its last result."""
        stack = self._levels.stack
        return len(stack) > 1 or (bool(stack) and stack[0].plan is not None)

    @property
    def begun(self) -> bool:
        """Return whether there was a header."""
        return self._levels.documents > 0

    @property
    def nested(self) -> bool:
        """Return whether a test with tests of its own is open."""
        return len(self._levels.stack) > 2

    @property
    def suite(self) -> str | None:
        """Return the name of the open suite."""
        return self._levels.suite

    def feed(self, line: Line) -> ktap.Boundary | None:
        """Take one line; return a Boundary if it ends a test or suite, or begins a suite."""
        match = ktap.LINE.match(line.text)
        if match is None:
            if self._block is None:
                self._read_other(line)
            elif not self._block.feed(line):
                self._close_block()
            return None
        if self._block is not None:
            self._close_block()
        what = match.lastgroup
        if what in ("name", "number"):
            return self._result(match, line)
        if line.whole or what == "version":
            self._structure(match, line)
        else:
            self._levels.note(ktap.Trouble.TORN, line)
        return self._first_test_begins() if what == "plan" else None

    def feed_run(self, run: LineRun) -> Tests | None:
        """Take many lines at once; return the tests that they ended, None to feed them one by one.

        Suites whose tests are known are always read line by line.
        """
        stack = self._levels.stack
        if self._block is not None or self._failures or not stack:
            return None
        top, tests = stack[-1], ktap_fast.tests(run)
        if run.match["results"] is not None:
            if len(stack) == 1 or top.name in self._names or not ktap_fast.fits(run, tests, top):
                return None
            self._kept.passed_tests(top, tests, run.number)
            top.last += len(tests.numbers)
            top.last_name, top.mark = tests.last
            top.last_good = True
            self.running = self.running if len(stack) > 2 else None
            return tests
        name = ktap_fast.next_suite(run, tests, top) if len(stack) == 1 else None
        if name is None or name in self._names:
            return None
        if self._kept.full(name) and (top.plan is None or top.count + 1 < top.plan):
            self._kept.passed_suite(tests)
            top.passed += 1
            top.nested += 1
            top.last += 1
            top.last_name, top.last_good = name, True
            self.running = None
            return tests
        suite = ktap_fast.suite(run)
        self._kept.passed_tests(suite.level, tests, suite.first)
        self._enter(top, suite.level, suite.result, suite.last)
        return tests

    def interrupt(self) -> None:
        """End an open failure block, because another message begins."""
        self._close_block()

    def finish(self) -> ktap.Account:
        """Close the open levels and return the account."""
        self._close_block()
        unfinished = None
        stack = self._levels.stack
        if stack and (len(stack) > 1 or stack[0].short or stack[0].fresh):
            suite = stack[1] if len(stack) > 1 else None
            unfinished = ktap.Unfinished(
                suite=suite.name if suite else None,
                planned=suite.plan if suite else None,
                results=suite.count if suite else 0,
                running=self.running,
                console_line=(suite or stack[0]).line,
            )
            if suite and self._failures and self.running:
                failures, more = self._failures.take(ktap.Status.MISSING)
                broken = ktap.Test(
                    self.running, ktap.Status.MISSING, failures=failures, failures_omitted=more
                )
                suite.tests.append(broken)
        self._levels.close_all(at_end=True)
        return ktap.Account(
            suites=tuple(self._kept.suites),
            notes=tuple(self._kept.notes),
            documents=self._levels.documents,
            unfinished=unfinished,
            kunit_messages=tuple(self._kunit_messages),
            suites_lost=self._levels.suites_lost,
            omitted=self._kept.omitted,
            omitted_bad=self._kept.omitted_bad,
            unlisted=as_tally(self._kept.unlisted),
            troubles=dict(self._kept.troubles),
        )

    # Lines that open a level or describe it.

    def _structure(self, match: re.Match[str], line: Line) -> None:
        indent = _width(match["indent"])
        what = match.lastgroup
        if what == "said":
            self._test_said(match["said"], indent, line)
        elif what == "plan":
            self._levels.plan(int(match["plan"]), indent, line)
        elif what == "version":
            if match["version"] not in _KNOWN_VERSIONS:
                self._levels.note(ktap.Trouble.VERSION, line)
            self._levels.header(indent, line, planned=match["version"] == KTAP)
        elif self._levels.stack:
            self._levels.note(ktap.Trouble.BAILED, line)

    def _first_test_begins(self) -> ktap.Boundary | None:
        """Return a boundary after a plan: no test of this suite printed the text before it."""
        stack = self._levels.stack
        if len(stack) != 2 or stack[1].plan is None or stack[1].count:
            return None
        return ktap.Boundary(stack[1].name or "", suite=True, ok=True)

    def _test_said(self, text: str, indent: int, line: Line) -> None:
        if text.startswith("Subtest: "):
            self._levels.subtest(text[9:].strip(), indent, line)
            return
        name, found, rest = text.partition(": ")
        if name == "Totals" and (stats := _STATS.match(text)) and int(stats[3]):
            self._levels.failures_told(line)
        if not found or not self._levels.stack:
            return
        top = self._levels.stack[-1]
        if stats := _STATS.match(text):
            if stats["name"] == top.name:
                top.totals = (int(stats[2]), int(stats[3]), int(stats[4]))
            return
        if self._is_test(name):
            self.running = name[: ktap.NAME_LIMIT]
        rest = rest.strip()
        self._block = assertion_block.open_block(name, rest, line)
        self.attentive = self._block is not None
        if not self.attentive and (failure := assertion_block.broke_off(rest, line)):
            self._failures.add_end(failure)
        elif not self.attentive and (failure := assertion_block.failed_from_outside(rest, line)):
            self._failures.add(failure)

    def _is_test(self, name: str) -> bool:
        """Return whether a test of the open suite printed `# name: text`."""
        suite = self.suite
        if suite is None or name in (suite, "module"):
            return False
        known = self._names.get(suite)
        return name in known if known else name.isidentifier()

    def _read_other(self, line: Line) -> None:
        """Read a line that the console picked for this parser and that is no KTAP."""
        if line.text.startswith("kunit"):
            if len(self._kunit_messages) < KEEP_FAILURES:
                self._kunit_messages.append(line.text[: assertion_block.TEXT_LIMIT])
        elif self._levels.stack and (dropped := _DROPPED.search(line.text)):
            self._levels.note(ktap.Trouble.DROPPED, line, int(dropped[1]))
        elif self.begun and (unread := _UNREAD.match(line.text)):
            if self._levels.stack or unread["failed"]:
                self._levels.note(ktap.Trouble.TORN, line)
        elif self.inside and _RESULT_INSIDE.search(line.text):
            self._levels.note(ktap.Trouble.SUSPECT, line)

    # Result lines, and the levels that they close.

    def _result(self, match: re.Match[str], line: Line) -> ktap.Boundary | None:
        stack = self._levels.stack
        indent = _width(match["indent"])
        result = ktap.read_result(match)
        if not stack and not self._levels.reopen(indent, result, line):
            return None
        if not line.whole and (indent != stack[0].indent or result.name != self.suite):
            self._levels.note(ktap.Trouble.TORN, line)
            return None
        level, child = self._levels.place(indent, result, line)
        if level is None:
            return None
        name = self._levels.name(level, child, result, line)
        if name is None:
            self._levels.note(ktap.Trouble.TORN, line)
            return None
        if name is not result.name:
            result = result._replace(name=name)
        if level.repeats(result):
            self._levels.note(ktap.Trouble.REPEATED, line)
            return None
        status = self._status(result.status, child, line)
        if status is not result.status:
            result = result._replace(status=status)
        return self._enter(level, child, result, line)

    def _enter(
        self, level: OpenLevel, child: OpenLevel | None, result: ktap.Result, line: Line
    ) -> ktap.Boundary | None:
        """Enter a valid result."""
        depth = len(self._levels.stack)
        if result.number == level.last + 1:
            level.last = result.number
        else:
            self._number(level, result.number, line)
        level.last_name = result.name
        level.last_good = result.status.good
        level.count_in(result.status)
        if level.plan is not None and level.count > level.plan:
            self._levels.note(ktap.Trouble.REPEATED, line)
        more = 0
        failures: tuple[assertion_block.Failure, ...] = ()
        if self._failures:
            if result.status is ktap.Status.PASSED and self._broke_assertion(
                result.name, level, depth
            ):
                self._levels.note(ktap.Trouble.CONTRADICTED, line)
            failures, more = self._failures.take(result.status)
        if depth == 1:
            level.nested += child is not None
            self._kept.suite(child, result, failures, line)
            if level.plan is not None and level.count >= level.plan:
                self._levels.document_done()
        else:
            self._kept.test(level, child, result, failures, line, more)
        if depth > 2:
            return None
        self.running = None
        return ktap.Boundary(result.name, depth == 1, result.status.good)

    def _broke_assertion(self, name: str, level: OpenLevel, depth: int) -> bool:
        """Return whether an assertion of the test itself failed; a parameter's has the test's name.

        KUnit prints `not ok` or SKIP for it (lib/kunit/test.c): an `ok` has lost its `not`.
        """
        failed = self._failures.tests
        return name in failed or (depth > 2 and level.name in failed)

    def _number(self, level: OpenLevel, number: int, line: Line) -> None:
        """Record a result's number that does not follow the one before."""
        first = len(self._levels.stack) == 1 and not level.count
        if first:  # suites loaded one by one continue the numbers of the document before
            level.base = number - 1
            level.last = number
        elif not level.number(number):
            self._levels.note(ktap.Trouble.DISORDER, line)
        elif len(self._levels.stack) > 1:
            self._levels.note(ktap.Trouble.SUSPECT, line)  # an earlier result is lost

    def _status(self, said: ktap.Status, child: OpenLevel | None, line: Line) -> ktap.Status:
        if child is not None:
            suite = len(self._levels.stack) == 1
            self._kept.note(child.shortfall(line.number, suite=suite))
            if (child.failed or child.buried) and said.good:
                return ktap.Status.FAILED
        if said is ktap.Status.FAILED and self._failures.timed_out:
            return ktap.Status.HUNG
        return said

    def _close_block(self) -> None:
        if self._block is not None:
            self._failures.add_assertion(self._block.name, self._block.result())
            self._block = None
            self.attentive = False
