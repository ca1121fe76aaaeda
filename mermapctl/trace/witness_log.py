# SPDX-License-Identifier: GPL-2.0-only
"""The lines of a witness.log: what was seen of a guest from outside, one event a line. Pure.

A line is a word and `NAME=VALUE` pairs, one blank between them. Numbers are written as C does.
Page table entries stand as runs: `0x8000000001d27063*511+0x1000` are 511 entries, each 0x1000 more
than the one before it. What a word means is in docs/witness.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MOST_ENTRIES = 1 << 20
"""Entries that a line may have, spelled out."""
_RUN = re.compile(r"(0x[0-9a-f]{1,16})(?:\*(\d{1,7})(?:([+-])(0x[0-9a-f]{1,16}))?)?", re.ASCII)
_WORD = re.compile(r"[a-z]+", re.ASCII)
_MASK = (1 << 64) - 1


class EntryRun(NamedTuple):
    """`length` entries, each `step` more than the one before it."""

    first: int
    length: int = 1
    step: int = 0

    def __str__(self) -> str:
        if self.length == 1:
            return f"{self.first:#x}"
        step = f"{'+' if self.step > 0 else '-'}{abs(self.step):#x}" if self.step else ""
        return f"{self.first:#x}*{self.length}{step}"


def runs(entries: Iterable[int]) -> list[EntryRun]:
    """Return entries as runs, as few as come of joining neighbours in order."""
    found: list[EntryRun] = []
    for entry in entries:
        last = found[-1] if found else None
        if last is not None and last.length == 1:
            found[-1] = EntryRun(last.first, 2, entry - last.first)
        elif last is not None and entry == last.first + last.length * last.step:
            found[-1] = last._replace(length=last.length + 1)
        else:
            found.append(EntryRun(entry))
    return found


def spelled(entries: Sequence[int]) -> str:
    """Return entries as a value of a line; ``-`` where there are none."""
    return ",".join(map(str, runs(entries))) or "-"


def entry_runs(text: str) -> tuple[EntryRun, ...]:
    """Read runs of entries from a line's value. Raises ValueError for what is none."""
    return tuple(map(_run, () if text in {"", "-"} else text.split(",")))


def _run(piece: str) -> EntryRun:
    match = _RUN.fullmatch(piece)
    if match is None:
        raise ValueError(f"{piece[:40]!r} is no run of entries")
    step = int(match[4] or "0", 16) * (-1 if match[3] == "-" else 1)
    return EntryRun(int(match[1], 16), int(match[2] or 1), step)


class SeenLine(NamedTuple):
    """One line: its word and its values. Its methods raise ValueError for what is no such value."""

    word: str
    values: dict[str, str]

    def number(self, name: str) -> int:
        """Return a number of 64 bits without a sign."""
        value = int(self.values.get(name, ""), 0)
        if not 0 <= value <= _MASK:
            raise ValueError(f"{name}={value} is no number of 64 bits")
        return value

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return the numbers between commas."""
        text = self.values.get(name, "-")
        return () if text == "-" else tuple(int(each, 0) & _MASK for each in text.split(","))

    def text(self, name: str) -> str:
        """Return a word; "" where it is left out."""
        return self.values.get(name, "")

    def entries(self, name: str) -> list[int]:
        """Return the entries of a value that `spelled` has made."""
        found: list[int] = []
        for run in entry_runs(self.values.get(name, "-")):
            if len(found) + run.length > MOST_ENTRIES:
                raise ValueError("too many entries in one line")
            found += [(run.first + at * run.step) & _MASK for at in range(run.length)]
        return found


def line(word: str, **values: int | str | Sequence[int]) -> str:
    """Return a line without its newline. Raises ValueError for a value that a line cannot hold."""
    pieces = [word]
    for name, value in values.items():
        if isinstance(value, int):
            text = f"{value:#x}" if value > 9 else str(value)
        elif isinstance(value, str):
            text = value or "-"
            if re.search(r"[\s=]", text):
                raise ValueError(f"{name}={value!r} has a blank")
        else:
            text = ",".join(f"{each:#x}" for each in value) or "-"
        pieces.append(f"{name}={text}")
    return " ".join(pieces)


def parse(text: str) -> SeenLine:
    """Read a line. Raises ValueError where it is none."""
    word, *pairs = text.split(" ")
    if not _WORD.fullmatch(word):
        raise ValueError(f"no line of a witness: {text[:40]!r}")
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"no value: {pair[:40]!r}")
        values[name] = value
    return SeenLine(word, values)
