# SPDX-License-Identifier: GPL-2.0-only
"""The facts of a farm in a cell: the tries that ended without a result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LostTry:
    """A try on a worker of a farm that ended without a result after `seconds`, and `why` in words.

    `console` is as much of its console as had come; null if nothing had.
    """

    worker: str
    why: str
    seconds: float
    console: str | None = None

    @property
    def words(self) -> str:
        """Return the try in words."""
        return f"a try on {self.worker} ended after {self.seconds:.0f} s: {self.why}"
