# SPDX-License-Identifier: GPL-2.0-only
"""Annotate a console for a page: each line with its number, its kind and its findings, in folds.

Folds hide boot messages and long runs of trace lines, never lines with a finding, failure or splat.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.render.account import marks
from mermapctl.render.excerpt import ExcerptLine, Gap, Window, excerpt
from mermapctl.trace import events

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mermapctl.records.record import Cell

WHOLE = 6000
"""Limit on the lines of a console that is shown whole."""

_WINDOW = Window(head=500, tail=500, around=100)
_FOLD = 8  # a run of trace lines shorter than this stays open
_NEAR = 2  # lines around a marked one that stay open

_STAMPS = re.compile(r"(<\d{1,3}>)?(\[[^\]]*\] ?)*")
"""printk's level, time and caller in front of a line."""
_KINDS = (
    ("ktap", re.compile(r"\s*(KTAP version \d|# Subtest: |1\.\.\d+$|# module: )")),
    ("fail", re.compile(r"\s*not ok \d+ |\s*# \S.*: (ASSERTION|EXPECTATION) FAILED at ")),
    ("skip", re.compile(r"\s*ok \d+ .*# SKIP")),
    ("pass", re.compile(r"\s*ok \d+ ")),
    ("flush", re.compile(r"mm_flush\w*: \(")),
    ("trace", events.START),
    ("ktap", re.compile(r"\s*# (\S+: pass:|Totals: )")),
)
_EXPECTED = re.compile(r"\s*Expected .*(, but|==|!=|<|>)")
_VALUE = re.compile(r"\s{4,}\S.* == ")


@dataclass(frozen=True, slots=True)
class LineMark:
    """A link at a line: its word, and the id of its target."""

    word: str
    target: str


@dataclass(frozen=True, slots=True)
class PageLine:
    """One line of the console."""

    number: int
    text: str
    kind: str
    notes: tuple[LineMark, ...] = ()


@dataclass(frozen=True, slots=True)
class Fold:
    """Consecutive lines of a kind; without `title` they are always shown."""

    lines: tuple[PageLine, ...]
    title: str = ""


def annotate(
    cell: Cell, lines: Iterable[str], prefix: str, more: Mapping[int, LineMark] | None = None
) -> tuple[tuple[Fold | Gap, ...], int]:
    """Return a console's folds and gaps, and the number of shown lines.

    `prefix` begins the ids of the links' targets; `more` has further links by line.
    """
    source = iter(lines)
    held = list(itertools.islice(source, WHOLE + 1))
    notes = _notes(cell, prefix)
    for number, note in (more or {}).items():
        notes.setdefault(number, []).append(note)
    wanted = marks(cell) | notes.keys()
    window = _WINDOW if len(held) > WHOLE else Window(head=WHOLE, tail=0, around=0)
    items = list(excerpt(itertools.chain(held, source), wanted, window))
    splats = [(splat.line, splat.last_line or splat.line) for splat in cell.splats]
    blocks: list[Fold | Gap] = []
    shown = 0
    for gap, group in itertools.groupby(items, key=lambda item: isinstance(item, Gap)):
        if gap:
            blocks.extend(item for item in group if isinstance(item, Gap))
            continue
        said = [_page_line(item, notes, splats) for item in group if isinstance(item, ExcerptLine)]
        shown += len(said)
        blocks.extend(_folds(_color_blocks(said)))
    return tuple(blocks), shown


def _notes(cell: Cell, prefix: str) -> dict[int, list[LineMark]]:
    notes: dict[int, list[LineMark]] = {}
    for n, finding in enumerate(cell.findings):
        if finding.console_line is not None:
            notes.setdefault(finding.console_line, []).append(
                LineMark(finding.code, f"{prefix}f{n}")
            )
    for n, splat in enumerate(cell.splats):
        notes.setdefault(splat.line, []).append(LineMark(str(splat.kind), f"{prefix}s{n}"))
    return notes


def _page_line(
    line: ExcerptLine, notes: dict[int, list[LineMark]], splats: list[tuple[int, int]]
) -> PageLine:
    text = _without_stamps(line.text)
    kind = next((name for name, pattern in _KINDS if pattern.match(text)), "")
    if any(first <= line.number <= last for first, last in splats) and kind != "trace":
        kind = "splat"
    return PageLine(line.number, line.text, kind, tuple(notes.get(line.number, ())))


def _without_stamps(text: str) -> str:
    stamps = _STAMPS.match(text)
    return text[stamps.end() :] if stamps else text


def _color_blocks(lines: list[PageLine]) -> Iterator[PageLine]:
    """Give all lines of a failure block its kind."""
    inside = False
    for line in lines:
        if line.kind:
            inside = line.kind == "fail" and "FAILED at" in line.text
        elif inside:
            text = _without_stamps(line.text)
            inside = bool(_EXPECTED.match(text) or _VALUE.match(text))
            if inside:
                line = PageLine(line.number, line.text, "fail", line.notes)  # noqa: PLW2901
        yield line


def _folds(lines: Iterable[PageLine]) -> Iterator[Fold]:
    said = list(lines)
    open_ = {near for line in said if line.notes or line.kind in {"fail", "splat", "flush"}
             for near in range(line.number - _NEAR, line.number + _NEAR + 1)}  # fmt: skip
    start = next((n for n, line in enumerate(said) if line.kind == "ktap"), len(said))
    early = start < len(said) and said[0].number == 1 and start > _FOLD

    def group(pair: tuple[int, PageLine]) -> str:
        at, line = pair
        if line.number in open_:
            return ""
        if early and at < start:
            return "boot"
        return line.kind if line.kind == "trace" else ""

    for kind, run in itertools.groupby(enumerate(said), key=group):
        members = tuple(line for _, line in run)
        if not kind or len(members) < _FOLD:
            yield Fold(members)
        else:
            word = "trace" if kind == "trace" else "boot"
            span = f"{members[0].number} to {members[-1].number}"
            yield Fold(members, f"{len(members):,} {word} lines, {span}")
