# SPDX-License-Identifier: GPL-2.0-only
"""The words, glyphs and kernel text of `plain` as styled texts of rich."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from rich.text import Text

from mermapctl.render.terminal.plain import PlainLook, plain_look_of
from mermapctl.render.terminal.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Look(PlainLook):
    """The characters of a terminal, in colour."""

    def text(self, said: str, style: str = "", *, limit: int = 400) -> Text:
        """Return text from a record on one line, without markup, in characters of known width."""
        return Text(self.plain(said, limit=limit), style=style)

    def prose(
        self, said: str, width: int, style: str = "", *, label: str = "", limit: int = 4000
    ) -> Iterator[Text]:
        """Yield text in lines that break between words alone, indented below `label`."""
        for line in wrapped(self.plain(said, limit=limit), width, label=label):
            yield Text(line, style=style, no_wrap=True)

    def mark(self, what: StrEnum, word: str | None = None) -> Text:
        """Return glyph and word: `✓ passed`."""
        return Text(f"{self.glyph(what)} {word or what.value}", style=self.style(what))


def look_of(stream: TextIO) -> Look:
    """Return the look that the terminal or file behind `stream` supports."""
    return Look(plain_look_of(stream).unicode)
