# SPDX-License-Identifier: GPL-2.0-only
"""The events of a run. Commands emit these values; a renderer shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CellStarted:
    """A cell begins; `number` counts from 1 to `of`, 0 if their number is unknown."""

    name: str
    number: int
    of: int


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage (config, build, boot) begins; `limit` in seconds where it has one."""

    stage: str
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects made so far by the build, and of how many: `expected` is a guess if it is `about`."""

    made: int
    expected: int | None
    about: bool = False


@dataclass(frozen=True, slots=True)
class TestEnded:
    """One test's result, as the console brings it."""

    __test__ = False  # not a pytest class

    name: str
    ok: bool


@dataclass(frozen=True, slots=True)
class StageEnded:
    """A stage has ended after `seconds`; `why` says in words why it did not end well, if known."""

    stage: str
    seconds: float
    ok: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence the user should see now."""

    text: str


@dataclass(frozen=True, slots=True)
class LaneFreed:
    """A cell of a series was built, and its boots need the lane no longer: another commit can."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passes: about ten of these a second while a stage runs."""


CellEvent = StageStarted | Objects | TestEnded | StageEnded | LaneFreed | Note
"""What a cell in a process of its own tells."""


Event = CellStarted | CellEvent | Tick
Listener = Callable[[Event], None]
