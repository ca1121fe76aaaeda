# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report log`: judge console logs from any machine, without a tree."""

from __future__ import annotations

import io
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import BinaryIO

from mermapctl.console import mailed_console
from mermapctl.console.lines import BLOCK_BYTES
from mermapctl.console.mailed_console import NoConsole
from mermapctl.errors import UserError
from mermapctl.judge import not_console
from mermapctl.judge.not_console import ForeignInput
from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records import record
from mermapctl.records.cell_verdict import judge_log
from mermapctl.records.record import Artifacts, Cell, LogFacts, RunRecord, State, TreeFacts
from mermapctl.system import inputs

STDIN = "-"
_STDIN_NAME = "standard input"
_LONGEST_NAME = 60


def of_logs(
    logs: Sequence[str], command: tuple[str, ...], *, suite: str | None, allow_splats: bool = False
) -> RunRecord:
    """Judge the consoles in files (`-`: standard input) into one record, with a cell for each.

    Facts that a console does not show are null. `suite` is a glob of suites that each console must
    contain. Raises UserError if a file cannot be read.
    """
    begun = record.begin(command=command, tree=TreeFacts())
    run = replace(begun.run, host=None, state=State.FINISHED, pid=None, process=None)
    blank = Cell(
        target=None,
        variant=None,
        verdict=Verdict.NO_VERDICT,
        suite=suite,
        allow_splats=allow_splats,
    )
    judged: list[tuple[Cell, str | None]] = []
    named: list[str] = []
    parts: list[str | None] = []
    for log, name in zip(logs, names(logs), strict=True):
        for part, cell, kernel in _judged(log, blank):
            judged.append((cell, kernel))
            named.append(f"{name}: {part}" if part else name)
            parts.append(part)
    kernels = {kernel for _, kernel in judged}
    cells = tuple(cell for cell, _ in judged)
    if len(judged) > 1 or any(parts):
        each_name = _numbered(named)
        facts = [LogFacts(*each) for each in zip(each_name, (k for _, k in judged), strict=True)]
        cells = tuple(replace(cell, log=log) for cell, log in zip(cells, facts, strict=True))
    return replace(
        begun,
        run=run,
        tree=TreeFacts(kernel=kernels.pop() if len(kernels) == 1 else None),
        verdict=record.verdict_of(cells),
        cells=cells,
    )


def _judged(log: str, blank: Cell) -> list[tuple[str | None, Cell, str | None]]:
    """Judge one console, or those in a mail; also return part and kernel version of each."""
    try:
        if log == STDIN:
            return _judged_stream(blank, sys.stdin.buffer)
        path = Path(log).absolute()
        cell = replace(blank, artifacts=Artifacts(console=str(path)))
        with inputs.open_stream(path) as stream:
            return _judged_stream(cell, stream)
    except OSError as error:
        raise UserError(
            f"cannot read the log {log}: {error.strerror}", "Give a file, or - for standard input."
        ) from error


def _judged_stream(cell: Cell, stream: BinaryIO) -> list[tuple[str | None, Cell, str | None]]:
    head, chunks = not_console.peek(stream, BLOCK_BYTES)
    if not not_console.is_mail(head):
        return [(None, *judge_log(cell, chunks))]
    data = io.BytesIO()
    for chunk in chunks:
        data.write(chunk)
        if data.tell() > mailed_console.MOST_BYTES:
            break
    found = mailed_console.read(data.getvalue())
    if isinstance(found, NoConsole):
        finding = not_console.finding(ForeignInput(found.what, found.give))
        none = replace(
            cell, reason=Reason.NOT_A_CONSOLE, detail=finding.summary, findings=(finding,)
        )
        return [(None, none, None)]
    judged: list[tuple[str | None, Cell, str | None]] = []
    for console in found:
        place = "in the text of a mail" if console.name is None else f"attached: {console.name}"
        note = f"a console {place}; its lines are counted from its own first one"
        blank = replace(cell, artifacts=Artifacts(), notes=(*cell.notes, note))
        judged.append((console.name or "text", *judge_log(blank, [console.data])))
    return judged


def names(logs: Sequence[str]) -> list[str]:
    """Name each log by the end of its path, by as many parts as distinguish it from the others.

    Add a number to a file that is given twice, and to names that differ only in punctuation:
    JUnit's class names have `_` for it.
    """
    return _numbered(_tails(logs))


def _numbered(given: Sequence[str]) -> list[str]:
    """Make names printable, short and unique."""
    taken: set[str] = set()
    found = []
    for name in given:
        shown = "".join(char if char.isprintable() else "\ufffd" for char in name.strip())
        if len(shown) > _LONGEST_NAME:
            shown = "…" + shown[1 - _LONGEST_NAME :]
        number, unique = 1, shown
        while (key := re.sub(r"[^A-Za-z0-9+=-]+", "_", unique)) in taken:
            number += 1
            unique = f"{shown} ({number})"
        taken.add(key)
        found.append(unique)
    return found


def _tails(logs: Sequence[str]) -> list[str]:
    """Return the last part of each path, or more parts if two different paths end alike."""
    paths = [
        (_STDIN_NAME,) if log == STDIN else PurePath(Path(log).absolute()).parts for log in logs
    ]
    sizes = dict.fromkeys(paths, 1)
    while True:
        ends = {path: str(PurePath(*path[-size:])) for path, size in sizes.items()}
        shared = Counter(ends.values())
        longer = [
            path for path, size in sizes.items() if shared[ends[path]] > 1 and size < len(path)
        ]
        if not longer:
            return [ends[path] for path in paths]
        sizes |= {path: sizes[path] + 1 for path in longer}
