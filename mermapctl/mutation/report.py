# SPDX-License-Identifier: GPL-2.0-only
"""MutationReport: what `mermapctl mutate` found. Its JSON form is a public document."""

from __future__ import annotations

from dataclasses import dataclass

from mermapctl.mutation.mutant import ALIVE, MutantResult
from mermapctl.mutation.score import Score

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class MutationReport:
    """The mutants of some files of a commit, and the score of a suite.

    `made` mutants exist; `results`, by line, are those whose fate is known: the first in the order
    that `seed` draws, until `sample` of them count (null: all). `interrupted` if a signal came
    before. `commit` is the commit, or that of the work tree as it was. `notes` are one-sentence
    facts.
    """

    schema: int
    tree: str
    commit: str
    target: str
    variant: str
    suite: str
    files: tuple[str, ...]
    made: int
    sample: int | None
    seed: int
    seconds: float
    interrupted: bool
    score: Score
    results: tuple[MutantResult, ...]
    notes: tuple[str, ...] = ()

    @property
    def survivors(self) -> tuple[MutantResult, ...]:
        """Return the mutants that nothing saw."""
        return tuple(each for each in self.results if each.fate in ALIVE)
