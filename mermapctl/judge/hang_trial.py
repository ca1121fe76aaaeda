# SPDX-License-Identifier: GPL-2.0-only
"""One boot after a hang: a module of its own, since records contain it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Outcome(enum.StrEnum):
    """The result of a test booted alone."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CRASHED = "crashed"
    HUNG = "hung"
    UNKNOWN = "unknown"  # its boot never reached the test


@dataclass(frozen=True, slots=True)
class Trial:
    """A boot of one test alone; `test` is None for the whole suite, booted again.

    `function` is the kernel's ``symbol+offset/size`` in which it hung, `named` the hanging test in
    a boot of the whole suite, `seen` the source of the function.
    """

    suite: str
    test: str | None
    outcome: Outcome
    seconds: float
    function: str | None = None
    console: str | None = None
    named: str | None = None
    seen: str | None = None

    @property
    def glob(self) -> str:
        """Return kunit.py's filter for it."""
        return f"{self.suite}.{self.test}" if self.test else self.suite
