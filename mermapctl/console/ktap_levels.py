# SPDX-License-Identifier: GPL-2.0-only
"""The open levels of a KTAP document: which one a line belongs to, and which ones it ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mermapctl.console.assertion_block import TEXT_LIMIT
from mermapctl.console.ktap import NAME_LIMIT, KtapNote, Trouble
from mermapctl.console.ktap_state import Kept, OpenLevel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mermapctl.console.ktap import Result
    from mermapctl.console.lines import Line

DEPTH = 16
"""Levels that may be open at once; KUnit has three."""

LEVEL = 4
"""Spaces by which KUnit indents a level."""

_NOISE = re.compile(
    r"\s|mm_(?:get|got|put|flush): |\[ *\d+\.\d{6}\]|\*\* \d+ printk|WARNING: |BUG: |-----+\["
)
"""What another line that ran into a result's name begins with."""


class Levels:
    """A stack: the document, its open suite, a test with tests of its own.

    `names` are the tests of the suites that are known. `documents` counts headers, `suites_lost`
    what closed documents still promised.
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
        """Name of the open suite."""
        return self.stack[1].name if len(self.stack) > 1 else None

    def header(self, indent: int, line: Line, *, planned: bool) -> None:
        """A version line: a new document, or a level inside the open one.

        `planned`: KUnit gives documents of that version a plan.
        """
        if not self.stack or indent <= self.stack[0].indent:
            self.close_all()
            self.documents += 1
            self._stray = self._stray if indent else None
        else:
            self._close_to(indent)
        if frame := self._open(indent, line):
            frame.headed = planned

    def subtest(self, name: str, indent: int, line: Line) -> None:
        """`# Subtest: name` names the level whose header was just read, or opens one."""
        if not self.stack and indent:
            self._headless(line)
            self.documents += 1
        if not self.stack:
            return
        top = self.stack[-1]
        if top.fresh and len(self.stack) > 1 and 0 < abs(indent - top.indent) < LEVEL:
            self.note(Trouble.MISPLACED, line)  # one of the two lost some of its indentation
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
            self._headless(line)  # that header was the suite's
        top.name = name[:NAME_LIMIT]

    def _headless(self, line: Line) -> None:
        """A document whose header is lost, or scrolled out of this log; its plan may be there."""
        self.stack.insert(0, OpenLevel(0, line.number, plan=self._stray))
        self._stray = None

    def plan(self, plan: int, indent: int, line: Line) -> None:
        """`1..plan`."""
        if not self.stack:
            self._stray = None if indent else plan
            return
        top = self.stack[-1]
        if indent > top.indent and len(self.stack) == 1:
            top = self._open(indent, line) or top  # its header was torn
        if indent == top.indent and top.plan is None:
            top.plan = plan
            top.mark = line.seconds
            if plan == 0 and len(self.stack) == 1:
                self.document_done()

    def _open(self, indent: int, line: Line) -> OpenLevel | None:
        """A new level; None if there are too many."""
        if len(self.stack) >= DEPTH:
            return None
        frame = OpenLevel(indent, line.number, line.seconds, line.seconds)
        self.stack.append(frame)
        return frame

    def reopen(self, indent: int, result: Result, line: Line) -> bool:
        """Whether a result after the end of the latest document is one more of it."""
        ended = self._ended
        if ended is None or indent != ended.indent:
            if not result.status.good:
                self.note(Trouble.TORN, line)  # whose failure it is, is lost
            return False
        if ended.repeats(result):
            self.note(Trouble.REPEATED, line)
            return False
        self.stack.append(ended)
        return True

    def document_done(self) -> None:
        """All results that the document's plan promises are there."""
        self._ended = self.stack[0]
        self._check_document(self._ended)
        self.stack.clear()

    def _check_document(self, frame: OpenLevel) -> None:
        """Its numbers, and its plan, without which the last suites may be lost unseen."""
        if frame.plan is None and frame.headed and frame.nested:
            self._kept.note(KtapNote(Trouble.LOST, "the plan of the document", frame.line))
        elif frame.gaps and not frame.short:
            text = f"number {min(frame.gaps)} of the document"
            self._kept.note(KtapNote(Trouble.LOST, text, frame.line))

    def place(
        self, indent: int, result: Result, line: Line
    ) -> tuple[OpenLevel | None, OpenLevel | None]:
        """The level that a result belongs to, and the one above it that it ends."""
        top = self.stack[-1]
        if indent == top.indent:
            return top, None
        if indent > top.indent:
            return self._deeper(indent, result, line), None
        depth = next((i for i, frame in enumerate(self.stack) if frame.indent == indent), None)
        if depth is None or self._slipped(depth, result):
            fits = result.number == top.last + 1
            # A failure that is nobody's must not be lost.
            drop = not fits and not result.status.good and not top.repeats(result)
            self.note(Trouble.TORN if drop else Trouble.MISPLACED, line)
            return (top if fits else None), None
        self._close_to(indent, keep=depth + 2)
        child = self.stack.pop()
        frame = self.stack[depth]
        if child.name in (None, result.name) or result.number == frame.last + 1:
            return frame, child
        self._abandon(child)  # its own result line is lost; this is a later one's
        return frame, None

    def _deeper(self, indent: int, result: Result, line: Line) -> OpenLevel | None:
        """The level of a result that is indented more than the open one."""
        top = self.stack[-1]
        if len(self.stack) >= DEPTH and top.count:
            self._bury(result, line)
            return None
        if indent - top.indent == 1 and len(self.stack) > 1 and result.number == top.last + 1:
            self.note(Trouble.MISPLACED, line)  # a space of the line before
            return top
        if len(self.stack) == 1 or top.count:
            start = top.mark
            top = self._open(indent, line) or top  # its header was torn
            top.start = top.mark = start
        top.indent = indent  # or was indented less than its results
        return top

    def _bury(self, result: Result, line: Line) -> None:
        """Too deep to be kept: a failure counts against all levels above, whatever they say."""
        self.note(Trouble.DEEP, line)
        if not result.status.good:
            for frame in self.stack[1:]:
                frame.buried += 1

    def _slipped(self, depth: int, result: Result) -> bool:
        """Whether a result that stands at `depth` is one of the level above without its indent."""
        above = self.stack[depth + 1]
        if above.name in (None, result.name) or result.number != self.stack[-1].last + 1:
            return False
        known = self._names.get(above.name or "", ())
        return result.name in known or result.number != self.stack[depth].last + 1

    def name(
        self, frame: OpenLevel, child: OpenLevel | None, result: Result, line: Line
    ) -> str | None:
        """The name to keep of a result in `frame` that ends `child`: None if the line is torn."""
        name = result.name
        if child is not None and child.name is None and child.count and len(self.stack) == 1:
            if name in self._names or frame.headed:
                self.note(Trouble.HEADLESS, line)
        elif child is not None and child.name not in (None, name):
            self.note(Trouble.MISPLACED, line)
            noisy = _NOISE.match((child.name or "").removeprefix(name))
            return name if name in self._names or noisy else child.name
        if len(self.stack) != 2 or frame.name is None:
            return name
        known = self._names.get(frame.name, ())
        if name in known:
            return name
        noise = _NOISE.search(name)
        begun = name[: noise.start()] if noise else name
        if noise is None and not any(test.startswith(name) for test in known):
            return name  # a test that is new to us
        if begun in known:
            self.note(Trouble.RUN_INTO, line)
            return begun  # the result is whole, noise follows it
        return None

    def close_all(self, *, at_end: bool = False) -> None:
        """A new document begins, or the console ends."""
        while len(self.stack) > 1:
            self._abandon(self.stack.pop(), at_end=at_end)
        if self.stack:
            frame = self.stack.pop()
            self._check_document(frame)
            self.suites_lost += frame.short

    def _close_to(self, indent: int, keep: int = 1) -> None:
        """Abandon every level indented as much or more, but for the lowest `keep` ones."""
        while len(self.stack) > keep and self.stack[-1].indent >= indent:
            self._abandon(self.stack.pop())

    def _abandon(self, frame: OpenLevel, *, at_end: bool = False) -> None:
        """Close a level that has no result line."""
        parent = self.stack[-1]
        if not at_end:
            text = f"no result of {frame.name or '?'}"
            self._kept.note(KtapNote(Trouble.LOST, text, frame.line, parent.name))
        self._kept.abandoned(parent if len(self.stack) > 1 else None, frame, at_end=at_end)

    def note(self, trouble: Trouble, line: Line, count: int = 1) -> None:
        """Something is wrong with this line."""
        self._kept.note(KtapNote(trouble, line.text[:TEXT_LIMIT], line.number, self.suite, count))
