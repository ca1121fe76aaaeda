# SPDX-License-Identifier: GPL-2.0-only
"""Step: a cell at one moment of its run; the last step counts."""

from __future__ import annotations

import enum
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TypeAlias

from mermapctl.records.record import Cell


class Doing(enum.StrEnum):
    """What is being done to a cell, for the message about a signal that ended it."""

    CONFIGURATION = "configuration"
    BUILD = "build"
    BOOT = "boot"
    EXPLANATION = "explanation"
    JUDGEMENT = "judgement"
    SECOND_BOOT = "second boot with probes"
    WITNESS = "boot under the witness"
    UNPROBED = "boot without probes"
    TRIAGE = "hang triage"
    REPEATS = "repeated boots"
    CONFIRM = "second boot with the same seed"
    COST = "boot that counts instructions"
    STRESS = "stress suite"
    COVERAGE = "measurement of the coverage"


@dataclass(frozen=True, slots=True)
class Step:
    """A cell as it is now, and what is done to it next."""

    cell: Cell
    doing: Doing


Steps: TypeAlias = "Generator[Step, None, Cell]"
"""Yields a cell each time that more of it is known; returns the last one."""


def spent(cell: Cell, **seconds: float) -> Cell:
    """Return the cell with the duration of a phase in seconds."""
    return replace(cell, phases=replace(cell.phases, **seconds))


def noted(cell: Cell, *notes: str) -> Cell:
    """Return the cell with further notes."""
    return replace(cell, notes=(*cell.notes, *notes))
