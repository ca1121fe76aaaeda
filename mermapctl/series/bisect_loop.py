# SPDX-License-Identifier: GPL-2.0-only
"""The steps of a bisect: build a commit in a lane, boot it, choose the next by all boots so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mermapctl.events import CellStarted, Event, Note
from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.series import bisect_ends, bisect_known, bisect_search, bisect_target, boots
from mermapctl.series.bisect_answer import Answered, boots_words, named, of_boots
from mermapctl.series.bisect_known import Known
from mermapctl.series.bisect_posterior import BootCounts
from mermapctl.series.bisect_step import MoreBoots, Step, WrongEnds
from mermapctl.series.bisect_target import Wanted
from mermapctl.series.engines.local import LocalEngine
from mermapctl.series.engines.work import Work
from mermapctl.series.grid import Grid, GridColumn
from mermapctl.series.grid_events import GridProgress, SeriesEvent
from mermapctl.series.key import of_files
from mermapctl.tree.commits import Commit

if TYPE_CHECKING:
    from mermapctl.records.record import Cell
    from mermapctl.series.boots import KernelBoot

_FEWEST_ERRORS = 2
"""Harness errors before their share of all steps counts."""


class EndsEarly(Exception):  # noqa: N818  not an error: the reason goes into the answer
    """No commit can be named: the message says why."""


@dataclass(frozen=True, slots=True)
class Bisected:
    """What is bisected: `commits` from the good end to the bad one, and what is looked for.

    Those in `skipped` are known to have no verdict. Without a `target`, the ends choose it.
    """

    commits: tuple[Commit, ...]
    column: GridColumn
    confidence: float
    target: Wanted | None = None
    skipped: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class BisectLoop:
    """The state of a bisect. `answer` returns what is known, also after an interruption."""

    def __init__(self, work: Work, asked: Bisected, tell: Callable[[Event], None]) -> None:
        self._work = work
        self._asked = asked
        self._tell = tell
        self._keys = [of_files(asked.column.key, each.tree) for each in asked.commits]
        self._lost: dict[int, int] = {}
        self._built: int | None = None
        self._errors = 0
        self._step: Step | None = None
        self._failed: str | None = None
        self.target = asked.target
        self.skipped = dict(asked.skipped)
        self.kernels: dict[int, str] = {}
        self.boots: dict[str, tuple[KernelBoot, ...]] = {}
        self.cells: dict[int, Cell] = {}
        self.steps = self.builds = 0
        for index in range(len(asked.commits)):
            self._read(index)
        self.known_boots = sum(map(len, self.boots.values()))

    @property
    def last(self) -> int:
        """Return the bad end."""
        return len(self._asked.commits) - 1

    @property
    def booted(self) -> int:
        """Return the number of boots of this run."""
        run = self._work.folder.id
        return sum(boot.run == run for found in self.boots.values() for boot in found)

    def run(self) -> None:
        """Go on until the boots name a commit, or cannot. Raises HarnessError, Interrupted."""
        if self.known_boots:
            self._tell(Note(f"{self.known_boots} boots of this range are known already"))
        try:
            while True:
                step = self._choose_target() or bisect_search.next_step(
                    self.known(), self._asked.confidence
                )
                if not isinstance(step, MoreBoots):
                    self._step = step
                    return
                self._measure(step)
        except EndsEarly as reason:
            self._failed = str(reason)

    def counts(self, index: int) -> BootCounts:
        """Return the boots of a commit's kernel, with those that have no verdict as `other`."""
        if self.target is None:
            return BootCounts(other=len(self._boots(index)))
        found = self._boots(index)
        return bisect_target.counted(self.target, found, self._usual())

    def known(self) -> Known:
        """Return the input of the search."""
        shown = {
            self.kernels[index]: self.counts(index).plus(BootCounts(other=self._lost.get(index, 0)))
            for index in self.kernels
        }
        even = [kernel for kernel, found in self.boots.items() if bisect_target.one_console(found)]
        return bisect_known.known_of(
            len(self._asked.commits),
            self.kernels,
            shown,
            skipped=frozenset(self.skipped),
            built=self._built,
            even=even,
        )

    def answer(self) -> Answered:
        """Return what is known, for the report."""
        asked = self._asked
        target = self.target
        at_end = self._boots(self.last)
        errors = dict.fromkeys(error for boot in at_end for error in boot.errors)
        seen = ", ".join(Wanted(*error).words for error in list(errors)[:4])
        return Answered(
            asked.commits,
            self.known(),
            {index: self.counts(index) for index in self.kernels if self._boots(index)},
            target,
            self._step,
            self._failed,
            {**self._hidden(), **self.skipped},
            asked.notes,
            seen,
        )

    def _hidden(self) -> dict[int, str]:
        """Return the commits whose boots are neither good nor bad, and why."""
        known = self.known().skipped - self.skipped.keys()
        return dict.fromkeys(known, "each boot fails in another way")

    def _boots(self, index: int) -> tuple[KernelBoot, ...]:
        return self.boots.get(self.kernels.get(index, ""), ())

    def _usual(self) -> frozenset[tuple[str, str | None]]:
        return bisect_target.usual(self.target, self._boots(0)) if self.target else frozenset()

    def _read(self, index: int) -> None:
        """Read the boots of a commit's kernel, if it was built."""
        kernel = boots.kernel_of(self._keys[index])
        if kernel is None:
            return
        only = self._work.folder.id if self._work.rerun else None
        found = boots.of_kernel(kernel, only)
        if found or not self._work.rerun:
            self.kernels[index] = kernel
            self.boots[kernel] = found

    def _choose_target(self) -> MoreBoots | WrongEnds | None:
        """Return what the ends need before they show what to look for; None once that is known."""
        if self.target is not None:
            return None
        bad, good = self._boots(self.last), self._boots(0)
        failing = sum(bool(boot.errors) for boot in bad)
        shown = BootCounts(failing, len(bad) - failing)
        even = bisect_target.one_console(bad)
        missing = bisect_ends.missing_at_bad_end(shown, even=even)
        if missing:
            return MoreBoots(self.last, missing)
        if not failing:
            return WrongEnds()
        if len(good) < bisect_known.SEEDS:
            return MoreBoots(0, bisect_known.SEEDS - len(good))
        self.target = bisect_target.chosen(bad, good)
        if self.target is None:  # the good end shows each of them as often
            self.target = Wanted(*bad_errors[0]) if (bad_errors := _errors(bad)) else Wanted()
        self._tell(Note(f"looking for {self.target.words}, which the bad end shows most"))
        return None

    def _measure(self, step: MoreBoots) -> None:
        """Boot a commit. Raises EndsEarly, HarnessError, Interrupted."""
        index = step.index
        commit = self._asked.commits[index]
        before, kernel = self._boots(index), self.kernels.get(index)
        first = max((boot.number + 1 for boot in before), default=0) + self._lost.get(index, 0)
        place = {0: ", the good end", self.last: ", the bad end"}.get(index, "")
        self._tell(Note(f"{boots_words(step.boots)} of {named(commit)}{place}"))
        self._tell(CellStarted(commit.id[:12], self.steps + 1, 0))
        cell = self._run(index, first, step.boots)
        self.steps += 1
        if index != self._built:
            self.builds += bool(cell.phases.build)
            self._built = index
        if cell.reason is not None or cell.verdict is not Verdict.NO_VERDICT:
            self.cells.setdefault(index, cell)  # not that of a kernel whose boots are known
        self._read(index)
        gained = len(self._boots(index)) - len(before)
        if gained < step.boots and cell.reason is not None:
            self._take_missing(index, cell, step.boots - max(gained, 0))
        elif gained <= 0 and kernel == self.kernels.get(index):
            raise EndsEarly(f"the boots of {named(commit)} could not be kept in the cache")
        if self._boots(index) and self.target is not None:
            shown = of_boots(self.counts(index))
            self._tell(Note(f"{named(commit)}: {self.target.words} in {shown}"))

    def _take_missing(self, index: int, cell: Cell, boots: int) -> None:
        """Take boots without a verdict: skip the commit if it has no other. Raises EndsEarly."""
        why = f"{cell.reason or 'no verdict'}" + (f": {cell.detail}" if cell.detail else "")
        commit = self._asked.commits[index]
        if cell.reason in {Reason.HARNESS_ERROR, Reason.INTERRUPTED}:
            self._errors += 1
            if self._errors >= _FEWEST_ERRORS and 2 * self._errors > self.steps:
                raise EndsEarly(f"{self._errors} of {self.steps} steps failed, the last with {why}")
        if index in {0, self.last}:
            end = "good" if index == 0 else "bad"
            raise EndsEarly(f"the {end} end {named(commit)} has no verdict ({why})")
        if self._boots(index):
            self._lost[index] = self._lost.get(index, 0) + boots
        else:
            self._tell(Note(f"{named(commit)} is skipped: {why}"))
            self.skipped[index] = str(cell.reason or "no verdict")

    def _run(self, index: int, first: int, number: int) -> Cell:
        """Run the cell that boots a commit `number` times, with the seeds from `first` on."""
        asked, request = self._asked, self._work.request
        shifts = request.shifts
        turned = tuple(shifts[(first + each) % len(shifts)] for each in range(len(shifts)))
        grid = Grid(asked.commits[0], asked.commits[1:], (asked.column,))
        work = replace(
            self._work,
            request=replace(request, seed=request.seed + first, repeat=number, shifts=turned),
            boots=first,
        )

        def told(event: SeriesEvent) -> None:
            if isinstance(event, GridProgress):
                if not isinstance(event.event, Note):
                    self._tell(event.event)
            elif isinstance(event, Event):
                self._tell(event)

        LocalEngine(work, grid, told).run([[index - 1]])
        return grid.cells[index - 1, 0]


def _errors(found: tuple[KernelBoot, ...]) -> list[tuple[str, str | None]]:
    return [error for boot in found for error in boot.errors]
