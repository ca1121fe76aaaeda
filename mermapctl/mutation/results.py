# SPDX-License-Identifier: GPL-2.0-only
"""Results of mutants, one file each, so that a session that was killed goes on where it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mermapctl.mutation.mutant import Fate, Mutant, MutantResult
from mermapctl.system import cache_file


@dataclass(frozen=True, slots=True)
class KeptResults:
    """The results for one tree, request and version of mermapctl, in a directory of theirs."""

    place: Path

    def find(self, mutants: Iterable[Mutant]) -> dict[str, MutantResult]:
        """Return the results that are known, by the mutants' keys; damaged ones are not."""
        found = {}
        for each in mutants:
            kept = cache_file.read(self.place / f"{each.key}.json", MutantResult)
            if kept is not None and kept.mutant == each and kept.fate is not Fate.UNJUDGED:
                found[each.key] = kept
        return found

    def keep(self, result: MutantResult) -> None:
        """Write a result; without room for it, the mutant is tried again next time."""
        cache_file.write(self.place / f"{result.mutant.key}.json", result)
