# SPDX-License-Identifier: GPL-2.0-only
"""The explanation of each missing symbol, as lines that any format can indent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from mermapctl.render.visible import cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

    from mermapctl.config.fragment import MissingSymbol
    from mermapctl.render.terminal.text import Look

MOST = 100
"""Limit on the lines of one explanation; a long one has thirty."""
LIMIT = 16_000
DEEPEST = 12


def missing_lines(symbol: MissingSymbol) -> list[str]:
    """Return the explanation's lines, each with its indentation; [] without an explanation."""
    said = cut(symbol.why or "", LIMIT).split("\n")
    if len(said) > MOST:
        said = [*said[:MOST], f"[… {len(said) - MOST} more lines]"]
    return [line for line in said if line.strip()]


def blocks(missing: Iterable[MissingSymbol], look: Look) -> Iterator[RenderableType]:
    """Yield a paragraph for each symbol on a terminal; wrapped lines keep their indentation."""
    for symbol in missing:
        for number, line in enumerate(missing_lines(symbol)):
            if not number:
                yield Text()
                yield look.text(line, "bold", limit=1000)
                continue
            depth = min(len(line) - len(line.lstrip(" ")), DEEPEST)
            yield Padding(look.text(line, limit=1000), (0, 0, 0, depth), expand=False)
