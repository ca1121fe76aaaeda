# SPDX-License-Identifier: GPL-2.0-only
"""A cell and its console -> the cell with its verdict; the same for `run`, `--log`, `--rejudge`."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from mermapctl import judge, leaves, manifest, module_flavour, triage
from mermapctl.bounded import Gaps
from mermapctl.console import BLOCK_BYTES
from mermapctl.diagnosis import Boot, Reason, Verdict
from mermapctl.ktap import Status

if TYPE_CHECKING:
    from mermapctl.manifest import Manifest
    from mermapctl.record import Cell
    from mermapctl.triage import Trial


_BAD = {Status.FAILED, Status.CRASHED, Status.HUNG}
_manifest = functools.cache(manifest.load)  # thousands of consoles may be judged again


def judge_console(cell: Cell, console: BinaryIO) -> Cell:
    """Judge `console` by the cell's own `boot`, `suite` and `allow_splats`."""
    return judge_log(cell, console)[0]


def judge_log(cell: Cell, console: BinaryIO) -> tuple[Cell, str | None]:
    """The same, and the version of the kernel that the console is of, where it says so."""
    # A part of the console that was left out may hold a result, a splat or an event.
    gaps = Gaps(iter(lambda: console.read(BLOCK_BYTES), b""))
    judged = judge.judge(
        gaps,
        boot=cell.boot or Boot(),
        manifest=_manifest(),
        expected_suites=cell.suite,
        allow_splats=cell.allow_splats,
    )
    # What the supervisor knew of a boot without a verdict is not in its console.
    known = cell.detail if judged.reason is cell.reason else None
    done = replace(
        cell,
        verdict=judged.verdict,
        reason=judged.reason,
        detail=judged.detail or known,
        suites=judged.suites,
        splats=judged.splats,
        flushes=judged.flushes,
        findings=module_flavour.explained(judged.findings, cell.guards, judged.flushes),
        trace=judged.trace,
        not_exercised=judged.not_exercised,
        omitted=judged.omitted,
        omitted_bad=judged.omitted_bad,
        unlisted=judged.unlisted,
    )
    return _doubted(with_trials(done, cell.triage), gaps.left_out), judged.kernel


def _doubted(cell: Cell, left_out: int) -> Cell:
    """The cell, which has not passed where `left_out` bytes of its console are not known.

    A result or a splat that is there stays a failure; what is missing may be in the gap.
    """
    if not left_out:
        return cell
    note = f"{left_out:,} bytes in the middle of the console were left out: it is too long to keep"
    cell = replace(cell, notes=(*(each for each in cell.notes if each != note), note))
    shown = bool(cell.splats and not cell.allow_splats) or any(
        leaf.test.status in _BAD for leaf in leaves.leaves(cell)
    )
    if cell.verdict is Verdict.NO_VERDICT or (cell.verdict is Verdict.FAILED and shown):
        return cell
    detail = f"{left_out:,} bytes of the console are missing, and may hold a result or a splat"
    return replace(cell, verdict=Verdict.NO_VERDICT, reason=Reason.HARNESS_ERROR, detail=detail)


def with_trials(cell: Cell, trials: tuple[Trial, ...]) -> Cell:
    """A cell as it was judged, with what the boots of its hang triage add."""
    suites, findings = triage.completed(cell.suites, cell.findings, trials)
    counts = leaves.counted(suites, cell.unlisted)
    return replace(cell, suites=suites, findings=findings, triage=trials, counts=counts)


def suites_known() -> Manifest:
    """What is known of suites before they run."""
    return _manifest()
