# SPDX-License-Identifier: GPL-2.0-only
"""Turns a witness's account into findings, and compares them with those of the trace. Pure.

Trace and witness observe two boots of the same kernel, so they are compared by the codes of their
findings, not event by event. If only one of them can observe a fault, its result counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from mermapctl.judge import root_cause, trace_findings
from mermapctl.judge.result_types import Finding, Flush, Severity
from mermapctl.judge.root_cause import Draft
from mermapctl.judge.witness_summary import LOG
from mermapctl.trace.witness_reader import WitnessAccount

ONLY = "only-witnessed"
"""The code of a failure that only the boot under the witness shows."""
_KEY = "witness"
"""Key of the evidence with the witness's result for a finding."""
_REFUTED = ("not-unmapped", "wrong-range-mapped")
"""Codes that a trace without entries infers from walks; the witness reads all entries."""
_ENTRY = "entry"
_LINE = re.compile(r"\b(?:console )?lines? (?=\d)")
"""A line of what was read, here the log: named as editors take it, `witness.log:12`."""


def findings(account: WitnessAccount, flushes: tuple[Flush, ...]) -> tuple[Finding, ...]:
    """Make the witness's findings, () if it is inconclusive; `flushes` are those of its boot."""
    if not account.conclusive:
        return ()
    found, _ = trace_findings.findings(account.trace, flushes)
    return tuple(_witnessed(each) for each in found if each.code in trace_findings.JUDGED)


def _witnessed(finding: Finding) -> Finding:
    evidence = {
        key: _LINE.sub(f"{LOG}:", value) if isinstance(value, str) else value
        for key, value in finding.evidence.items()
    }
    return replace(finding, evidence=evidence, console_line=None)


def words(account: WitnessAccount, found: Sequence[Finding]) -> str:
    """Describe the witness's result in a sentence."""
    if account.lost is not None:
        return f"the witness saw too little to conclude anything: {account.lost}"
    if not account.gets:
        return "the witness saw no mapping: nothing is concluded from it"
    if not account.trace.complete:
        return f"halves of events are missing in {LOG}: nothing is concluded from the witness"
    if not account.conclusive:
        return "the mapping's place in an allocation is unknown: the witness concludes nothing"
    seen = f"witnessed: {account.gets} mappings, {account.checked} page table entries read"
    wrong = ", ".join(dict.fromkeys(each.code for each in found)) or "all correct"
    gaps = []
    if account.unread:
        gaps.append(f"{account.unread} mappings could not be read")
    if account.bound:
        gaps.append(f"it stopped early ({account.bound})")
    if not account.struct_page:
        gaps.append("the size of a struct page is unknown: pages are only compared with each other")
    return "; ".join([f"{seen}: {wrong}", *gaps])


def compared(
    traced: Sequence[Finding], seen: Sequence[Finding], *, both: bool
) -> tuple[tuple[Finding, ...], bool | None]:
    """Merge the findings of a cell with those of the witness; return them and whether both agree.

    `both`: both are conclusive. A finding of both is listed once. One that a complaint of the suite
    explains is listed under that; it is unknown whether the trace has it too. A finding that the
    trace inferred from walks alone, and that the witness does not confirm, becomes a warning: the
    two contradict each other, so nothing is concluded.
    """
    codes = {each.code for each in seen}
    others = [each for each in traced if each.code not in trace_findings.JUDGED]
    unexplained = {each.code for each in _causes([*others, *seen])} & codes
    of_trace = {each.code for each in traced if each.code in trace_findings.JUDGED}
    merged = []
    for each in traced:
        if each.code not in trace_findings.JUDGED or not both:
            merged.append(each)
        elif each.code in codes:
            merged.append(_shared(each, next(one for one in seen if one.code == each.code)))
        else:
            merged.append(_alone(each))
    for each in seen:
        if each.code not in of_trace or not both:
            alone = both and each.code in unexplained
            more = {_KEY: "only the witness sees it"} if alone else {}
            merged.append(replace(each, evidence={**each.evidence, **more}))
    found = _causes(merged) if seen else tuple(merged)
    return found, unexplained == of_trace if both else None


def _causes(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """List consequences under their causes: the trace's own are listed so already."""
    return root_cause.merge(map(Draft, found))


def _shared(traced: Finding, seen: Finding) -> Finding:
    more = {_KEY: "sees it too"}
    if _ENTRY in seen.evidence and _ENTRY not in traced.evidence:
        more[_ENTRY] = str(seen.evidence[_ENTRY])
    return replace(traced, evidence={**traced.evidence, **more})


def _alone(traced: Finding) -> Finding:
    refuted = traced.code in _REFUTED and _ENTRY not in traced.evidence
    if not refuted or traced.severity is not Severity.ERROR:
        return replace(traced, evidence={**traced.evidence, _KEY: "does not see it"})
    why = "contradicts it: it read all entries, and they are right"
    return replace(traced, severity=Severity.WARNING, evidence={**traced.evidence, _KEY: why})


def only_witnessed(symptoms: Sequence[str]) -> Finding:
    """Make the finding for a boot that passes alone and fails under the witness."""
    return Finding(
        code=ONLY,
        severity=Severity.ERROR,
        summary=f"{', '.join(symptoms[:6])} fails in the boot under the witness only",
        evidence={"console": "console-untraced.log"},
        advice="the witness changes no code, only the time: look for a race, and run it again",
    )
