# SPDX-License-Identifier: GPL-2.0-only
"""Compare the judgement of a case with its expected result."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.corpus import Case, Expected
from tests.faults.stressed import Stressed
from tests.faults.trial import Trial


@dataclass(frozen=True, slots=True)
class Judged:
    """A case with its trials; `error` is the reason why there is none.

    `plain` is the run without probes, and `traced` the default run. Where the case's header expects
    the same of both, `plain` is the only run. `stressed` is the boot with the stress suite.
    """

    case: Case
    plain: Trial | None
    traced: Trial | None = None
    error: str | None = None
    stressed: Stressed | None = None

    @property
    def wrong(self) -> tuple[str, ...]:
        """Return what is wrong with the judgement; empty if it is right."""
        found = [self.error] if self.error else []
        if self.plain:
            what = "run --no-trace" if self.case.traced else "run"
            found += _differences(what, self.case.plain, self.plain.got)
        if self.traced and self.case.traced:
            found += _differences("run", self.case.traced, self.traced.got)
        if self.stressed:
            found += [f"run --stress: {sentence}" for sentence in self.stressed.wrong]
        return tuple(found)

    @property
    def kunit_differs(self) -> str | None:
        """Return how kunit.py differs from the fault's header; that of another kernel may."""
        ran = self.plain or self.traced
        if ran is None or self.case.kunit in (None, ran.kunit):
            return None
        return f"kunit.py says {ran.kunit}, the header {self.case.kunit}"

    @property
    def run(self) -> Trial | None:
        """Return the trial of `mermapctl run` without further options."""
        return self.traced or (None if self.case.traced else self.plain)

    @property
    def untraced(self) -> Trial | None:
        """Return the trial without probes if it is a separate one."""
        return self.plain if self.case.traced else None

    @property
    def missed_by_kunit(self) -> bool:
        """Tell whether kunit.py passes the fault."""
        ran = self.plain or self.traced
        return ran is not None and ran.kunit == "passed"

    @property
    def seconds(self) -> float:
        """Return the seconds of all its trials."""
        trials = (self.plain, self.traced, self.stressed)
        return sum(trial.seconds for trial in trials if trial)


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
