# SPDX-License-Identifier: GPL-2.0-only
"""The exit code that a record stands for."""

from __future__ import annotations

from mermapctl.errors import Exit
from mermapctl.judge.result_types import Verdict
from mermapctl.records.bisect_facts import BisectOutcome
from mermapctl.records.record import RunRecord, State
from mermapctl.records.record_kinds import bisect_of


def exit_of(record: RunRecord, *, bisect: bool = False) -> Exit:
    """Return the exit code of `run`; `bisect` turns "no verdict" into `git bisect run`'s skip."""
    if record.run.state is State.INTERRUPTED:
        return Exit.INTERRUPTED
    code = exit_of_result(record)
    return Exit.BISECT_SKIP if bisect and code is Exit.NO_VERDICT else code


def exit_of_result(record: RunRecord) -> Exit:
    """Return the exit code of a record's verdict; a bisect passed if it named a commit."""
    found = bisect_of(record)
    if found is None:
        return exit_of_verdict(record.verdict)
    return Exit.PASSED if found.outcome is BisectOutcome.FOUND else Exit.NO_VERDICT


def exit_of_verdict(verdict: Verdict) -> Exit:
    """Return 0 for passed, 1 for failed, 3 for no verdict."""
    codes = {Verdict.PASSED: Exit.PASSED, Verdict.FAILED: Exit.FAILED}
    return codes.get(verdict, Exit.NO_VERDICT)
