# SPDX-License-Identifier: GPL-2.0-only
"""A rich console without markup, and the tables of the smaller commands on it."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from mermapctl.render.terminal.plain import colored, columns_of
from mermapctl.render.terminal.text import look_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mermapctl.render.terminal.text import Look


def show(stream: TextIO, parts: Callable[[Look], Iterable[RenderableType]]) -> None:
    """Print the parts in the form that `stream` supports; strip blanks at ends of lines."""
    buffer = io.StringIO()
    out = plain_console(buffer, color=colored(stream))
    for part in parts(look_of(stream)):
        # Text to copy is neither wrapped nor cut; the terminal may wrap it.
        out.print(part, soft_wrap=isinstance(part, Text))
    stream.write(without_blanks(buffer.getvalue()))


def plain_console(out: TextIO, width: int | None = None, *, color: bool) -> Console:
    """Return a console without markup; `width` in columns (default: the terminal's)."""
    return Console(
        file=out,
        width=columns_of(width),
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
        safe_box=True,
    )


def without_blanks(text: str) -> str:
    """Strip the blanks that fill up lines."""
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


def show_as(
    form: str,
    stream: TextIO,
    document: Callable[[], dict[str, object]],
    parts: Callable[[Look], Iterable[RenderableType]],
) -> None:
    """Print one JSON document in ASCII, for any locale, or the parts for a terminal."""
    if form == "json":
        stream.write(json.dumps(document(), indent=2) + "\n")
    else:
        show(stream, parts)
