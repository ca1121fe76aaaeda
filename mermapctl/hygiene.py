# SPDX-License-Identifier: GPL-2.0-only
"""A trace's account -> findings, the flush table completed, and the table for the record. Pure.

Nothing is concluded from a trace that is incomplete or whose allocations cannot be read; a rule
whose probe did not work is left out, and said so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mermapctl.diagnosis import Finding, Flush, Severity
from mermapctl.probes import LOG_BUFFER
from mermapctl.tracetable import Layout, TraceAccount, TraceSummary, TraceTable

if TYPE_CHECKING:
    from mermapctl.breaches import Breach, Evidence

FLUSH_PROBES = ("mm_flush", "mm_flush_local", "mm_flush_arch")
WHERE = "mm/mermap.c"


@dataclass(frozen=True, slots=True)
class _Rule:
    """How a broken rule is told; `needs` are the probes without which it is not judged."""

    summary: str
    advice: str
    needs: tuple[str, ...] = ()


RULES = {
    "stale-reuse": _Rule(
        "an address range was handed out again with no TLB flush since it was put",
        "the path that goes back to used addresses must flush this CPU's TLB before it returns",
        ("mm_put", "flush"),
    ),
    "overlap": _Rule(
        "a get returned an allocation that overlaps one still live",
        "look at where the wrap restarts, and at when a slot counts as free",
        ("mm_put",),
    ),
    "outside-region": _Rule(
        "a get returned addresses outside what it may use of its CPU's region",
        "look at the bounds check of the get, the region's size and the reserved page",
    ),
    "too-many-live": _Rule(
        "more allocations were live on one CPU than there are slots",
        "look at how the get looks for a free slot",
        ("mm_put",),
    ),
    "bump-order": _Rule(
        "addresses were not handed out in the order of a bump pointer",
        "look at how the next address is kept, and at the condition of the wrap",
        ("mm_put",),
    ),
    "idle-flush": _Rule(
        "the TLB was flushed although no address had to be reused",
        "flush only where the request no longer fits, and once",
        ("mm_put", "flush"),
    ),
    "leak": _Rule(
        "an allocation was still live when its test had ended",
        "look at who should have put it; migration stays disabled until then",
        ("mm_put",),
    ),
    "not-unmapped": _Rule(
        "a put did not clear the page table entries of its whole range",
        "look at the page-table walk of the put, its address and its length",
        ("mm_put", "mm_walk"),
    ),
    "migration-leak": _Rule(
        "migration stayed disabled when a mapping had ended",
        "each get that succeeds disables migration once; its put must enable it again, and a get "
        "that fails must have",
        ("mm_put", "mm_pin", "mm_unpin"),
    ),
    "region-too-small": _Rule(
        "a region ends before the page tables that were prepared for it do",
        "look at the function that says where a region ends: nobody can get what lies behind",
        ("mm_tables",),
    ),
    "wrong-range-mapped": _Rule(
        "a get filled other page table entries than those of the range it returned",
        "look at the address and the length of the page-table walk in the get",
        ("mm_walk",),
    ),
}
"""Codes of the breaches that the replay reports, in the order in which findings are shown."""

_ILLEGIBLE = {
    Layout.UNKNOWN: "this tree's allocation has no two words that differ by the size asked for",
    Layout.AMBIGUOUS: "several pairs of words of this tree's allocation differ by the size asked "
    "for, and which one is the mapping cannot be told",
}

_WITHOUT = {
    "mm_get": "gets are not seen, so that nothing can be concluded",
    "mm_got": "addresses are not seen: only puts and flushes can be counted",
    "mm_put": "puts are not seen: only the regions' bounds can be checked",
    "mm_walk": "whether a put unmaps cannot be told",
    "mm_tear": "the end of a process is not seen: each test is taken to use processes of its own",
    "mm_prep": "the preparation of a process is not seen",
    "mm_tables": "whether a region is as long as its page tables cannot be told",
    "mm_pin": "whether migration is enabled again cannot be told",
    "mm_unpin": "whether migration is enabled again cannot be told",
}


def findings(
    account: TraceAccount, flushes: tuple[Flush, ...]
) -> tuple[tuple[Finding, ...], tuple[Flush, ...]]:
    """The trace's findings, and `flushes` with `observed` and `allocations` where they are known.

    A console without a trace gives no finding and leaves the table as it is.
    """
    if not (account.events or account.requested or account.refused):
        return (), flushes
    notes = _notes(account)
    if not _conclusive(account):
        return notes, flushes
    judged = [_finding(breach) for breach in account.breaches if _judged(account, breach.code)]
    judged.sort(key=lambda finding: list(RULES).index(finding.code))
    rows = flushes
    if _seen(account, "flush"):
        rows = tuple(_observed(flush, account) for flush in flushes)
        judged += [_mismatch(row, account) for row in rows if _differ(row)]
    return (*judged, *notes), rows


def table(account: TraceAccount, flushes: tuple[Flush, ...]) -> TraceTable | None:
    """What a record keeps; null for a console without a trace."""
    if not (account.events or account.requested or account.refused):
        return None
    counted = {flush.test: flush.counted for flush in flushes}
    tests = tuple(replace(t, flushes_counted=counted.get(t.test or "")) for t in account.tests)
    notes = tuple(note.summary for note in _notes(account))
    complete = account.complete and account.layout not in _ILLEGIBLE
    return TraceTable(tests, account.timelines, account.events, complete, notes)


def _conclusive(account: TraceAccount) -> bool:
    return (
        account.complete
        and account.layout is Layout.KNOWN
        and _seen(account, "mm_get")
        and _seen(account, "mm_got")
    )


def _seen(account: TraceAccount, probe: str) -> bool:
    """Whether a probe worked, so that its silence means something; `flush` is any flush probe."""
    if probe == "flush":
        return any(account.live(name) for name in FLUSH_PROBES)
    return account.live(probe)


def _judged(account: TraceAccount, code: str) -> bool:
    return all(_seen(account, probe) for probe in RULES[code].needs)


def _finding(breach: Breach) -> Finding:
    rule = RULES[breach.code]
    evidence: Evidence = {"times": breach.times, **breach.evidence}
    tests = [test for test in breach.tests if test]
    if len(tests) > 1:
        evidence["tests"] = ", ".join(tests)
    times = f", {breach.times} times" if breach.times > 1 else ""
    return Finding(
        code=breach.code,
        severity=Severity.ERROR if breach.certain else Severity.WARNING,
        summary=f"{rule.summary}{times}",
        test=tests[0] if tests else None,
        evidence=evidence,
        where=WHERE,
        advice=rule.advice,
        console_line=breach.line,
    )


def _row(account: TraceAccount, test: str) -> TraceSummary | None:
    return next((summary for summary in account.tests if summary.test == test), None)


def _observed(flush: Flush, account: TraceAccount) -> Flush:
    summary = _row(account, flush.test)
    if summary is None:
        return flush
    reuse = summary.first_reuse
    granted = summary.gets - summary.refusals
    return replace(
        flush,
        observed=summary.flushes_done,
        allocations=granted if reuse is None else reuse,
    )


def _differ(row: Flush) -> bool:
    return row.counted is not None and row.observed is not None and row.counted != row.observed


def _mismatch(row: Flush, account: TraceAccount) -> Finding:
    summary = _row(account, row.test)
    evidence: Evidence = {
        "counted": row.counted,
        "done": row.observed,
        "needed": summary.flushes_needed if summary else None,
        "gets": summary.gets if summary else None,
        "by others": summary.flushes_other if summary else None,
    }
    for breach in account.breaches:
        if breach.code in ("stale-reuse", "idle-flush") and row.test in breach.tests:
            evidence[breach.code] = f"first at line {breach.line}"
    return Finding(
        code="counter-mismatch",
        severity=Severity.ERROR,
        summary=f"the mermap counted {_times(row.counted)} and did {_times(row.observed)}",
        test=row.test,
        evidence=evidence,
        where=WHERE,
        advice="count a flush where it is done, once, and nowhere else",
    )


def _times(flushes: int | None) -> str:
    return "1 flush" if flushes == 1 else f"{flushes} flushes"


def _notes(account: TraceAccount) -> tuple[Finding, ...]:
    """What keeps the trace from being judged, wholly or in part."""
    notes = []
    if not account.complete:
        notes.append(_incomplete(account))
    if (why := _ILLEGIBLE.get(account.layout)) is not None:
        line = account.layout_line
        advice = "the probes print the structure's first words; its base and end may lie further on"
        notes.append(
            _note(
                "trace-layout-unknown",
                f"{why}: no conclusion is drawn from the trace",
                {"get": f"line {line}"} if line else {},
                advice
                if account.layout is Layout.UNKNOWN
                else "with apply_to_existing_page_range() probed, what a get walks would tell",
                line,
            )
        )
    for refused in account.refused:
        what = _WITHOUT.get(refused.probe, "flushes through this function are not seen")
        notes.append(
            _note(
                "trace-probe-refused",
                f"the kernel would not set the probe on {refused.symbol}: {what}",
                {"probe": refused.probe, "symbol": refused.symbol, "errno": refused.errno},
                "the function may be inlined, renamed or missing in this build: see its System.map",
                None,
            )
        )
    silent = account.events == 0 and not account.refused
    if silent or (account.requested and not _seen(account, "flush")):
        what = "no probe was hit" if silent else "no flush probe worked: flushes are not judged"
        advice = "the trace needs tp_printk, kprobe_event= and the fragment `trace`"
        notes.append(_note("trace-silent", what, {"events": account.events}, advice, None))
    elif not account.requested and not _seen(account, "flush") and _conclusive(account):
        what = "no flush is in the trace, nor whether one was probed: flushes are not judged"
        advice = "the kernel's command line, which the console does not show, would tell"
        notes.append(_note("trace-silent", what, {"events": account.events}, advice, None))
    return tuple(notes)


def _incomplete(account: TraceAccount) -> Finding:
    evidence: Evidence = {}
    if account.dropped:
        evidence["messages dropped"] = account.dropped
        evidence["first dropped at"] = f"line {account.dropped_line}"
    if account.torn:
        evidence["lines torn"] = account.torn
        evidence["first torn at"] = f"line {account.torn_line}"
    if account.lost:
        evidence["events without their other half"] = account.lost
        evidence["first at"] = f"line {account.lost_line}"
    line = account.dropped_line or account.torn_line or account.lost_line
    advice = f"boot with a larger log buffer ({LOG_BUFFER})" if account.dropped else None
    return _note(
        "trace-incomplete",
        "the trace has gaps: no conclusion is drawn from it",
        evidence,
        advice or "another writer may share the console: look at the lines named here",
        line,
    )


def _note(
    code: str, summary: str, evidence: Evidence, advice: str, line: int | None
) -> Finding:
    return Finding(
        code=code,
        severity=Severity.NOTE,
        summary=summary,
        evidence=evidence,
        advice=advice,
        console_line=line,
    )
