# SPDX-License-Identifier: GPL-2.0-only
"""Merges findings so that each consequence is listed under its cause. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from mermapctl.console.splat import function
from mermapctl.judge.leaf_tests import ALSO, also_in, tests_of
from mermapctl.judge.result_types import Finding, Severity
from mermapctl.trace.violations import FUNCTION, Evidence

_OF_THE_SUITE = ("missing-flush", "early-flush", "extra-flush", "address-out-of-range")
"""Complaints of the suite whose place the trace alone knows."""
CONSEQUENCES = 20
"""Sentences kept under one finding."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A finding that may turn out to be a consequence.

    `follows` are its causes by the manifest, as CODE or CODE@TEST; `row` is its text for the table
    of flushes.
    """

    finding: Finding
    follows: tuple[str, ...] = ()
    row: str = ""

    @property
    def line(self) -> int:
        """Return the console line; findings without one come last."""
        return self.finding.console_line or 1 << 62


def draft(
    code: str,
    summary: str,
    evidence: Evidence,
    advice: str,
    *,
    test: str | None = None,
    line: int | None = None,
    severity: Severity = Severity.ERROR,
    where: str | None = None,
) -> Draft:
    """Make a draft without cause by the manifest; leaves out evidence that is None."""
    known: Evidence = {key: value for key, value in evidence.items() if value is not None}
    return Draft(Finding(code, severity, summary, test, known, where, advice, (), line))


DEADLY = ("kernel-oops", "kernel-panic")
SPLATS = (
    *("kernel-warning", "kernel-oops", "kernel-panic", "kasan", "kcsan", "kfence", "kmsan"),
    *("ubsan", "lockdep", "rcu-stall", "sleep-in-atomic", "lockup", "percpu-preemptible"),
    "memory-leak",
)
_STUCK = ("lockup", "rcu-stall")
INCOMPLETE = ("test-missing", "suite-missing", "output-truncated", "output-corrupt")
"""Codes of a console that lacks results."""
_AFTER_DEATH = ("kernel-panic", "rcu-stall", "lockup", "sleep-in-atomic")
_NO_MAPPING = ("allocation-failed", "region-too-small", "reserve-lost")
_GET_REFUSED = (*_NO_MAPPING, "kernel-warning", "kernel-oops", "test-failed", "no-address-reuse")


def _always(cause: Draft, effect: Draft) -> bool:  # noqa: ARG001
    return True


def _same_test(cause: Draft, effect: Draft) -> bool:
    """Return whether the effect is in the cause's test, or in one that repeated the complaint."""
    again = str(cause.finding.evidence.get("tests", "")).split(", ")
    return cause.finding.test == effect.finding.test or effect.finding.test in again


def _later(cause: Draft, effect: Draft) -> bool:
    return cause.line < effect.line


def _later_in_test(cause: Draft, effect: Draft) -> bool:
    return _same_test(cause, effect) and _later(cause, effect)


def _get_warned(cause: Draft, effect: Draft) -> bool:
    """Return whether a get warned and returned NULL: the warning gives the reason."""
    frame = str(cause.finding.evidence.get("top_frame", ""))
    return "mermap_get" in frame and _later_in_test(cause, effect)


def _null_used(cause: Draft, effect: Draft) -> bool:
    """Return whether a test dereferenced a missing mapping, where even the first get fails."""
    said = effect.finding.evidence
    frame = function(str(said.get("top_frame", "")))
    return (
        cause.finding.evidence.get("allocation") == 0
        and frame == effect.finding.test
        and "NULL pointer" in str(said.get("title"))
    )


def _slot_taken(cause: Draft, effect: Draft) -> bool:
    """Return whether an ordinary get took the reserve's slot: its next user and the end warn."""
    frame = str(effect.finding.evidence.get("top_frame", ""))
    mermaps = ("mermap_get", "mermap_mm_teardown", "mermap_free_state")
    return any(name in frame for name in mermaps) and _later_in_test(cause, effect)


def _same_get(cause: Draft, effect: Draft) -> bool:
    """Return whether both concern one get: without page tables there are no entries to fill."""
    get = cause.finding.evidence.get("get")
    return get is not None and get == effect.finding.evidence.get("get")


def _of_the_bound(_cause: Draft, effect: Draft) -> bool:
    """Return whether the effect's bound was measured by gets that had to be refused."""
    return "fits" in effect.finding.evidence


_ALSO_TRACED = {"missing-flush": "stale-reuse"}
"""The trace's code that confirms the suite's complaint; for extra flushes, `idle-flush`."""


def _counter_lies(cause: Draft, effect: Draft) -> bool:
    """Return whether a trace shows correct flushes, so that the suite's counter is wrong."""
    traced = _ALSO_TRACED.get(effect.finding.code, "idle-flush")
    return _same_test(cause, effect) and traced not in cause.finding.evidence


def _of_the_reserve(_cause: Draft, effect: Draft) -> bool:
    """Return whether an ordinary get took the reserved page, which its proper user uses again."""
    return bool(effect.finding.evidence.get("reserved"))


