# SPDX-License-Identifier: GPL-2.0-only
"""The open levels of a KTAP document: the level that a line belongs to, and those that it ends."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mermapctl.console.assertion_block import TEXT_LIMIT
from mermapctl.console.ktap import NAME_LIMIT, KtapNote, Result, Trouble
from mermapctl.console.ktap_state import Kept, OpenLevel
from mermapctl.console.lines import Line

DEPTH = 16
"""Limit on open levels; KUnit has three."""

LEVEL = 4
"""Spaces by which KUnit indents a level."""

_NOISE = re.compile(
    r"\s|mm_(?:get|got|put|flush): |\[ *\d+\.\d{6}\]|\*\* \d+ printk|WARNING: |BUG: |-----+\["
)
"""Beginnings of another line that ran into a result's name."""


class Levels:
    """A stack: the document, its open suite, a test with tests of its own.

    `names` lists the tests of known suites. `documents` counts headers, `suites_lost` the missing
    suites of closed documents.
    """

    def __init__(self, names: Mapping[str, Sequence[str]], kept: Kept) -> None:
        self.stack: list[OpenLevel] = []
        self.documents = 0
        self.suites_lost = 0
        self._names = names
        self._kept = kept
        self._stray: int | None = None
        self._ended: OpenLevel | None = None

    @property
    def suite(self) -> str | None:
        """Return the name of the open suite."""
        return self.stack[1].name if len(self.stack) > 1 else None

    def header(self, indent: int, line: Line, *, planned: bool) -> None:
        """Read a version line: open a new document, or a level inside the open one.

        `planned`: KUnit gives documents of that version a plan.
        """
        if not self.stack or indent <= self.stack[0].indent:
            self.close_all()
            self.documents += 1
            self._stray = self._stray if indent else None
        else:
            self._close_to(indent)
        if level := self._open(indent, line):
            level.headed = planned

    def subtest(self, name: str, indent: int, line: Line) -> None:
        """Name the level whose header was just read, or open one (`# Subtest: name`)."""
        if not self.stack and indent:
            self._headless(line)
            self.documents += 1
        if not self.stack:
            return
        top = self.stack[-1]
        if top.fresh and len(self.stack) > 1 and 0 < abs(indent - top.indent) < LEVEL:
            self.note(Trouble.MISPLACED, line)  # one of the two lines lost some of its indentation
            top.indent = max(indent, top.indent)
        elif indent != top.indent or not top.fresh:
            self._close_to(indent)
            opened = self._open(indent, line)
            if opened is None:
                return
            top = opened
        elif len(self.stack) == 1:
            if not indent:
                return
            self._headless(line)  # the header was that of the suite
        top.name = name[:NAME_LIMIT]

    def _headless(self, line: Line) -> None:
        """Insert a document whose header is lost; its plan may have been read."""
        self.stack.insert(0, OpenLevel(0, line.number, plan=self._stray))
        self._stray = None

    def plan(self, plan: int, indent: int, line: Line) -> None:
        """Read `1..plan`."""
        if not self.stack:
            self._stray = None if indent else plan
            return
        top = self.stack[-1]
        if indent > top.indent and len(self.stack) == 1:
            top = self._open(indent, line) or top  # the header was torn
        if indent == top.indent and top.plan is None:
            top.plan = plan
            top.mark = line.seconds
            if plan == 0 and len(self.stack) == 1:
                self.document_done()
        elif any(each.indent == indent and each.plan not in (None, plan) for each in self.stack):
            self.note(Trouble.MISCOUNTED, line)

    def failures_told(self, line: Line) -> None:
        """Note totals that count failures, if the level that they end has none."""
        frame = self.stack[-1] if self.stack else self._ended
        if frame is not None and not frame.failed and not frame.buried:
            self.note(Trouble.MISCOUNTED, line)

    def _open(self, indent: int, line: Line) -> OpenLevel | None:
        """Open a level; return None if there are too many."""
        if len(self.stack) >= DEPTH:
            return None
        level = OpenLevel(indent, line.number, line.seconds, line.seconds)
        self.stack.append(level)
        return level

    def reopen(self, indent: int, result: Result, line: Line) -> bool:
        """Return whether a result after the end of the latest document still belongs to it."""
        ended = self._ended
        if ended is None or indent != ended.indent:
            if not result.status.good:
                self.note(Trouble.TORN, line)  # a failure of an unknown test
            return False
        if ended.repeats(result):
            self.note(Trouble.REPEATED, line)
            return False
        self.stack.append(ended)
        return True

    def document_done(self) -> None:
        """Close a document that has all its planned results."""
        self._ended = self.stack[0]
        self._check_document(self._ended)
        self.stack.clear()

    def _check_document(self, level: OpenLevel) -> None:
        """Note missing numbers, and a missing plan, without which lost last suites go unnoticed."""
        if level.plan is None and level.headed and level.nested:
            self._kept.note(KtapNote(Trouble.LOST, "the plan of the document", level.line))
        elif level.gaps and not level.short:
            text = f"number {min(level.gaps)} of the document"
            self._kept.note(KtapNote(Trouble.LOST, text, level.line))

    def place(
        self, indent: int, result: Result, line: Line
    ) -> tuple[OpenLevel | None, OpenLevel | None]:
        """Return the level that a result belongs to, and the level above it that it ends."""
        top = self.stack[-1]
        if indent == top.indent:
            return top, None
        if indent > top.indent:
            return self._deeper(indent, result, line), None
        depth = next((i for i, level in enumerate(self.stack) if level.indent == indent), None)
        if depth is None or self._slipped(depth, result):
            fits = result.number == top.last + 1
            # A failure that fits no level must count.
            drop = not fits and not result.status.good and not top.repeats(result)
            self.note(Trouble.TORN if drop else Trouble.MISPLACED, line)
            return (top if fits else None), None
        self._close_to(indent, keep=depth + 2)
        child = self.stack.pop()
        level = self.stack[depth]
        if child.name in (None, result.name) or result.number == level.last + 1:
            return level, child
        self._abandon(child)  # the child's own result line is lost; this is a later one's
        return level, None

    def _deeper(self, indent: int, result: Result, line: Line) -> OpenLevel | None:
        """Return the level of a result that is indented more than the open one."""
        top = self.stack[-1]
        if len(self.stack) >= DEPTH and top.count:
            self._bury(result, line)
            return None
        if indent - top.indent == 1 and len(self.stack) > 1 and result.number == top.last + 1:
            self.note(Trouble.MISPLACED, line)  # the line before left a space
            return top
        if len(self.stack) == 1 or top.count:
            start = top.mark
            top = self._open(indent, line) or top  # the header was torn
            top.start = top.mark = start
        top.indent = indent  # or the header lost some of its indentation
        return top

    def _bury(self, result: Result, line: Line) -> None:
        """Count a failure that is nested too deeply to be kept against all levels above it."""
        self.note(Trouble.DEEP, line)
        if not result.status.good:
            for level in self.stack[1:]:
                level.buried += 1

    def _slipped(self, depth: int, result: Result) -> bool:
        """Return whether a result at `depth` lost the indentation of the level above."""
        above = self.stack[depth + 1]
        if above.name in (None, result.name) or result.number != self.stack[-1].last + 1:
            return False
        known = self._names.get(above.name or "", ())
        return result.name in known or result.number != self.stack[depth].last + 1

    def name(
        self, level: OpenLevel, child: OpenLevel | None, result: Result, line: Line
    ) -> str | None:
        """Return the name of a result in `level` that ends `child`, None if the line is torn."""
        name = result.name
        if child is not None and child.name is None and child.count and len(self.stack) == 1:
            if name in self._names or level.headed:
                self.note(Trouble.HEADLESS, line)
        elif child is not None and child.name not in (None, name):
            self.note(Trouble.MISPLACED, line)
            noisy = _NOISE.match((child.name or "").removeprefix(name))
            return name if name in self._names or noisy else child.name
        if len(self.stack) != 2 or level.name is None:
            return name
        known = self._names.get(level.name, ())
        if name in known:
            return name
        noise = _NOISE.search(name)
        begun = name[: noise.start()] if noise else name
        if noise is None and not any(test.startswith(name) for test in known):
            return name  # an unknown test
        if begun in known:
            self.note(Trouble.RUN_INTO, line)
            return begun  # the result is whole, and noise follows it
        return None

    def close_all(self, *, at_end: bool = False) -> None:
        """Close all levels before a new document, or at the end of the console."""
        while len(self.stack) > 1:
            self._abandon(self.stack.pop(), at_end=at_end)
        if self.stack:
            level = self.stack.pop()
            self._check_document(level)
            self.suites_lost += level.short

    def _close_to(self, indent: int, keep: int = 1) -> None:
        """Abandon the levels indented by `indent` or more, except the lowest `keep`."""
        while len(self.stack) > keep and self.stack[-1].indent >= indent:
            self._abandon(self.stack.pop())

    def _abandon(self, level: OpenLevel, *, at_end: bool = False) -> None:
        """Close a level that has no result line."""
        parent = self.stack[-1]
        if not at_end:
            text = f"no result of {level.name or '?'}"
            self._kept.note(KtapNote(Trouble.LOST, text, level.line, parent.name))
        self._kept.abandoned(parent if len(self.stack) > 1 else None, level, at_end=at_end)

    def note(self, trouble: Trouble, line: Line, count: int = 1) -> None:
        """Note a defect of this line."""
        self._kept.note(KtapNote(trouble, line.text[:TEXT_LIMIT], line.number, self.suite, count))
