# SPDX-License-Identifier: GPL-2.0-only
"""Recognizes a text for people (a page of documentation, a letter) given as a console. Pure."""

from __future__ import annotations

import re

_WORD = re.compile(r"[(`*\"'_]*[A-Za-z][A-Za-z'-]*[)`*\"'_]*[,.;:!?]*[)]?")
_MOST_WORDS = 0.75
"""The share of plain words: pages of documentation have 0.8 and more, consoles up to 0.65."""
_FEWEST = 60
"""Words below which nothing is concluded: a refusal of QEMU is one sentence."""
_CONSOLE = re.compile(
    r"^(?:<\d>)?\[ *\d+\.\d+\]|Linux version \d"
    r"|^(?:qemu-system-|U-Boot |SeaBIOS |GRUB |EFI stub|\$ )",
    re.MULTILINE,
)


def is_prose(text: str) -> bool:
    """Return whether a text is written for people: most of it is words, no line is a console's."""
    words = text.split()
    if len(words) < _FEWEST or _CONSOLE.search(text):
        return False
    plain = sum(_WORD.fullmatch(word) is not None for word in words)
    return plain > len(words) * _MOST_WORDS
