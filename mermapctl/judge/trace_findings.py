# SPDX-License-Identifier: GPL-2.0-only
"""Turns a trace's account into findings, flush table entries and the record's table. Pure.

Concludes nothing from a trace that is incomplete or whose allocations cannot be read; skips a rule
whose probe did not work, and reports that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mermapctl.judge.result_types import Finding, Flush, Severity
from mermapctl.trace.probes import LOG_BUFFER, PINS, WALKS, WITHOUT, Probe
from mermapctl.trace.summary import Layout, TraceAccount, TraceSummary, TraceTable
from mermapctl.trace.violations import FUNCTION, Breach, Evidence

FLUSH_PROBES = ("mm_flush", "mm_flush_local", "mm_flush_arch")
WHERE = "mm/mermap.c"
INCOMPLETE = "trace-incomplete"
"""The code of the note that the trace has gaps."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """The text for a broken rule; it is judged only with all probes in `needs`.

    `probe` is on the function at fault, where that is always the same one.
    """

    summary: str
    advice: str
    needs: tuple[str, ...] = ()
    probe: str | None = "mm_got"


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
        probe=None,
    ),
    "leak": _Rule(
        "an allocation was still live when its test had ended",
        "look at who should have put it; migration stays disabled until then",
        ("mm_put",),
        probe=None,
    ),
    "not-unmapped": _Rule(
        "a put did not clear the page table entries of its whole range",
        "look at the page-table walk of the put, its address and its length",
        ("mm_put", "walk"),
        probe="mm_put",
    ),
    "migration-leak": _Rule(
        "migration stayed disabled when a mapping had ended",
        "each get that succeeds disables migration once; its put must enable it again, and a get "
        "that fails must have",
        ("mm_put", "mm_pin", "mm_unpin"),
        probe=None,
    ),
    "region-too-small": _Rule(
        "a region ends before the page tables that were prepared for it do",
        "look at the function that returns a region's end: no get can use the addresses behind it",
        ("mm_tables",),
        probe=None,
    ),
    "wrong-range-mapped": _Rule(
        "a get filled other page table entries than those of the range it returned",
        "look at the address and the length of the page-table walk in the get",
    ),
    "wrong-page": _Rule(
        "a get wrote a page table entry that does not show the page asked for",
        "look at the callback that writes entries, and at how it goes on to the next page",
        ("mm_pte",),
        probe="mm_pte",
    ),
    "wrong-protection": _Rule(
        "a get wrote a page table entry with another protection than the one asked for",
        "look at the bits that the get adds to, or takes from, the protection that it was given",
        ("mm_pte",),
        probe="mm_pte",
    ),
}
"""Codes of the violations that the replay reports, in the order of the findings."""

JUDGED = (*RULES, "counter-mismatch")
"""Codes of faults that a trace or the witness can find; notes on its gaps are not among them."""

_ILLEGIBLE = {
    Layout.UNKNOWN: "this tree's allocation has no two words that differ by the size asked for",
    Layout.AMBIGUOUS: "several pairs of words of this tree's allocation differ by the size asked "
    "for, so the mapping's pair is unknown",
}


def findings(
    account: TraceAccount, flushes: tuple[Flush, ...]
) -> tuple[tuple[Finding, ...], tuple[Flush, ...]]:
    """Return the trace's findings, and `flushes` with known `observed` and `allocations`.

    A console without a trace gives no finding and leaves the table unchanged.
    """
    if not (account.events or account.requested or account.refused):
        return (), flushes
    notes = _notes(account)
    if not _conclusive(account):
        return notes, flushes
    functions = _functions(account)
    judged = [
        _finding(breach, functions) for breach in account.breaches if _judged(account, breach.code)
    ]
    judged.sort(key=lambda finding: list(RULES).index(finding.code))
    rows = flushes
    if _seen(account, "flush"):
        known = _by_test(account)
        rows = tuple(_observed(flush, known.get(flush.test)) for flush in flushes)
        judged += [_mismatch(row, account, known[row.test]) for row in rows if _differ(row)]
    return (*judged, *notes), rows


def table(account: TraceAccount, flushes: tuple[Flush, ...]) -> TraceTable | None:
    """Build the record's table; null for a console without a trace."""
    if not (account.events or account.requested or account.refused):
        return None
    counted = {flush.test: flush.counted for flush in flushes}
    tests = tuple(replace(t, flushes_counted=counted.get(t.test or "")) for t in account.tests)
    notes = (*(note.summary for note in _notes(account)), *_mute(account))
    complete = account.complete and account.layout not in _ILLEGIBLE
    return TraceTable(tests, account.timelines, account.events, complete, notes)


def not_exercised(account: TraceAccount) -> tuple[str, ...] | None:
    """List rules that no event of this trace could break; null if nothing can be concluded."""
    return account.not_exercised if _conclusive(account) else None


def _conclusive(account: TraceAccount) -> bool:
    return (
        account.complete
        and account.layout is Layout.KNOWN
        and _seen(account, "mm_get")
        and _seen(account, "mm_got")
    )


def _seen(account: TraceAccount, probe: str) -> bool:
    """Return whether a probe worked, so that the absence of its events is evidence.

    `flush` is any flush probe. `walk` is a put's walk: one was seen, or both functions that a put
    could call are probed.
    """
    if probe == "flush":
        return any(account.live(name) for name in FLUSH_PROBES)
    if probe == "walk":
        return account.unmaps_seen or all(account.live(each.name) for each in WALKS)
    return account.live(probe)


def _judged(account: TraceAccount, code: str) -> bool:
    return all(_seen(account, probe) for probe in RULES[code].needs)


