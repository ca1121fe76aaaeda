# SPDX-License-Identifier: GPL-2.0-only
"""Lanes side by side, each a process that tries mutants; their results in the order of the draw."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.errors import HarnessError
from mermapctl.events import Listener, Note, Tick
from mermapctl.mutation import lane, lane_job
from mermapctl.mutation.lane_job import LaneJob
from mermapctl.series import budget, wire
from mermapctl.system import files, process
from mermapctl.system.children import ChildLine, Children, last_words

if TYPE_CHECKING:
    from pathlib import Path

    from mermapctl.mutation.mutant import Mutant, MutantResult

_RUN_MUTANTS = "run-mutants"
_TICK = 0.1
_WORTH, _CACHED_WORTH = 400, 100
"""Mutants for each further lane, whose first build is a whole one; one of four is booted (4 s).

The build takes 100 s on two cores, with ccache 25 s.
"""


def number(mutants: int, wanted: int | None, *, cached: bool) -> int:
    """Return how many lanes are worth their first build: linking and booting use a core each.

    `mutants` are still to be tried; `cached`: lanes share a ccache.
    """
    if wanted is not None:
        return max(1, min(wanted, mutants))
    return max(1, min(budget.room(1), mutants // (_CACHED_WORTH if cached else _WORTH)))


@dataclass(frozen=True, slots=True)
class Trying:
    """Mutants to try in lanes: the job of each lane, as soon as it is asked for."""

    jobs: Callable[[int], LaneJob]
    lanes: int
    tell: Listener

    def results(self, mutants: Sequence[Mutant]) -> Iterator[MutantResult]:
        """Yield the result of each mutant, in their order. Closing this ends all lanes.

        Raises HarnessError where a lane ends before its time.
        """
        found: dict[str, MutantResult] = {}
        rest = iter(mutants)
        awaited = next(rest, None)
        with Children() as children:
            folders = [self._start(children, each) for each in range(self.lanes)]
            while awaited is not None:
                self.tell(Tick())
                for said in children.wait(_TICK):
                    if isinstance(said, ChildLine):
                        self._heard(said.text, found, len(mutants))
                    elif said.returncode != 0 or len(children) == 0:
                        words = last_words(folders[said.child] / lane_job.COMPLAINTS)
                        self._ended(said.returncode, words, found, mutants)
                while awaited is not None and awaited.key in found:
                    yield found[awaited.key]
                    awaited = next(rest, None)

    def _start(self, children: Children, at: int) -> Path:
        job = self.jobs(at)
        files.make_folder(job.folder)
        path = job.folder / lane_job.JOB
        lane_job.write(path, job)
        argv = [sys.executable, "-P", "-m", "mermapctl", _RUN_MUTANTS, str(path)]
        children.start(at, argv, process.inherited(), job.folder / lane_job.COMPLAINTS)
        return job.folder

    def _heard(self, line: bytes, found: dict[str, MutantResult], number: int) -> None:
        result = lane.decoded(line)
        if result is None:
            if (event := wire.decode(line)) is not None:
                self.tell(event)
            return
        found[result.mutant.key] = result
        mutant = result.mutant
        where = f"{mutant.file}:{mutant.line}"
        said = f"{len(found)} of {number}: {where} {result.fate} ({mutant.rule})"
        self.tell(Note(said))

    @staticmethod
    def _ended(
        code: int, words: str, found: dict[str, MutantResult], mutants: Sequence[Mutant]
    ) -> None:
        if code != 0 or any(each.key not in found for each in mutants):
            raise HarnessError(f"the process of a lane ended with {code}{words}")
