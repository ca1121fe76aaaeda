# SPDX-License-Identifier: GPL-2.0-only
"""Words, glyphs and kernel text as strings, in the characters that a terminal supports.

Their widths are known. Imports no rich, so that lists start fast.
"""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from mermapctl.console.ktap import Status
from mermapctl.judge.result_types import Severity, Verdict
from mermapctl.render.visible import ascii_line, one_line

if TYPE_CHECKING:
    from enum import StrEnum

# The sixteen colours of a terminal's theme are readable on its background; no "white".
_MARKS: dict[StrEnum, tuple[str, str, str]] = {
    Status.PASSED: ("✓", "+", "green"),
    Status.FAILED: ("✗", "x", "bold red"),
    Status.CRASHED: ("✸", "!", "bold red"),
    Status.HUNG: ("∞", "%", "bold red"),
    Status.MISSING: ("?", "?", "bold red"),
    Status.SKIPPED: ("○", "o", "cyan"),
    Verdict.PASSED: ("✓", "+", "green"),
    Verdict.FAILED: ("✗", "x", "bold red"),
    Verdict.NO_VERDICT: ("~", "~", "bold yellow"),
    Severity.ERROR: ("✗", "x", "bold red"),
    Severity.WARNING: ("!", "!", "yellow"),
    Severity.NOTE: ("·", "-", "cyan"),
}

_SAFE_SYMBOLS = {"Lu", "Ll", "Lt", "Lo", "Nd", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc"}
_SURE = {0x2026, 0x2013, 0x2014, 0x00D7, 0x2192}  # ellipsis, dashes, times, arrow: our own text
_PICTURES = range(0x2400, 0x2427)  # the control pictures that `visible` inserts


NARROWEST, WIDEST = 40, 200
"""Columns of a report, whatever the terminal has."""

COMMAND_LIMIT = 1 << 14
"""Limit on the characters of a command line, far beyond those of a run."""


@dataclass(frozen=True, slots=True)
class PlainLook:
    """The characters of a terminal; without `unicode` only ASCII, as under TERM=dumb."""

    unicode: bool = True

    def plain(self, said: str, *, limit: int = 400) -> str:
        """Return text from a record on one line, in characters of known width."""
        if len(said) <= limit and said.isascii() and said.isprintable():
            return said.strip()  # the common case
        if not self.unicode:
            return ascii_line(said, limit=limit)
        line = one_line(said, limit=limit)
        return line if line.isascii() else "".join(map(_sure, line))

    def verbatim(self, said: str) -> str:
        """Return a command or a path, whole; only characters that move the cursor are replaced."""
        show = one_line if self.unicode else ascii_line
        return show(said, limit=COMMAND_LIMIT)

    def glyph(self, what: StrEnum) -> str:
        """Return the glyph."""
        fine, plain, _ = _MARKS[what]
        return fine if self.unicode else plain

    def style(self, what: StrEnum) -> str:
        """Return the colour of the glyph and the word."""
        return _MARKS[what][2]


def _sure(char: str) -> str:
    """Return the character, or its escape if terminals disagree about its width."""
    code = ord(char)
    if code < 0x7F or code in _PICTURES or code in _SURE:
        return char
    if unicodedata.category(char) in _SAFE_SYMBOLS and code < 0x1F000:
        return char
    return char.encode("ascii", "backslashreplace").decode("ascii")


def plain_look_of(stream: TextIO) -> PlainLook:
    """Return the characters that the terminal or file behind `stream` supports."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("_", "-")
    return PlainLook(unicode=encoding.startswith("utf") and os.environ.get("TERM") != "dumb")


def colored(stream: TextIO | None = None) -> bool:
    """Return whether to use colour, by NO_COLOR, FORCE_COLOR, TERM=dumb and the stream.

    Sources: no-color.org, force-color.org.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and (stream or sys.stdout).isatty()


def columns_of(width: int | None = None) -> int:
    """Return the columns to fill: `width`, else the terminal's, within bounds."""
    columns = width or shutil.get_terminal_size((100, 24)).columns
    return min(max(columns, NARROWEST), WIDEST)


def seconds(value: float | None) -> str:
    """Format a duration: `1.2 s`, `101 s`, `12 min 3 s`."""
    if value is None:
        return "-"
    if value < 99.95:
        return f"{value:.1f} s"
    if value < 600:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def count(number: int, noun: str) -> str:
    """Format a number with its noun: `1 test`, `2 tests`, `3 flushes`."""
    plural = noun + ("es" if noun.endswith(("s", "sh", "x")) else "s")
    return f"{number:,} {noun if number == 1 else plural}"
