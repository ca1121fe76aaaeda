# SPDX-License-Identifier: GPL-2.0-only
"""The unchanged kernel of a lane, which mutants are compared with: its suite has to pass."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.config import plan, target
from mermapctl.errors import HarnessError
from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records.folder import RunFolder
from mermapctl.runner import cell, job, kunit
from mermapctl.system import files
from mermapctl.tree import ownership

if TYPE_CHECKING:
    from mermapctl.config.fragment import Fragment
    from mermapctl.config.plan import Request
    from mermapctl.events import Listener
    from mermapctl.records.record import Cell
    from mermapctl.runner.job import Job, LaneCommit


class Stopped(Exception):  # noqa: N818 - no error
    """A signal ended the run of the unchanged kernel."""


def begun(
    request: Request,
    own: tuple[Fragment, ...],
    commit: LaneCommit,
    folder: Path,
    invoked: str,
    tell: Listener,
) -> Job:
    """Return the job of a lane's kernel, with an empty folder for its files. Raises UserError."""
    tree = target.tree_for(request.tree, request.targets)
    ownership.require(tree)
    (planned,) = plan.make(target.read(tree), request, own)
    files.make_folder(folder)
    return job.begin(
        planned,
        RunFolder("mutate", folder),
        can=kunit.capabilities(tree),
        commit=commit.commit,
        invoked=invoked,
        tell=tell,
        checkout=commit,
        folder=folder,
    )


def passed(made: Job) -> Cell:
    """Run the unchanged kernel. Raises HarnessError if it does not pass, Stopped by a signal."""
    found = cell.run_to_end(made, cell.unjudged(made))
    if found.reason is Reason.INTERRUPTED:
        raise Stopped
    if found.verdict is Verdict.PASSED:
        return found
    raise HarnessError(
        f"the suite does not pass on the unchanged files: {found.detail or found.verdict}",
        f"`mermapctl run` reports why (its console is {made.console})",
    )
