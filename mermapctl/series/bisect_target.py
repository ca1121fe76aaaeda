# SPDX-License-Identifier: GPL-2.0-only
"""What a bisect looks for, and what each boot says about it. Pure.

A boot that shows the target is bad. One that passes is good, and so is one that fails only as the
good end does. Another failure is neither: it may hide the target.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.judge.result_types import Verdict
from mermapctl.series.bisect_posterior import BootCounts

if TYPE_CHECKING:
    from mermapctl.records.first_bad import Key
    from mermapctl.series.boots import KernelBoot


@dataclass(frozen=True, slots=True)
class Wanted:
    """A finding by its code (in one test, if that is given), or a test that fails."""

    code: str | None = None
    test: str | None = None

    @property
    def words(self) -> str:
        """Its name in sentences."""
        if self.code is None:
            return f"a failure of {self.test}"
        return f"{self.code} in {self.test}" if self.test else self.code


def shows(target: Wanted, boot: KernelBoot) -> bool:
    """Return whether a boot shows the target."""
    if target.code is None:
        return any(_is_test(name, target.test or "") for name in boot.symptoms)
    return any(
        code == target.code and (target.test is None or test == target.test)
        for code, test in (*boot.errors, *boot.warnings)
    )


def _is_test(symptom: str, test: str) -> bool:
    """Return whether a symptom is this test, as SUITE.TEST or TEST, or one below it."""
    return any(
        name == test or name.startswith(f"{test}/") for name in (symptom, symptom.partition(".")[2])
    )


def usual(target: Wanted, boots: Iterable[KernelBoot]) -> frozenset[Key]:
    """Return the errors of the good end that are not the target: they hide nothing."""
    return frozenset(error for boot in boots if not shows(target, boot) for error in boot.errors)


def counted(target: Wanted, boots: Iterable[KernelBoot], usual: Collection[Key]) -> BootCounts:
    """Count the boots of a kernel."""
    bad = good = other = 0
    for boot in boots:
        if shows(target, boot):
            bad += 1
        elif boot.verdict is Verdict.PASSED or _only(usual, boot):
            good += 1
        else:
            other += 1
    return BootCounts(bad, good, other)


def _only(usual: Collection[Key], boot: KernelBoot) -> bool:
    """Return whether a boot has errors, and all of them are usual; without any it shows nothing."""
    return bool(boot.errors) and all(each in usual for each in boot.errors)


def chosen(bad: Sequence[KernelBoot], good: Sequence[KernelBoot]) -> Wanted | None:
    """Return the error that the bad end's boots show most, and the good end's least."""
    found: dict[Key, float] = {}
    for boots, weight in ((bad, 1.0), (good, -1.0)):
        for boot in boots:
            for error in boot.errors:
                found[error] = found.get(error, 0.0) + weight / len(boots)
    if not found:
        return None
    best = max(found, key=lambda error: found[error])
    return Wanted(*best) if found[best] > 0 else None


def one_console(boots: Sequence[KernelBoot]) -> bool:
    """Return whether boots with different seeds printed the same console: chance has no part."""
    seeds = {boot.seed for boot in boots}
    return len(seeds) > 1 and None not in seeds and len({boot.console for boot in boots}) == 1
