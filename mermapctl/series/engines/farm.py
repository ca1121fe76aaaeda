# SPDX-License-Identifier: GPL-2.0-only
"""What the dask engine asks of a farm, and what it hears of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mermapctl.series.engines.parcel import CellHarvest, CellParcel, Words, WorkerFacts


@dataclass(frozen=True, slots=True)
class WorkerCame:
    """A worker is there and may be given cells."""

    worker: str
    facts: WorkerFacts


@dataclass(frozen=True, slots=True)
class WorkerRefused:
    """A worker is there and gets no cells."""

    worker: str
    why: str


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker is gone, or does not answer."""

    worker: str
    why: str


@dataclass(frozen=True, slots=True)
class CellHeard:
    """A running cell has printed something."""

    worker: str
    token: str
    words: Words


@dataclass(frozen=True, slots=True)
class CellBack:
    """A cell has ended on a worker that is still there."""

    worker: str
    token: str
    harvest: CellHarvest


@dataclass(frozen=True, slots=True)
class FarmGone:
    """The scheduler does not answer any more."""

    why: str


FarmReport = WorkerCame | WorkerRefused | WorkerLost | CellHeard | CellBack | FarmGone


class Farm(Protocol):
    """Workers behind a scheduler. One that is lost runs nothing of ours any more."""

    @property
    def listed(self) -> bool:
        """Whether the workers that were there at the start have been asked what they are."""

    @property
    def patience(self) -> float:
        """Seconds without an answer after which a worker counts as lost."""

    def now(self) -> float:
        """Return a time in seconds."""

    def reports(self, seconds: float) -> Iterable[FarmReport]:
        """Yield what has happened; wait for it if nothing has, `seconds` at most."""

    def start(self, worker: str, parcel: CellParcel, bundle: Path | None) -> None:
        """Send a bundle, if one is given, and then a cell, which begins at once."""

    def stop(self) -> None:
        """End all cells of ours, within some seconds."""