RULES: tuple[tuple[tuple[str, ...], tuple[str, ...], Callable[[Draft, Draft], bool]], ...] = (
    (("global-mapping-refused",), _GET_REFUSED, _always),
    # A thread that died leaves mappings, locks and its test's result behind.
    (DEADLY, (*SPLATS, "test-failed"), _later_in_test),
    (DEADLY, ("leak", "migration-leak"), _same_test),
    (DEADLY, _AFTER_DEATH, _later),
    ((*DEADLY, *_STUCK, "hang"), INCOMPLETE, _always),
    ((*DEADLY, *_STUCK), ("hang",), _always),
    (_STUCK, (*_STUCK, "kernel-panic"), _later),
    (("hang",), ("kernel-panic",), _always),
    # panic_on_warn and similar; a sanitizer's report precedes the fault it predicts.
    (SPLATS, ("kernel-panic",), _later_in_test),
    (("kasan", "kfence", "kmsan", "ubsan"), ("kernel-oops",), _later_in_test),
    ((*SPLATS, "hang", "output-truncated"), ("test-failed",), _same_test),
    (("kernel-warning",), (*_NO_MAPPING, "kernel-oops"), _get_warned),
    (("allocation-failed",), ("kernel-oops",), _same_test),
    (("allocation-failed",), ("kernel-oops",), _null_used),
    (("too-many-live",), ("kernel-warning",), _slot_taken),
    # A suite does not put a mapping that should have been refused.
    (("too-many-live",), ("leak",), _same_test),
    (("outside-region",), ("wrong-range-mapped",), _same_get),
    # The same fault in a test and in a trace.
    (("counter-mismatch",), ("missing-flush", "early-flush", "extra-flush"), _counter_lies),
    (("missing-flush",), ("stale-reuse",), _always),
    (("early-flush", "extra-flush"), ("idle-flush",), _always),
    (("address-out-of-range", "region-too-large"), ("outside-region",), _always),
    (("region-too-large",), ("stale-reuse",), _of_the_reserve),
    (("region-too-large",), ("bump-order",), _of_the_bound),
    (("overlap",), ("region-too-large",), _same_test),
    (("wrong-page",), ("wrong-range-mapped",), _always),
    (("overlap", "stale-reuse"), ("wrong-page",), _same_test),
    (("allocation-failed", "no-address-reuse"), ("bump-order",), _always),
)
"""Causes, effects, and the condition under which a cause explains an effect."""

_BY_CODES: dict[tuple[str, str], list[Callable[[Draft, Draft], bool]]] = {}
_CAUSES_OF: dict[str, set[str]] = {}
for _causes, _effects, _related in RULES:
    for _pair in itertools.product(_causes, _effects):
        _BY_CODES.setdefault(_pair, []).append(_related)
        _CAUSES_OF.setdefault(_pair[1], set()).add(_pair[0])


def _explains(cause: Draft, effect: Draft) -> bool:
    code, test = cause.finding.code, cause.finding.test
    severities = (cause.finding.severity, effect.finding.severity)
    if severities[1] is Severity.ERROR and severities[0] is not Severity.ERROR:
        return False
    if "more" in cause.finding.evidence or "more" in effect.finding.evidence:
        return False  # complaints that are only counted have unknown causes
    if code in effect.follows or f"{code}@{test}" in effect.follows:
        return True
    return any(related(cause, effect) for related in _BY_CODES.get((code, effect.finding.code), ()))


def _candidates(effect: Draft, by_code: dict[str, list[int]]) -> list[int]:
    """Find the indices of drafts whose code may explain `effect`; a log may have thousands."""
    codes = {follows.partition("@")[0] for follows in effect.follows}
    codes |= _CAUSES_OF.get(effect.finding.code, set())
    return sorted(itertools.chain.from_iterable(by_code.get(code, ()) for code in codes))


def merge(drafts: Iterable[Draft]) -> tuple[Finding, ...]:
    """Merge drafts into findings, in order; consequences are the summaries of their effects."""
    ordered = sorted(drafts, key=lambda draft: draft.line)
    by_code: dict[str, list[int]] = {}
    for index, draft in enumerate(ordered):
        by_code.setdefault(draft.finding.code, []).append(index)
    owner: dict[int, int] = {}
    for index, effect in enumerate(ordered):
        for other in _candidates(effect, by_code):
            if other == index or _root(owner, other) == index:
                continue
            if _explains(ordered[other], effect):
                owner[index] = other
                break
    consequences: dict[int, list[Finding]] = {}
    for index in sorted(owner):
        consequences.setdefault(_root(owner, index), []).append(ordered[index].finding)
    kept: list[Finding] = []
    for index, draft in enumerate(ordered):
        if index in owner:
            continue
        effects = consequences.get(index, ())
        sentences = tuple(
            _sentence(finding)
            for finding in effects
            if finding.console_line is None or finding.console_line != draft.finding.console_line
        )[:CONSEQUENCES]
        known = draft.finding.consequences
        kept.append(
            replace(
                draft.finding,
                evidence={**draft.finding.evidence, **_of_effects(draft.finding, effects)},
                consequences=known + tuple(s for s in sentences if s not in known),
            )
        )
    return tuple(kept)


def _root(owner: dict[int, int], index: int) -> int:
    while index in owner:
        index = owner[index]
    return index


def _sentence(finding: Finding) -> str:
    """Return the summary, prefixed with the test unless it names it."""
    if finding.test and finding.test not in finding.summary:
        return f"{finding.test}: {finding.summary}"
    return finding.summary


def _of_effects(cause: Finding, effects: Sequence[Finding]) -> Evidence:
    """Return the evidence that effects add: the tests that they fail, the function at fault."""
    told = {cause.test, *tests_of(cause)}
    failed = [each for each in effects if each.severity is Severity.ERROR]
    names = dict.fromkeys(name for each in failed for name in tests_of(each))
    added = [*also_in(cause), *(name for name in names if name not in told)][:CONSEQUENCES]
    more: Evidence = {ALSO: ", ".join(added)} if added else {}
    if FUNCTION not in cause.evidence and cause.code in _OF_THE_SUITE:
        found = [each.evidence[FUNCTION] for each in effects if FUNCTION in each.evidence]
        more |= {FUNCTION: found[0]} if found else {}
    return more
