# SPDX-License-Identifier: GPL-2.0-only
"""A mutant: one file of a kernel with one line changed, and what became of it."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass


class Fate(enum.StrEnum):
    """What became of a mutant.

    `killed` by a test or the kernel's own checks, `trace`: the suite passes and the trace shows a
    fault, `hung` in a loop or twice, `survived`: nothing saw it, `uncovered`: it compiles, and
    survives since no test runs its line, `equivalent`: the compiler makes the same code of it,
    `unbuilt`: it does not compile, `unjudged`: no verdict.
    """

    KILLED = "killed"
    TRACE = "trace"
    HUNG = "hung"
    SURVIVED = "survived"
    UNCOVERED = "uncovered"
    EQUIVALENT = "equivalent"
    UNBUILT = "unbuilt"
    UNJUDGED = "unjudged"

    @property
    def counts(self) -> bool:
        """Return whether it counts in the score: it is another program, and was judged."""
        return self in {*SEEN, Fate.SURVIVED, Fate.UNCOVERED}


SEEN = (Fate.KILLED, Fate.TRACE, Fate.HUNG)
"""Fates of a mutant that a run reports as a failure."""
ALIVE = (Fate.SURVIVED, Fate.UNCOVERED)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One line of `file` changed by `rule`; `before` and `after` are the lines, without their ends.

    `seen_by` is what an assertion would have to check, if its rule tells.
    """

    file: str
    line: int
    before: str
    after: str
    rule: str
    seen_by: str | None = None

    @property
    def key(self) -> str:
        """Return what identifies it among the mutants of one tree."""
        text = f"{self.file}\0{self.line}\0{self.after}"
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class MutantResult:
    """A mutant and its fate.

    `tests` failed, `codes` are the findings, `said` is one sentence on it (the compiler's error,
    the first finding, what an assertion would have to check). `function` is where the line is.
    """

    mutant: Mutant
    fate: Fate
    tests: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    said: str = ""
    seconds: float = 0.0
    function: str | None = None
