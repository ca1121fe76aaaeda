# SPDX-License-Identifier: GPL-2.0-only
"""Judges a console in one pass over its lines, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from mermapctl.console import boot_log, ktap_fast, ktap_parser, splat_titles
from mermapctl.console.boot_log import BootReader
from mermapctl.console.ktap import Suite, Tally
from mermapctl.console.ktap_parser import KtapParser
from mermapctl.console.lines import BLOCK_BYTES, Console, Line, LineKind, LineRun
from mermapctl.console.quotation import CutMarks, wrapped
from mermapctl.console.splat import Splat
from mermapctl.console.splat_reader import SplatReader
from mermapctl.judge import (
    assertion_findings,
    boot_end,
    boot_failure,
    flush_table,
    ktap_findings,
    not_console,
    prose,
    quoted_account,
    root_cause,
    splat_findings,
    trace_findings,
)
from mermapctl.judge.boot_end import Facts
from mermapctl.judge.not_console import ForeignInput
from mermapctl.judge.quoted_account import Quotation
from mermapctl.judge.result_types import Boot, Ended, Finding, Flush, Reason, Severity, Verdict
from mermapctl.judge.root_cause import Draft
from mermapctl.judge.suites import Manifest
from mermapctl.trace.reader import TRACE_LINE, TraceReader
from mermapctl.trace.summary import TraceTable

PICKS = {
    LineKind.KTAP: ktap_parser.PICKS,
    LineKind.SPLAT: splat_titles.PICKS,
    LineKind.TRACE: ("mm_", "trace_kprobe: ", r"\*\* replaying", "setup_percpu: "),
    LineKind.BOOT: boot_log.PICKS,
    LineKind.HARNESS: boot_log.HARNESS,
}
_DIE = re.compile(r"\[#\d+\]")
"""The count of Oopses in each title that die() prints after `oops_enter()` (kernel/panic.c)."""
REQUEST, PANIC = "kprobe_event=", "Kernel panic - not syncing"
ALWAYS = {ktap_parser.HEADER: LineKind.KTAP, PANIC: LineKind.SPLAT, REQUEST: LineKind.TRACE}
IN_KTAP = dict.fromkeys(splat_titles.INSIDE, LineKind.SPLAT)
IN_TRACE = dict.fromkeys(
    ("__mermap_", "(mermap_", "flush_tlb", "apply_to_", "mm_pte", "(migrate_"), LineKind.TRACE
)
"""Search words inside lines: before KTAP begins, after it, and once a trace has begun."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The judgement of one console; `detail` explains `reason`, `lines` is the number of lines.

    `omitted` suites were counted but not kept, `omitted_bad` of them did not pass, `unlisted`
    counts their tests by status. `kernel` is the version that booted. `trace` is the table of a
    trace, if there was one, and `not_exercised` lists the rules that no event of it could break.
    """

    verdict: Verdict
    reason: Reason | None = None
    detail: str | None = None
    suites: tuple[Suite, ...] = ()
    splats: tuple[Splat, ...] = ()
    flushes: tuple[Flush, ...] = ()
    findings: tuple[Finding, ...] = ()
    lines: int = 0
    omitted: int = 0
    omitted_bad: int = 0
    unlisted: Tally | None = None
    kernel: str | None = None
    trace: TraceTable | None = None
    not_exercised: tuple[str, ...] | None = None


def judge(
    stream: BinaryIO | Iterable[bytes],
    *,
    boot: Boot = Boot(),  # noqa: B008 - frozen
    manifest: Manifest,
    expected_suites: str | None = None,
    allow_splats: bool = False,
    observe: bool = True,
) -> Judgement:
    """Judge a console log from any machine.

    Without `observe` a trace is ignored, as if the boot had no probes. `boot` are the supervisor's
    facts about the boot, `expected_suites` the filter of the boot (kunit.py's SUITE[.TEST] glob;
    None if unknown).
    """
    head, chunks = not_console.peek(stream, BLOCK_BYTES)
    foreign = not_console.read(head)
    if foreign is not None and foreign.certain:
        return _not_judged(foreign)
    marks = CutMarks(chunks)
    elsewhere = boot.ended is Ended.UNKNOWN  # the console of our own boot is no quotation
    reading = _Reading(marks if elsewhere else chunks, manifest, expected_suites)
    reading.run()
    if foreign is not None and not reading.ktap.begun:
        return _not_judged(foreign, reading.console.lines)
    log = reading.boot.finish(reading.console.tail)
    facts = Facts(
        account=reading.ktap.finish(),
        splats=reading.splats.finish(),
        log=log,
        boot=boot_end.how_it_ended(boot, log),
        manifest=manifest,
        glob=expected_suites,
        boundary=reading.boundary,
        supervised=boot.ended is not Ended.UNKNOWN,
        complaints_dropped=reading.splats.dropped,
        opening=() if reading.ktap.begun else not_console.lines(head, reading.console),
    )
    quotation = Quotation(marks.lines, wrapped(not_console.text(head)) if elsewhere else None)
    if (failure := boot_failure.read(facts)) is not None:
        if quotation.marks and failure.reason is Reason.BOOT_FAILED and not facts.splats:
            return _left_out(quotation, reading.console.lines)
        explained = any(each.console_line for each in failure.findings)
        booted = log.kernel is not None or bool(facts.splats) or explained
        if elsewhere and not booted and prose.is_prose(not_console.text(head)):
            return _not_judged(not_console.PROSE, reading.console.lines)
        return Judgement(
            Verdict.NO_VERDICT,
            failure.reason,
            failure.detail,
            splats=facts.splats,
            findings=failure.findings,
            lines=reading.console.lines,
            kernel=log.kernel,
        )
    end = boot_end.suite_end(facts)
    suites, splats = boot_end.settle(facts, end)
    drafts = assertion_findings.read(suites, facts.account, manifest)
    complained = splat_findings.read(splats, suites, manifest, allow=allow_splats)
    refused = splat_findings.global_refused(drafts, splats, log)
    incomplete = ktap_findings.read(facts, suites, end)
    doubt = quotation.finding(
        reading.begun, reading.boundary, complete=quoted_account.is_complete(incomplete)
    )
    proven = doubt is None or quoted_account.shows_failure(facts.account, complained)
    if doubt is not None:
        observe = False  # an event that was left out is no event that did not happen
        incomplete = [*quoted_account.proven(incomplete, facts.account), Draft(doubt)]
        suites = quoted_account.unfinished(suites, facts.account)
    drafts += [*complained, *incomplete]
    drafts += [refused] if refused else []
    account = reading.trace.finish() if observe else TraceReader().finish()
    if not account.events:  # a trace has a note of its own
        drafts += ktap_findings.dropped(facts, drafts)
    traced, rows = trace_findings.findings(account, flush_table.rows(suites, drafts, manifest))
    rows = flush_table.observed(rows)
    findings = root_cause.merge([*drafts, *map(Draft, traced)])
    failed = any(finding.severity is Severity.ERROR for finding in findings)
    good = all(suite.status.good for suite in suites) and not facts.account.omitted_bad
    cut = boot_failure.CUT.get(facts.boot.ended) if end is not None and not end.explained else None
    detail = (facts.boot.killed or log.last) if cut else None
    if doubt is not None and not proven:
        cut, detail = Reason.QUOTED, doubt.summary
    verdict = Verdict.PASSED if good and not failed else Verdict.FAILED
    return Judgement(
        verdict=Verdict.NO_VERDICT if cut else verdict,
        reason=cut,
        detail=detail,
        suites=suites,
        splats=splats,
        flushes=rows,
        findings=findings,
        lines=reading.console.lines,
        omitted=facts.account.omitted,
        omitted_bad=facts.account.omitted_bad,
        unlisted=facts.account.unlisted,
        kernel=log.kernel,
        trace=trace_findings.table(account, rows),
        not_exercised=trace_findings.not_exercised(account),
    )


def _not_judged(foreign: ForeignInput, lines: int = 0) -> Judgement:
    return Judgement(
        Verdict.NO_VERDICT,
        Reason.NOT_A_CONSOLE,
        f"the input is {foreign.what}",
        findings=(not_console.finding(foreign),),
        lines=lines,
    )


def _left_out(quotation: Quotation, lines: int) -> Judgement:
    """Return the judgement of a quotation without KTAP: it may have been left out."""
    found = quotation.finding(0, 0, complete=False)
    return Judgement(
        Verdict.NO_VERDICT,
        Reason.QUOTED,
        found.summary if found else None,
        findings=(found,) if found else (),
        lines=lines,
    )


class _Reading:
    """The one pass over a console: gives each line to its readers."""

    def __init__(self, stream: Iterable[bytes], manifest: Manifest, glob: str | None) -> None:
        names = {name: suite.names for name, suite in manifest.suites.items()}
        self.console = Console(stream, PICKS, ALWAYS, ktap_fast.RUN)
        suite = glob.partition(".")[0] if glob else None
        self.ktap = KtapParser(names, manifest.required(glob), suite)
        self.splats = SplatReader(self.console.above)
        self.trace = TraceReader()
        self.boot = BootReader()
        self.begun = 0
        self.boundary = 0

    def run(self) -> None:
        """Read all lines."""
        console, ktap, splats = self.console, self.ktap, self.splats
        in_ktap = False
        for line in console:
            if isinstance(line, LineRun):
                self._run(line)
                continue
            kind = line.kind
            if kind is LineKind.KTAP:
                self._ktap(line)
                if not in_ktap and ktap.begun:
                    in_ktap = True
                    self.begun = line.number if "TAP version " in line.text else 0
                    console.watch(IN_KTAP)
                    console.settle(REQUEST)
                    console.forget(LineKind.BOOT)
            elif kind is LineKind.TRACE and TRACE_LINE.search(line.text):
                self._trace(line)
                if splat_titles.INSIDE[0] in line.text:  # a title was printed into this line
                    splats.torn(line, in_suite=ktap.inside)
            elif kind in (LineKind.BOOT, LineKind.HARNESS):
                self._boot(line)
            elif kind is LineKind.SPLAT:
                ktap.interrupt()
                self._splat(line)
            elif ktap.attentive:
                ktap.feed(line)
            else:
                self._splat(line)
            console.attentive = ktap.attentive or splats.attentive

    def _splat(self, line: Line) -> None:
        self.splats.feed(line, in_suite=self.ktap.inside)
        if "[#" in line.text and _DIE.search(line.text):
            self.trace.oops(line.number)

    def _run(self, run: LineRun) -> None:
        tests = self.ktap.feed_run(run)
        if tests is None:
            for line in self.console.split(run):
                self._ktap(line)
            return
        if self.ktap.nested:  # the parent test is still running
            return
        self.boundary = run.number + run.lines - 1
        if self.splats.waiting:  # after the result before, or before a whole suite
            self.splats.test_ended(tests.first if run.match["results"] else None)

    def _ktap(self, line: Line) -> None:
        ended = self.ktap.feed(line)
        if ended is None:
            if "**" in line.text or ": " in line.text:
                self._torn(line)
            return
        self.boundary = line.number
        self.splats.test_ended(None if ended.suite else ended.name, line.caller)
        if not ended.suite and not self.console.runs:
            self.trace.test_ended(ended.name)
        if ": " in line.text:  # text that ran into a line stands behind it
            self.splats.torn(line, in_suite=self.ktap.inside)

    def _torn(self, line: Line) -> None:
        """Handle a line that only begins like KTAP, or printk's report of dropped lines."""
        if "printk messages dropped" in line.text:
            self._trace(line)
        else:
            self.splats.torn(line, in_suite=self.ktap.inside)

    def _trace(self, line: Line) -> None:
        self.console.watch(IN_TRACE)
        self.console.runs = False  # the trace needs each test's end
        self.trace.feed(line.number, line.text, line.seconds, line.caller)

    def _boot(self, line: Line) -> None:
        self.boot.feed(line)
        if REQUEST in line.text:
            self._trace(line)
