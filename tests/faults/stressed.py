# SPDX-License-Identifier: GPL-2.0-only
"""Boot faults and right mermaps with the stress suite: `python -m tests.faults --stress`.

A fault must have one of the findings in its header, with a history that shows it alone; a right
mermap must run all histories, with their flushes observed, and give no finding.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.faults import corpus, seeded, trial
from tests.faults.corpus import Case

HEADING = "\n## Under stress\n"
SEEDS = (1, 2, 3)
"""Of a mermap without a fault; a fault must be found from the first one."""
ROUNDS, GOOD_ROUNDS = 300, 1000
UNTRACED, LOCKDEP = "--no-trace", "debug"
"""Options of good configurations whose flushes nothing observes; lockdep allows no probes."""
REPEATS = ("--repeat", "--no-trace", "--no-witness")
"""Options of faults that choose no kernel and no machine."""
_HEAD = """
Every good configuration with probes, booted with {good} random histories
([stress](howto/stress.md)) from each of {seeds} seeds, by `python -m tests.faults --stress`. What
they find in faults is a column of `make faults`.

{totals}

| configuration | seed | histories | under stress | |
| --- | --: | --: | --- | --- |
"""


@dataclass(frozen=True, slots=True)
class Stressed:
    """One boot with the stress suite; `found` is the finding of its smallest history, `shrunk`."""

    case: Case
    seed: int
    verdict: str = ""
    found: str | None = None
    shrunk: str | None = None
    words: str = ""
    traced: bool = False
    histories: int = 0
    seconds: float = 0.0
    error: str | None = None

    @property
    def wrong(self) -> tuple[str, ...]:
        """Return what is wrong with this judgement; empty if it is right."""
        if self.error:
            return (self.error,)
        expected = self.case.stressed
        if expected:
            right = self.verdict == "failed" and self.found in expected
            found = () if right else (f"found {self.found or self.verdict}",)
            return (*found, *(() if self.shrunk else ("no history alone",)))
        seen = self.traced or any(LOCKDEP in option for option in self.case.run)
        whole = seen and self.histories >= GOOD_ROUNDS
        return () if self.verdict == "passed" and whole else (self.words or self.verdict,)


def cases(faults: Sequence[Case], good: Sequence[Case]) -> tuple[Case, ...]:
    """Return what is tried: good configurations that ask for probes, each fault on its mermaps."""
    right = (replace(case, stressed=frozenset()) for case in good if UNTRACED not in case.run)
    tried = [case for case in faults if case.stressed is not None]
    return (*right, *corpus.put_into_mermaps(tried))


def judge(tree: Path, case: Case) -> Iterator[Stressed]:
    """Build a case, and boot it with each of its seeds."""
    try:
        with seeded.seeded(tree, case):
            for seed in SEEDS[:1] if case.patch else SEEDS:
                yield run(tree, case, seed)
    except RuntimeError as error:
        yield Stressed(case, SEEDS[0], error=str(error))


def run(tree: Path, case: Case, seed: int = SEEDS[0]) -> Stressed:
    """Boot a tree as it is with the stress suite. Raises RuntimeError as `trial.documented`."""
    began = time.monotonic()
    rounds = ROUNDS if case.patch else GOOD_ROUNDS
    asked = ("--stress", "--no-witness", f"--seed={seed}", f"--rounds={rounds}")
    kernel = [option for option in case.run if not option.startswith(REPEATS)]
    _, cell = trial.documented(tree, case, *asked, *kernel)
    found = cell["stress"] or {}
    return Stressed(
        case,
        seed,
        verdict=found.get("verdict", cell["verdict"]),
        found=found.get("code"),
        shrunk=found.get("shrunk"),
        words=found.get("words") or cell["detail"] or "",
        traced=found.get("traced", False),
        histories=found.get("histories", 0),
        seconds=time.monotonic() - began,
    )


def totals(results: Sequence[Stressed]) -> str:
    """Summarize the results in a paragraph."""
    faults = [each for each in results if each.case.patch]
    good = [each for each in results if not each.case.patch]
    kinds = ((faults, "faults"), (good, "boots without a fault"))
    return " ".join(
        f"{len(boots)} {kind}: {sum(bool(each.wrong) for each in boots)} judged wrongly."
        for boots, kind in kinds
        if boots
    )


def section(results: Sequence[Stressed]) -> str:
    """Render the section of docs/faults.md, with its heading."""
    head = _HEAD.format(good=f"{GOOD_ROUNDS:,}", seeds=len(SEEDS), totals=totals(results))
    return HEADING + head + "".join(map(_row, results))


def _row(each: Stressed) -> str:
    cells = (
        each.case.subject,
        str(each.seed),
        f"{each.histories:,}",
        f"`{each.found}`" if each.found else each.verdict,
        f"**wrong**: {'; '.join(each.wrong)}" if each.wrong else "right",
    )
    return f"| {' | '.join(cells)} |\n"
