# SPDX-License-Identifier: GPL-2.0-only
"""Types of findings and the verdict. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Verdict(enum.StrEnum):
    """The three verdicts; "no verdict" is never "failed"."""

    PASSED = "passed"
    FAILED = "failed"
    NO_VERDICT = "no-verdict"


class Reason(enum.StrEnum):
    """The reason for having no verdict."""

    CONFIG_UNSATISFIED = "config-unsatisfied"
    BUILD_FAILED = "build-failed"
    ACCELERATOR_FAILED = "accelerator-failed"
    BOOT_FAILED = "boot-failed"
    INTERRUPTED = "interrupted"
    HARNESS_ERROR = "harness-error"
    WORKER_LOST = "worker-lost"  # of a farm, twice, or with no other left
    NOT_A_CONSOLE = "not-a-console"
    QUOTED = "quoted"  # a console with lines left out or wrapped; the rest shows no failure
    ABSENT = "absent"  # a commit of a series that does not have the suite yet


class Severity(enum.StrEnum):
    """The severity of a finding; an error fails the cell."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Ended(enum.StrEnum):
    """How a boot ended, as reported by its supervisor."""

    EXITED = "exited"
    TIMEOUT = "timeout"
    SILENCE = "silence"
    ACCELERATOR_FAILED = "accelerator-failed"
    INTERRUPTED = "interrupted"
    KILLED = "killed"  # QEMU or kunit.py, by a signal from outside
    UNKNOWN = "unknown"  # a console log from elsewhere


@dataclass(frozen=True, slots=True)
class Boot:
    """Facts of a boot from outside its console; `silence` in seconds.

    `killed` says which program was killed by which signal; null if none was.
    """

    ended: Ended = Ended.UNKNOWN
    silence: float | None = None
    limit: float | None = None
    killed: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault, in one sentence with its numbers; docs/verdicts.md lists the codes."""

    code: str
    severity: Severity
    summary: str
    test: str | None = None
    evidence: dict[str, str | int | float | bool | None] = field(default_factory=dict)
    where: str | None = None
    advice: str | None = None
    consequences: tuple[str, ...] = ()
    console_line: int | None = None


@dataclass(frozen=True, slots=True)
class Flush:
    """One row of the TLB-flush table; `words` is the result as text."""

    test: str
    expected: int | None
    counted: int | None
    observed: int | None = None
    allocations: int | None = None
    words: str = ""
