# SPDX-License-Identifier: GPL-2.0-only
"""A splat in words: why it was printed, where, and by whom, before its own text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mermapctl.console.splat import Splat

_SPEAKERS = {"T": "task", "C": "CPU"}
"""printk's prefix under PRINTK_CALLER."""


def facts(splat: Splat) -> list[tuple[str, str]]:
    """Labels and what they say; nothing that the title says already, or that is not known."""
    said = []
    if splat.cause and splat.cause not in splat.title:
        said.append(("cause", splat.cause))
    if splat.top_frame:
        said.append(("top frame", splat.top_frame))
    if splat.caller:
        speaker = _SPEAKERS.get(splat.caller[:1])
        said.append(("printed by", f"{speaker} {splat.caller[1:]}" if speaker else splat.caller))
    return said


def block(splat: Splat) -> str:
    """The facts, a line each, and the splat's own text; its title where that was not kept."""
    lines = [f"{label}: {said}" for label, said in facts(splat)]
    return "\n".join([*lines, *(splat.excerpt or (splat.title,))])
