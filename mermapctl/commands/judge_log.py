# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report log`: judge console logs from any machine, without a tree."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from mermapctl.errors import UserError
from mermapctl.judge.result_types import Verdict
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
    judged = [_judged(log, blank) for log in logs]
    kernels = {kernel for _, kernel in judged}
    cells = tuple(cell for cell, _ in judged)
    if len(logs) > 1:
        facts = [LogFacts(*each) for each in zip(names(logs), (k for _, k in judged), strict=True)]
        cells = tuple(replace(cell, log=log) for cell, log in zip(cells, facts, strict=True))
    return replace(
        begun,
        run=run,
        tree=TreeFacts(kernel=kernels.pop() if len(kernels) == 1 else None),
        verdict=record.verdict_of(cells),
        cells=cells,
    )


def _judged(log: str, blank: Cell) -> tuple[Cell, str | None]:
    """Judge one console; also return the kernel version that it prints."""
    try:
        if log == STDIN:
            return judge_log(blank, sys.stdin.buffer)
        path = Path(log).absolute()
        cell = replace(blank, artifacts=Artifacts(console=str(path)))
        with inputs.open_stream(path) as stream:
            return judge_log(cell, stream)
    except OSError as error:
        raise UserError(
            f"cannot read the log {log}: {error.strerror}", "Give a file, or - for standard input."
        ) from error


def names(logs: Sequence[str]) -> list[str]:
    """Name each log by the end of its path, by as many parts as distinguish it from the others.

    Add a number to a file that is given twice, and to names that differ only in punctuation:
    JUnit's class names have `_` for it.
    """
    taken: set[str] = set()
    found = []
    for name in _tails(logs):
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
