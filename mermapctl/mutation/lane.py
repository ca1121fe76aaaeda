# SPDX-License-Identifier: GPL-2.0-only
"""The process of one lane: try mutants that no other lane has begun, and report each result."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mermapctl.errors import HarnessError
from mermapctl.mutation import advice, code, trial, unchanged
from mermapctl.mutation.mutant import ALIVE, Mutant, MutantResult
from mermapctl.mutation.results import KeptResults

if TYPE_CHECKING:
    from mermapctl.events import Listener
    from mermapctl.mutation.lane_job import LaneJob

_RESULT = b"mutant "


def run(lane: LaneJob, tell: Listener) -> Iterator[MutantResult]:
    """Build the unchanged kernel, then yield the result of each mutant, once it is kept.

    Raises HarnessError if the unchanged suite does not pass here, UserError.
    """
    made = unchanged.begun(lane.request, lane.own, lane.commit, lane.folder, lane.invoked, tell)
    seconds = lane.seconds
    if seconds is None:
        seconds = unchanged.passed(made).phases.boot or 1.0
    texts = trial.sources(made.tree, lane.files)
    original = trial.original(replace(made, tell=lambda _event: None), texts, seconds)
    functions = {file: code.functions(text) for file, text in texts.items()}
    kept = KeptResults(lane.results)
    for mutant in lane.mutants:
        if not _claimed(lane.claims, mutant):
            continue
        function = functions[mutant.file].get(mutant.line)
        covered = mutant.line not in lane.uncovered.get(mutant.file, ())
        result = trial.run(original, mutant, function, covered=covered)
        if result.fate in ALIVE:
            result = replace(result, said=advice.seen_by(mutant, result.fate, function))
        kept.keep(result)
        yield result


def _claimed(claims: Path, mutant: Mutant) -> bool:
    """Return whether this process is the first that wants to try a mutant. Raises HarnessError."""
    path = claims / mutant.key
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    except OSError as error:
        raise HarnessError(f"cannot make {path}: {error.strerror}") from error
    return True


def encoded(result: MutantResult) -> bytes:
    """Return a result as a line for the process that started the lane."""
    return _RESULT + msgspec.json.encode(result) + b"\n"


def decoded(line: bytes) -> MutantResult | None:
    """Return the result of a line without its end; None if it has none."""
    if not line.startswith(_RESULT):
        return None
    return msgspec.json.decode(line.removeprefix(_RESULT), type=MutantResult)