def _functions(account: TraceAccount) -> dict[str, str]:
    """Return the function of each probe; none for entries if several callbacks write them."""
    found = {name: symbol for name, symbol in account.requested if name != symbol}
    if any(name.startswith("mm_pte_") for name in found):
        found.pop("mm_pte", None)
    return found


def _finding(breach: Breach, functions: Mapping[str, str]) -> Finding:
    rule = RULES[breach.code]
    evidence: Evidence = {"times": breach.times, **breach.evidence}
    tests = [test for test in breach.tests if test]
    function = functions.get(rule.probe or "")
    if function is not None:
        evidence.setdefault(FUNCTION, function)
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


def _by_test(account: TraceAccount) -> dict[str | None, TraceSummary]:
    """Return the first row of each test's name."""
    return {row.test: row for row in reversed(account.tests)}


def _observed(flush: Flush, summary: TraceSummary | None) -> Flush:
    if summary is None or not summary.traced:
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


def _mismatch(row: Flush, account: TraceAccount, summary: TraceSummary) -> Finding:
    evidence: Evidence = {
        "counted": row.counted,
        "done": row.observed,
        "needed": summary.flushes_needed,
        "gets": summary.gets,
        "by others": summary.flushes_other,
    }
    for breach in account.breaches:
        if breach.code in ("stale-reuse", "idle-flush") and row.test in breach.tests:
            evidence[breach.code] = f"first at console line {breach.line}"
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
    """Make notes on gaps and failed probes, for which the trace is judged partly or not at all."""
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
                {"get": f"console line {line}"} if line else {},
                advice
                if account.layout is Layout.UNKNOWN
                else "probe apply_to_existing_page_range(): the range that a get walks decides it",
                line,
            )
        )
    for refused in account.refused:
        what = WITHOUT.get(refused.probe, "flushes through this function are not seen")
        notes.append(
            _note(
                "trace-probe-refused",
                f"the kernel would not set the probe on {refused.symbol}: {what}",
                {"probe": refused.probe, "symbol": refused.symbol, "errno": refused.errno},
                "the function may be inlined, renamed or missing in this build: see its System.map",
                None,
            )
        )
    notes += _untraced(account)
    silent = account.events == 0 and not account.refused
    if silent or (account.requested and not _seen(account, "flush")):
        what = "no probe was hit" if silent else "no flush probe worked: flushes are not judged"
        advice = "the trace needs tp_printk, kprobe_event= and the fragment `trace`"
        notes.append(_note("trace-silent", what, {"events": account.events}, advice, None))
    elif not account.requested and not _seen(account, "flush") and _conclusive(account):
        what = "the trace shows no flush, and not whether one was probed: flushes are not judged"
        advice = "the kernel's command line lists the probes; this console does not show it"
        notes.append(_note("trace-silent", what, {"events": account.events}, advice, None))
    return tuple(notes)


def _untraced(account: TraceAccount) -> list[Finding]:
    """Name the tests that ran after an Oops ended tracing."""
    tests = [row.test for row in account.tests if not row.traced and row.test]
    if account.off is None or not tests:
        return []
    evidence: Evidence = {"Oops": f"console line {account.off}", "tests": ", ".join(tests)}
    advice = "fix the Oops first; then the tests after it are traced, too"
    what = "an Oops ended the trace: these tests ran untraced, and their flushes are only counted"
    return [_note("trace-ended", what, evidence, advice, account.off)]


def _mute(account: TraceAccount) -> list[str]:
    """Describe the gaps left by probes that were never hit, and by unseen puts."""
    if not _conclusive(account) or not any(row.puts for row in account.tests):
        return []
    notes = []
    pins = [probe for probe in PINS if account.live(probe.name)]
    if pins and not account.seen & {probe.name for probe in PINS}:
        notes.append(_never("mm_pin", pins))
    walks = [probe for probe in WALKS if account.live(probe.name)]
    if walks and not (account.unmaps_seen or account.seen & {"mm_walk", "mm_walk_any"}):
        notes.append(_never("mm_walk", walks))
    if account.unseen_puts:
        notes.append(
            f"gets without a put: {account.unseen_puts}; __mermap_put() may be inlined into "
            "mermap_put(), which is not probed, so no leak is concluded"
        )
    return notes


def _never(without: str, probes: list[Probe]) -> str:
    names = " and ".join(f"{probe.symbol}()" for probe in probes)
    return f"no get or put was seen to call {names}: {WITHOUT[without]}"


def _incomplete(account: TraceAccount) -> Finding:
    evidence: Evidence = {}
    if account.dropped:
        evidence["messages dropped"] = account.dropped
        evidence["first dropped at"] = f"console line {account.dropped_line}"
    if account.torn:
        evidence["lines torn"] = account.torn
        evidence["first torn at"] = f"console line {account.torn_line}"
    if account.lost:
        evidence["events without their other half"] = account.lost
        evidence["first at"] = f"console line {account.lost_line}"
    line = account.dropped_line or account.torn_line or account.lost_line
    advice = f"boot with a larger log buffer ({LOG_BUFFER})" if account.dropped else None
    return _note(
        INCOMPLETE,
        "the trace has gaps: no conclusion is drawn from it",
        evidence,
        advice or "another writer may share the console: look at the lines named here",
        line,
    )


def _note(code: str, summary: str, evidence: Evidence, advice: str, line: int | None) -> Finding:
    return Finding(
        code=code,
        severity=Severity.NOTE,
        summary=summary,
        evidence=evidence,
        advice=advice,
        console_line=line,
    )
