# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report log`: any console log, from any machine, judged without a tree."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from mermapctl.errors import UserError
from mermapctl.judge.verdict import Verdict
from mermapctl.records import record
from mermapctl.records.judging import judge_log
from mermapctl.records.record import Artifacts, Cell, RunRecord, State, TreeFacts
from mermapctl.system import inputs


def of_log(
    log: str, command: tuple[str, ...], *, suite: str | None, allow_splats: bool = False
) -> RunRecord:
    """Judge the console in file `log` (`-`: standard input); what is not known of it is null.

    `suite` is a glob of suites that it must hold. Raises UserError where it cannot be read.
    """
    begun = record.begin(command=command, tree=TreeFacts())
    run = replace(begun.run, host=None, state=State.FINISHED, pid=None, process=None)
    path = None if log == "-" else Path(log).absolute()
    cell = Cell(
        target=None,
        variant=None,
        verdict=Verdict.NO_VERDICT,
        artifacts=Artifacts(console=str(path) if path else None),
        suite=suite,
        allow_splats=allow_splats,
    )
    try:
        if path is None:
            cell, kernel = judge_log(cell, sys.stdin.buffer)
        else:
            with inputs.open_stream(path) as stream:
                cell, kernel = judge_log(cell, stream)
    except OSError as error:
        raise UserError(
            f"cannot read the log {log}: {error.strerror}", "Give a file, or - for standard input."
        ) from error
    tree = TreeFacts(kernel=kernel)
    return replace(begun, run=run, tree=tree, verdict=cell.verdict, cells=(cell,))
