# SPDX-License-Identifier: GPL-2.0-only
"""Failures printed since the last result: they belong to the next one. Memory is bounded."""

from __future__ import annotations

from dataclasses import replace

from mermapctl.console.assertion_block import BROKE_OFF, TIMED_OUT, Failure
from mermapctl.console.ktap import Status

KEEP_FAILURES = 32


class OpenFailures:
    """Collect failures until a result takes them; false while there is none.

    `kept` are the first ones, `omitted` counts the others, `tests` names the tests whose own
    assertions failed.
    """

    def __init__(self) -> None:
        self.kept: list[Failure] = []
        self.omitted = 0
        self.tests: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self.kept)

    @property
    def timed_out(self) -> bool:
        """Return whether one says that the test took too long."""
        return any(TIMED_OUT.search(each.message or "") for each in self.kept)

    def add(self, failure: Failure) -> None:
        """Keep a failure, or count it; a new place and the end of a test have extra room."""
        room = len(self.kept) - KEEP_FAILURES
        if room < 0 or (room < KEEP_FAILURES and self._is_new_place(failure)):
            self.kept.append(failure)
        elif BROKE_OFF.match(failure.message or ""):
            self.kept[-1] = failure
            self.omitted += 1
        else:
            self.omitted += 1

    def add_assertion(self, test: str, failure: Failure) -> None:
        """Add the failure of an assertion in the code of `test`."""
        self.add(failure)
        self.tests.add(test)

    def add_end(self, failure: Failure) -> None:
        """Add the error that ended a test; `try faulted` and the error after it are one failure."""
        last = self.kept[-1] if self.kept else None
        if last is None or not BROKE_OFF.match(last.message or ""):
            self.add(failure)
        else:
            self.kept[-1] = replace(last, message=f"{last.message}\n{failure.message}")

    def take(self, status: Status) -> tuple[tuple[Failure, ...], int]:
        """Return the failures of a result, and how many more there were; begin anew."""
        failures, more = tuple(self.kept), self.omitted
        self.kept, self.omitted = [], 0
        self.tests.clear()
        if status.good:  # `FILE:LINE: text` is a failure only if the test failed
            failures = tuple(each for each in failures if each.expected is not None)
        return failures, more

    def _is_new_place(self, failure: Failure) -> bool:
        return all((each.file, each.line) != (failure.file, failure.line) for each in self.kept)
