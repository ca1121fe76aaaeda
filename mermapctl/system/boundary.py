# SPDX-License-Identifier: GPL-2.0-only
"""Rules for names and paths that come in as text. Pure.

Python decodes arguments and the environment with surrogateescape (PEP 383). A lone surrogate fails
much later, in JSON, SQLite or a terminal; so each text is checked once, on entry.
"""

from __future__ import annotations

import os
import unicodedata

LONGEST_TEXT = 1000
"""Characters of a name or a pattern."""
LONGEST_PATH = 4095
"""Bytes of a path (PATH_MAX without its NUL, limits.h)."""
LONGEST_NAME = 255
"""Bytes of one name in a path (NAME_MAX, limits.h)."""


def flaw_of_text(text: str, longest: int = LONGEST_TEXT) -> str | None:
    """Return why `text` is no name, pattern or parameter, as the end of a sentence, or None."""
    if not text.strip():
        return _NOTHING if not text else "is nothing but blanks"
    if flaw := _flaw_of_characters(text, ("Cs", "Cc", "Cf", "Zl", "Zp")):
        return flaw
    if len(text) > longest:
        return f"has {len(text):,} characters; {longest:,} are the most"
    return None


def flaw_of_path(text: str) -> str | None:
    """Return why `text` can name no file or directory, as the end of a sentence, or None.

    Accepts bytes that are not UTF-8, since file systems do and renderers escape them, and format
    characters (Cf), which names in Persian or with emoji contain.
    """
    if not text:
        return _NOTHING
    if flaw := _flaw_of_characters(text, ("Cc",)):
        return flaw
    names = os.fsencode(text).split(b"/")
    if len(os.fsencode(text)) > LONGEST_PATH:
        return f"is longer than the {LONGEST_PATH:,} bytes that a path can have"
    longest = max(map(len, names))
    if longest > LONGEST_NAME:
        return f"has a name of {longest:,} bytes; {LONGEST_NAME} are the most"
    return None


_NOTHING = "is empty (is a shell variable not set?)"


def _flaw_of_characters(text: str, categories: tuple[str, ...]) -> str | None:
    for char in text:
        category = unicodedata.category(char) if not char.isprintable() else ""
        if category in categories:
            if category == "Cs":
                return "is not UTF-8"
            kind = "format" if category == "Cf" else "control"
            return f"has a {kind} character, {char!a}"
    return None


def flaw_of_place(text: str) -> str | None:
    """Check a directory of ours like a path, and for UTF-8: a record is JSON and has its files."""
    return flaw_of_path(text) or _flaw_of_characters(text, ("Cs",))
