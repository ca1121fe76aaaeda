# SPDX-License-Identifier: GPL-2.0-only
"""A splat in words: its cause, its place and its printer, before its own text."""

from __future__ import annotations

from mermapctl.console.splat import Splat

_SPEAKERS = {"T": "task", "C": "CPU"}
"""The letter in printk's prefix under PRINTK_CALLER."""


def facts(splat: Splat) -> list[tuple[str, str]]:
    """Return labels and texts, without unknown ones and those contained in the title."""
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
    """Return the facts, one a line, and the splat's text, or its title if no text was kept."""
    lines = [f"{label}: {said}" for label, said in facts(splat)]
    return "\n".join([*lines, *(splat.excerpt or (splat.title,))])
