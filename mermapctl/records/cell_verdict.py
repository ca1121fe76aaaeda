# SPDX-License-Identifier: GPL-2.0-only
"""A cell and its console -> the cell with its verdict, for `run`, `report log` and `rejudge`."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from mermapctl.console.ktap import Status
from mermapctl.console.lines import BLOCK_BYTES
from mermapctl.judge import (
    console_verdict,
    cost,
    hang_trials,
    leaf_tests,
    module_findings,
    not_console,
    repeats,
    reproduction,
    suites,
)
from mermapctl.judge.hang_trial import Trial
from mermapctl.judge.repeats import Repeats
from mermapctl.judge.reproduction import Reproduction
from mermapctl.judge.result_types import Boot, Reason, Verdict
from mermapctl.judge.suites import Manifest
from mermapctl.judge.unprobed import CODE, Unprobed, compare, symptoms, without_verdict
from mermapctl.records.record import Cell
from mermapctl.system.bounded import Gaps
from mermapctl.system.inputs import open_regular

_BAD = {Status.FAILED, Status.CRASHED, Status.HUNG}
_manifest = functools.cache(suites.load)  # thousands of consoles may be judged again


def judge_console(cell: Cell, console: BinaryIO) -> Cell:
    """Judge `console` by the cell's own `boot`, `suite` and `allow_splats`."""
    return judge_log(cell, console)[0]


def judge_log(
    cell: Cell, console: BinaryIO | Iterable[bytes], *, observe: bool = True
) -> tuple[Cell, str | None]:
    """Judge a console, a file or its chunks; also return the kernel version that it prints, if any.

    Without `observe`, ignores a trace in it.
    """
    # The part of the console left out may contain a result, a splat or an event.
    gaps = Gaps(not_console.chunks(console, BLOCK_BYTES))
    judged = console_verdict.judge(
        gaps,
        boot=cell.boot or Boot(),
        manifest=_manifest(),
        expected_suites=cell.suite,
        allow_splats=cell.allow_splats,
        observe=observe,
    )
    # The supervisor's facts on a boot without a verdict are not in its console.
    known = cell.detail if judged.reason is cell.reason else None
    done = replace(
        cell,
        verdict=judged.verdict,
        reason=judged.reason,
        detail=judged.detail or known,
        suites=judged.suites,
        splats=judged.splats,
        flushes=judged.flushes,
        findings=module_findings.explained(judged.findings, cell.guards, judged.flushes),
        trace=judged.trace,
        not_exercised=judged.not_exercised,
        omitted=judged.omitted,
        omitted_bad=judged.omitted_bad,
        unlisted=judged.unlisted,
    )
    return _doubted(with_trials(done, cell.triage), gaps.left_out), judged.kernel


def _doubted(cell: Cell, left_out: int) -> Cell:
    """Return the cell, not passed where `left_out` bytes of its console are unknown.

    A result or a splat that exists stays a failure; a missing one may be in the gap.
    """
    if not left_out:
        return cell
    note = (
        f"{left_out:,} bytes or more in the middle of the console were left out: "
        "it is too long to keep, or came faster than it was read"
    )
    cell = replace(cell, notes=(*(each for each in cell.notes if each != note), note))
    shown = bool(cell.splats and not cell.allow_splats) or any(
        leaf.test.status in _BAD for leaf in leaf_tests.leaves(cell)
    )
    if cell.verdict is Verdict.NO_VERDICT or (cell.verdict is Verdict.FAILED and shown):
        return cell
    detail = f"{left_out:,} bytes of the console are missing, and may hold a result or a splat"
    return replace(cell, verdict=Verdict.NO_VERDICT, reason=Reason.HARNESS_ERROR, detail=detail)


def with_trials(cell: Cell, trials: tuple[Trial, ...]) -> Cell:
    """Add the boots of the hang triage to a judged cell."""
    suites, findings = hang_trials.completed(cell.suites, cell.findings, trials)
    counts = leaf_tests.counted(suites, cell.unlisted)
    return replace(cell, suites=suites, findings=findings, triage=trials, counts=counts)


