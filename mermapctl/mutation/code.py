# SPDX-License-Identifier: GPL-2.0-only
"""C as far as a mutant needs it: lines without comments, tokens, the function of a line. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TOKEN = re.compile(
    r"""
    /\*.*?(?:\*/|\Z) | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'
    """,
    re.DOTALL | re.VERBOSE,
)
_WORD = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|\w+|[^\w\s]')
_NOT_NAMES = {"if", "for", "while", "switch", "return", "sizeof", "guard", "IS_ENABLED"}


def without_comments(text: str) -> str:
    """Return the text with comments blanked; every line keeps its number and its columns."""

    def blank(found: re.Match[str]) -> str:
        kept = found[0]
        return re.sub(r"[^\n]", " ", kept) if kept.startswith("/") else kept

    return _TOKEN.sub(blank, text)


def tokens(line: str) -> list[str]:
    """Return the tokens of a line without comments."""
    return _WORD.findall(line)


def functions(text: str) -> dict[int, str]:
    """Return the function of each line inside one, in the kernel's style, by the { in column 1."""
    found: dict[int, str] = {}
    name, inside = None, False
    head: list[str] = []
    for number, line in enumerate(without_comments(text).split("\n"), 1):
        if line.startswith("{"):
            name, inside = _name(head), True
        elif inside and line.startswith("}"):
            inside, head = False, []
        elif inside:
            if name:
                found[number] = name
        elif line.strip().endswith((";", "}")) or line.startswith("#"):
            head = []
        elif line.strip():
            head.append(line.strip())
    return found


def _name(head: Sequence[str]) -> str | None:
    names = [name for name in re.findall(r"(\w+)\s*\(", " ".join(head)) if name not in _NOT_NAMES]
    return names[0] if names else None
