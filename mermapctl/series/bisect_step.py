# SPDX-License-Identifier: GPL-2.0-only
"""What a bisect does next, or how it ends."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MoreBoots:
    """Boot a commit so many more times."""

    index: int
    boots: int


@dataclass(frozen=True, slots=True)
class Named:
    """The culprit is one of `suspects`, oldest first; `error` is the chance that it is not."""

    suspects: tuple[int, ...]
    error: float


@dataclass(frozen=True, slots=True)
class Undecided:
    """Further boots would not decide; `suspects` are the most probable, `error` as in Named."""

    suspects: tuple[int, ...]
    error: float


@dataclass(frozen=True, slots=True)
class WrongEnds:
    """The ends do not differ as a good and a bad one do, or have the same kernel."""


Step = MoreBoots | Named | Undecided | WrongEnds
