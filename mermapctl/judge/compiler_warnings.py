# SPDX-License-Identifier: GPL-2.0-only
"""Warnings of the compiler and of objtool in make's log, and which of them a commit added. Pure."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

_COMPILER = re.compile(
    rb"^(?P<file>[^\s:]+):(?P<line>\d+):(?:\d+:)? warning: (?P<text>.+)$", re.MULTILINE
)
_OBJTOOL = re.compile(rb"^(?P<object>\S+)\.o: warning: (?P<text>objtool: .+)$", re.MULTILINE)
# No \s at the start of a line: it would go over all blank lines, again from each of them.
_MADE = re.compile(rb"^[ \t]++(?:CC|AS)[ \t]++(?:\[M\][ \t]++)?(?P<object>\S+)\.o$", re.MULTILINE)
_OFFSET = re.compile(rb"\+0x[0-9a-f]+")
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class CompilerWarning:
    """A warning: `file` relative to the tree, `line` null for objtool's, its text."""

    file: str
    line: int | None
    text: str


def sources_made(log: bytes) -> set[str]:
    """Return the sources whose objects a build has made."""
    return {
        _name(found["object"]) + suffix for found in _MADE.finditer(log) for suffix in (".c", ".S")
    }


def warnings_in(log: bytes, trees: Iterable[str]) -> Iterator[CompilerWarning]:
    """Yield each warning once. `trees` are spellings of the tree's directory."""
    if b" warning: " not in log:
        return
    tops = [f"{each}/" for each in trees]
    found = [
        CompilerWarning(_relative(each["file"], tops), int(each["line"]), _text(each["text"]))
        for each in _COMPILER.finditer(log)
    ]
    found += [
        CompilerWarning(f"{_relative(each['object'], tops)}.c", None, _text(each["text"]))
        for each in _OBJTOOL.finditer(log)
    ]
    yield from dict.fromkeys(found)  # a header's warning comes with each source that includes it


def _relative(path: bytes, tops: Iterable[str]) -> str:
    name = _name(path)
    top = next((each for each in tops if name.startswith(each)), "")
    return os.path.normpath(name.removeprefix(top))


def _name(path: bytes) -> str:
    """Return a file's name as it can be stored; one that is not UTF-8 is no source of a kernel."""
    return path.decode(errors="backslashreplace")


def _text(text: bytes) -> str:
    said = _OFFSET.sub(b"", text.strip()).decode(errors="replace")  # differs with each change
    return said[:_LONGEST]


def added(
    before: Iterable[CompilerWarning],
    after: Sequence[CompilerWarning],
    touched: Collection[str],
) -> tuple[CompilerWarning, ...]:
    """Return the warnings in touched files that were not there before, whatever their lines.

    Of two with the same text in a file one is added if there was one before: the later one.
    """
    left = Counter((each.file, each.text) for each in before)
    found = []
    for each in sorted(after, key=lambda one: (one.file, one.line or 0, one.text)):
        if each.file not in touched:
            continue
        if left[each.file, each.text]:
            left[each.file, each.text] -= 1
        else:
            found.append(each)
    return tuple(found)
