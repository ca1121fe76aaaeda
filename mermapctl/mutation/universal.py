# SPDX-License-Identifier: GPL-2.0-only
"""Runs universalmutator, which knows C, and reads the mutants that it writes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from mermapctl.errors import HarnessError, UserError
from mermapctl.mutation.mutant import Mutant
from mermapctl.system import files, inputs, process, scratch

RULE = "C"
INSTALL = (
    "pipx install 'mermapctl[mutate]' installs it (pipx inject mermapctl universalmutator if "
    "mermapctl is there already)"
)
_NAME = "file.c"
_SECONDS = 600
_ADDED = ("break;", "continue;")


def program() -> str:
    """Return the path of its command: beside our Python, or on PATH. Raises UserError."""
    beside = Path(sys.executable).parent / "mutate"
    found = str(beside) if beside.is_file() else shutil.which("mutate")
    if found is None:
        raise UserError("universalmutator is not installed: it makes mutants of C", INSTALL)
    return found


def mutants(command: str, file: str, text: str) -> Iterator[Mutant]:
    """Yield what universalmutator makes of a file, each mutant on one line. Raises HarnessError."""
    with scratch.filled("mutants") as place:
        (place / "made").mkdir()
        files.make(place / _NAME, text)
        argv = [command, _NAME, "c", "--noCheck", "--mutantDir", "made"]
        env = {**process.inherited(), "LC_ALL": "C.UTF-8"}
        done = process.run(argv, cwd=place, env=env, timeout=_SECONDS)
        made = sorted((place / "made").iterdir())
        if done.returncode != 0 or not made:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no reason"]
            raise HarnessError(f"universalmutator made nothing of {file}: {last[0]}")
        before = text.split("\n")
        for path in made:
            found = changed(file, before, inputs.read_text(path).split("\n"))
            if found:
                yield found


def changed(file: str, before: list[str], after: list[str]) -> Mutant | None:
    """Return the mutant in a changed copy; None if not exactly one line differs.

    A statement that it adds as a line of its own goes behind the line above it, so that each line
    keeps its number; a statement in a comment becomes an empty one, so that an `if` before it does
    not get the next statement.
    """
    at = next((n for n, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]),
              None)  # fmt: skip
    if at is None:
        return None
    if len(after) == len(before) + 1 and after[at].strip() in _ADDED and at:
        if after[at + 1 :] != before[at:]:
            return None
        return Mutant(file, at, before[at - 1], f"{before[at - 1]} {after[at].strip()}", RULE)
    if len(after) != len(before) or after[at + 1 :] != before[at + 1 :]:
        return None
    line = before[at].strip()
    text = after[at]
    if text.strip() == f"/*{line}*/" and line.endswith(";"):
        text = before[at].replace(line, ";")
    return Mutant(file, at + 1, before[at], text, RULE)
