# SPDX-License-Identifier: GPL-2.0-only
"""The block of lines that a failed KUnit assertion prints -> Failure. Pure and streaming.

lib/kunit/assert.c defines its format (the same in 6.12 and 7.3).
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mermapctl.console.lines import Line

TEXT_LIMIT = 1000
"""Characters kept of an expression, a value or a message."""
MESSAGE_LINES = 8
VALUES = 16


class FailureKind(enum.StrEnum):
    """The KUnit macro that failed."""

    ASSERTION = "assertion"
    EXPECTATION = "expectation"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure block of the console; `values` maps expressions to their printed values."""

    kind: FailureKind
    file: str | None
    line: int | None
    expected: str | None
    values: dict[str, str] = field(default_factory=dict)
    message: str | None = None
    console_line: int | None = None


_HEAD = re.compile(
    r"(?P<kind>ASSERTION|EXPECTATION) FAILED at (?P<file>.+?):(?P<line>\d{1,9})\s*\Z"
)
_CALLED = re.compile(r"(?P<file>[\w./-]+\.\w+):(?P<line>\d{1,9}): (?P<message>.+)")
_EXPECTED = re.compile(
    r"\s+Expected (?:(?P<binary>.+), but"
    r"|(?P<truth>.+ to be (?:true|false)), but is (?P<was>true|false)"
    r"|(?P<null>.+ is not null), but is"
    r"|(?P<error>.+ is not error), but is: (?P<errno>-?\d+))\s*\Z"
)
_VALUE = re.compile(r"(?: {8}|\t\t)\S")
_DUMP = re.compile(r"(?: {8}|\t\t)(?:[ <][0-9a-f]{2}[ >]?)+\s*\Z")
"""Rows of a memory comparison, with the differing bytes in angle brackets."""


class FailureBlock:
    """Collect one block. `feed` returns whether a line belongs to it; `result` closes it."""

    def __init__(self, name: str, kind: FailureKind, where: re.Match[str], line: Line) -> None:
        self.name = name
        self._kind = kind
        self._where = where
        self._first = line
        self._expected: str | None = None
        self._values: dict[str, str] = {}
        self._message: list[str] = []
        self._open_value: str | None = None
        self._gap = False
        self._one_record = line.seconds is not None

    def _fits(self, text: str) -> bool:
        """Return whether a line has the form of the block's next line."""
        if self._expected is None:
            return bool(_EXPECTED.match(text))
        return bool(_VALUE.match(text))

    def feed(self, line: Line) -> bool:
        """Take one line; return False if the block ended before it.

        Without printk times only the block's structure shows its end: a free message is then one
        line. With them, all lines of one printk carry the same time, unless a second clock stamped
        each line.
        """
        text = line.text
        if self._one_record and line.seconds != self._first.seconds:
            if self._message or self._gap or not self._fits(text):
                return False
            self._one_record = False
        if not text.strip() and not self._message:
            first, self._gap = not self._gap, True
            return first
        if self._gap or self._message:
            return self._feed_message(text)
        self._feed_structure(text)
        return True

    def _feed_message(self, text: str) -> bool:
        if self._message and (not self._one_record or len(self._message) >= MESSAGE_LINES):
            return False
        self._message.append(text[:TEXT_LIMIT])
        return True

    def _feed_structure(self, text: str) -> None:
        if self._expected is None and (match := _EXPECTED.match(text)):
            self._expect(match)
        elif self._open_value is not None and _DUMP.match(text):
            joined = f"{self._values[self._open_value]} {' '.join(text.split())}".strip()
            self._values[self._open_value] = joined[:TEXT_LIMIT]
        elif self._expected is not None and _VALUE.match(text) and len(self._values) < VALUES:
            self._value(text.strip())
        else:
            self._message.append(text[:TEXT_LIMIT])

    def _expect(self, match: re.Match[str]) -> None:
        expected = match["binary"] or match["truth"] or match["null"] or match["error"]
        self._expected = expected[:TEXT_LIMIT]
        shown = match["was"] or match["errno"] or ("null" if match["null"] else None)
        if shown is not None:
            expression = re.sub(r" (?:to be (?:true|false)|is not (?:null|error))\Z", "", expected)
            self._values[expression[:TEXT_LIMIT]] = shown

    def _value(self, text: str) -> None:
        """Split `expression == value`; either side may itself contain ` == `."""
        self._open_value = None
        if text.endswith(" =="):
            self._open_value = text[:-3][:TEXT_LIMIT]
            self._values[self._open_value] = ""
            return
        cuts = [m.start() for m in re.finditer(" == ", text)] or [len(text)]
        known = self._expected or ""
        fits = [at for at in cuts if known.startswith(text[:at]) or known.endswith(text[:at])]
        cut = fits[-1] if fits else cuts[0]
        self._values[text[:cut][:TEXT_LIMIT]] = text[cut + 4 :][:TEXT_LIMIT]

    def result(self) -> Failure:
        """Return the block as read so far."""
        kind = self._kind
        if self._expected is None and self._message:
            kind = FailureKind.FAIL  # KUNIT_FAIL prints a message in place of an expression
        return Failure(
            kind=kind,
            file=self._where["file"],
            line=int(self._where["line"]),
            expected=self._expected,
            values=self._values,
            message="\n".join(self._message).rstrip() or None,
            console_line=self._first.number,
        )


def open_block(name: str, text: str, line: Line) -> FailureBlock | None:
    """Begin a block at `# name: text`; return None if `text` begins none."""
    if head := _HEAD.match(text):
        return FailureBlock(name, FailureKind(head["kind"].lower()), head, line)
    return None


BROKE_OFF = re.compile(
    r"(?:try (?:faulted|timed out)(?:: last line seen (?P<file>.+):(?P<line>\d{1,9}))?"
    r"|test case (?:cleanup )?timed out|internal error occurred|Unknown error: "
    r"|test aborted during cleanup|(?:# )?failed to initialize)"
)
TIMED_OUT = re.compile(r"try timed out|test case (?:cleanup )?timed out")
"""KUnit's own time limit ended the test (lib/kunit/try-catch.c)."""


def broke_off(text: str, line: Line) -> Failure | None:
    """Read KUnit's message on a test that it ended early: a fault, a limit, -ENOMEM."""
    if match := BROKE_OFF.match(text):
        number = int(match["line"]) if match["line"] else None
        message = text[:TEXT_LIMIT].strip()
        return Failure(FailureKind.FAIL, match["file"], number, None, {}, message, line.number)
    return None


def failed_from_outside(text: str, line: Line) -> Failure | None:
    """Read a failure that other kernel code (for example UBSAN) reported for the running test.

    It is one line: `# name: FILE:LINE: message` (lib/kunit/test.c, kunit_fail_current_test).
    """
    if called := _CALLED.match(text):
        number = int(called["line"])
        message = called["message"][:TEXT_LIMIT]
        return Failure(FailureKind.FAIL, called["file"], number, None, {}, message, line.number)
    return None
