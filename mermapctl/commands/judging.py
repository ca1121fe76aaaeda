# SPDX-License-Identifier: GPL-2.0-only
"""A cell and its console -> the cell with its verdict; the same for `run`, `--log`, `--rejudge`."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from mermapctl import judge, leaves, manifest, module_flavour, triage
from mermapctl.diagnosis import Boot

if TYPE_CHECKING:
    from mermapctl.manifest import Manifest
    from mermapctl.record import Cell
    from mermapctl.triage import Trial


_manifest = functools.cache(manifest.load)  # thousands of consoles may be judged again


def judge_console(cell: Cell, console: BinaryIO) -> Cell:
    """Judge `console` by the cell's own `boot`, `suite` and `allow_splats`."""
    return judge_log(cell, console)[0]


def judge_log(cell: Cell, console: BinaryIO) -> tuple[Cell, str | None]:
    """The same, and the version of the kernel that the console is of, where it says so."""
    judged = judge.judge(
        console,
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
    return with_trials(done, cell.triage), judged.kernel


def with_trials(cell: Cell, trials: tuple[Trial, ...]) -> Cell:
    """A cell as it was judged, with what the boots of its hang triage add."""
    suites, findings = triage.completed(cell.suites, cell.findings, trials)
    counts = leaves.counted(suites, cell.unlisted)
    return replace(cell, suites=suites, findings=findings, triage=trials, counts=counts)


def suites_known() -> Manifest:
    """What is known of suites before they run."""
    return _manifest()
