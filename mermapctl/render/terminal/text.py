# SPDX-License-Identifier: GPL-2.0-only
"""The words, glyphs and kernel text of `plain` as styled texts of rich."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from rich.text import Text

from mermapctl.render.terminal.plain import PlainLook, plain_look_of

if TYPE_CHECKING:
    from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Look(PlainLook):
    """The characters of a terminal, in colour."""

    def text(self, said: str, style: str = "", *, limit: int = 400) -> Text:
        """Return text from a record on one line, without markup, in characters of known width."""
        return Text(self.plain(said, limit=limit), style=style)

    def mark(self, what: StrEnum, word: str | None = None) -> Text:
        """Return glyph and word: `✓ passed`."""
        return Text(f"{self.glyph(what)} {word or what.value}", style=self.style(what))


def look_of(stream: TextIO) -> Look:
    """Return the look that the terminal or file behind `stream` supports."""
    return Look(plain_look_of(stream).unicode)
