# SPDX-License-Identifier: GPL-2.0-only
"""Console lines -> KTAP suites. Pure and streaming.

Formats: Documentation/dev-tools/ktap.rst, and what lib/kunit/ prints around it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Status(enum.StrEnum):
    """What became of a test or a suite."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CRASHED = "crashed"
    HUNG = "hung"
    MISSING = "missing"


class FailureKind(enum.StrEnum):
    """Which KUnit macro fired."""

    ASSERTION = "assertion"
    EXPECTATION = "expectation"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure block of the console; `values` maps expressions to the text printed for them."""

    kind: FailureKind
    file: str | None
    line: int | None
    expected: str | None
    values: dict[str, str] = field(default_factory=dict)
    message: str | None = None
    console_line: int | None = None


@dataclass(frozen=True, slots=True)
class Test:
    """One test; `seconds` by the kernel's or the arrival clock, `reason` of a skip."""

    __test__ = False  # not a pytest class

    name: str
    status: Status
    seconds: float | None = None
    failures: tuple[Failure, ...] = ()
    tests: tuple[Test, ...] = ()
    reason: str | None = None
    console_line: int | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite as the console accounts for it; `console_line` is where it begins (1-based)."""

    name: str
    status: Status
    tests: tuple[Test, ...] = ()
    seconds: float | None = None
    failures: tuple[Failure, ...] = ()
    reason: str | None = None
    console_line: int | None = None
