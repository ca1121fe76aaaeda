# SPDX-License-Identifier: GPL-2.0-only
"""The explanation of each missing symbol, as lines that any format can indent."""

from __future__ import annotations

from mermapctl.config.fragment import MissingSymbol
from mermapctl.render.visible import cut

MOST = 100
"""Limit on the lines of one explanation; a long one has thirty."""
LIMIT = 16_000


def missing_lines(symbol: MissingSymbol) -> list[str]:
    """Return the explanation's lines, each with its indentation; [] without an explanation."""
    said = cut(symbol.why or "", LIMIT).split("\n")
    if len(said) > MOST:
        said = [*said[:MOST], f"[… {len(said) - MOST} more lines]"]
    return [line for line in said if line.strip()]
