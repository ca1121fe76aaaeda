# SPDX-License-Identifier: GPL-2.0-only
"""Was a case judged rightly? What was expected of it, what came, and in which words it differs."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.corpus import Case, Expected
from tests.faults.trial import Trial


@dataclass(frozen=True, slots=True)
class Judged:
    """A case with its trials; `traced` is null where there was none, `error` says why."""

    case: Case
    plain: Trial | None
    traced: Trial | None = None
    error: str | None = None

    @property
    def wrong(self) -> tuple[str, ...]:
        """What is wrong with the judgement; nothing if it is right."""
        found = [self.error] if self.error else []
        if self.plain:
            found += _differences("run", self.case.plain, self.plain.got)
        if self.traced and self.case.traced:
            found += _differences("run --trace", self.case.traced, self.traced.got)
        return tuple(found)

    @property
    def kunit_differs(self) -> str | None:
        """Where kunit.py said something else than the fault's header: another kernel's may."""
        if self.plain is None or self.case.kunit in (None, self.plain.kunit):
            return None
        return f"kunit.py says {self.plain.kunit}, the header {self.case.kunit}"

    @property
    def missed_by_kunit(self) -> bool:
        """A fault that kunit.py passes."""
        return self.plain is not None and self.plain.kunit == "passed"

    @property
    def seconds(self) -> float:
        """Of all its trials."""
        return sum(trial.seconds for trial in (self.plain, self.traced) if trial)


def _differences(what: str, expected: Expected, got: Expected) -> list[str]:
    found = []
    if (got.verdict, got.reason) != (expected.verdict, expected.reason):
        found.append(f"{what}: {_verdict(got)} where {_verdict(expected)} is right")
    if lacking := expected.codes - got.codes:
        found.append(f"{what}: no finding {', '.join(sorted(lacking))}")
    if extra := got.codes - expected.codes:
        found.append(f"{what}: a finding too many: {', '.join(sorted(extra))}")
    return found


def _verdict(expected: Expected) -> str:
    return f"{expected.verdict} ({expected.reason})" if expected.reason else expected.verdict
