# SPDX-License-Identifier: GPL-2.0-only
"""What one lane of `mermapctl mutate` has to do, as a file that its process reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mermapctl.config.fragment import Fragment
from mermapctl.config.plan import Request
from mermapctl.mutation.mutant import Mutant
from mermapctl.runner.job import LaneCommit
from mermapctl.system import job_file

JOB, COMPLAINTS = "lane.json", "lane.log"
"""Names in the folder of a lane: its job, and what its process printed on stderr."""
_WRITER = "`mermapctl mutate` writes them"


@dataclass(frozen=True, slots=True)
class LaneJob:
    """Mutants of `files` to try in a lane, which is the tree of `request`, in their order.

    `own` is what --config gave. A mutant belongs to the lane that makes its file in `claims` first.
    Each result is kept in `results`. `uncovered` has the lines by file that no test runs. `seconds`
    is what a boot of the unchanged kernel took in this lane; None: it is still to be built.
    """

    request: Request
    own: tuple[Fragment, ...]
    commit: LaneCommit
    invoked: str
    folder: Path
    results: Path
    claims: Path
    files: tuple[str, ...]
    uncovered: dict[str, tuple[int, ...]]
    mutants: tuple[Mutant, ...]
    seconds: float | None


def write(path: Path, job: LaneJob) -> None:
    """Write a job. Raises HarnessError."""
    job_file.write(path, job)


def read(path: Path) -> LaneJob:
    """Read a job. Raises UserError."""
    return job_file.read(path, LaneJob, "job of a lane", _WRITER)