def with_unprobed(cell: Cell, plain: Unprobed) -> Cell:
    """Add the boot without probes to a cell judged by its traced boot.

    Its console is `artifacts.console_untraced`. Takes its verdict where the traced boot has none
    and it has one. Raises OSError where a console cannot be read.
    """
    second = judge_second(cell, plain.boot)
    plain = replace(
        plain,
        verdict=second.verdict,
        reason=second.reason,
        detail=second.detail,
        symptoms=_symptoms(second),
    )
    if cell.verdict is Verdict.NO_VERDICT:
        told = without_verdict(cell.detail or str(cell.reason), plain)
        stands = plain.verdict is not Verdict.NO_VERDICT
        settled = second if stands else cell
    else:
        told, stands, settled = compare(_without_trace(cell), plain), False, cell
    return replace(
        settled,
        findings=(*settled.findings, *([told.finding] if told.finding else [])),
        confirmed=told.confirmed,
        untraced=replace(plain, words=told.words, stands=stands),
    )


def with_repeats(cell: Cell, boots: Repeats) -> Cell:
    """Add further boots of its kernel to a judged cell: it fails if one of them did."""
    found = repeats.finding(boots)
    verdict = Verdict.FAILED if found and cell.verdict is Verdict.PASSED else cell.verdict
    findings = (*cell.findings, *([found] if found else []))
    return replace(cell, repeats=boots, findings=findings, verdict=verdict)


def with_reproduction(cell: Cell, again: Reproduction) -> Cell:
    """Add the boot with the same seed to a failed cell; a console that differs is a warning."""
    found = reproduction.finding(again)
    findings = (*cell.findings, *([found] if found else []))
    return replace(cell, reproduction=again, findings=findings)


def judge_again(cell: Cell, console: BinaryIO) -> Cell:
    """Judge a stored cell by today's rules, its boot without probes included.

    What its further boots showed stays as it was judged. Raises OSError.
    """
    judged = _first_boots(cell, console)
    judged = with_repeats(judged, cell.repeats) if cell.repeats else judged
    judged = with_reproduction(judged, cell.reproduction) if cell.reproduction else judged
    counted = tuple(each for each in cell.findings if each.code in cost.CODES)
    failed = any(each.code == cost.FAILED for each in counted)
    verdict = Verdict.FAILED if failed and judged.verdict is Verdict.PASSED else judged.verdict
    return replace(judged, findings=(*judged.findings, *counted), verdict=verdict)


def _first_boots(cell: Cell, console: BinaryIO) -> Cell:
    judged = judge_console(cell, console)
    plain = cell.untraced
    if plain is None or cell.artifacts.console_untraced is None:
        return judged
    if plain.stands:
        kept = tuple(each for each in cell.findings if each.code == CODE)
        return replace(judged, findings=(*judged.findings, *kept))
    if judged.verdict is Verdict.PASSED:
        return replace(judged, confirmed=None, untraced=replace(plain, words=""))
    return with_unprobed(judged, plain)


def judge_second(cell: Cell, boot: Boot | None) -> Cell:
    """Judge the cell's second boot: its console is `artifacts.console_untraced`.

    Raises OSError where that cannot be read.
    """
    console = cell.artifacts.console_untraced
    other = replace(cell, artifacts=replace(cell.artifacts, console=console))
    with open_regular(Path(console or "")) as lines:
        return judge_boot(other, boot, lines)


def judge_boot(cell: Cell, boot: Boot | None, console: BinaryIO) -> Cell:
    """Judge the console of another boot of a judged cell's kernel."""
    blank = replace(
        cell, verdict=Verdict.NO_VERDICT, reason=None, detail=None, boot=boot, triage=()
    )
    return judge_console(blank, console)


def _without_trace(cell: Cell) -> tuple[str, ...]:
    """Return failures of a traced boot that a boot without probes could show too."""
    with open_regular(Path(cell.artifacts.console or "")) as lines:
        seen, _ = judge_log(replace(cell, triage=()), lines, observe=False)
    return _symptoms(seen)


def _symptoms(cell: Cell) -> tuple[str, ...]:
    """Return names of a boot's failures; one word where a memory bound dropped the names."""
    named = symptoms(cell.suites, cell.findings)
    return named or (("tests that are not listed",) if cell.verdict is Verdict.FAILED else ())


def suites_known() -> Manifest:
    """Return what is known of suites before they run."""
    return _manifest()
