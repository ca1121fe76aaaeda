# SPDX-License-Identifier: GPL-2.0-only
"""One cell of a series as a file, which `mermapctl run-cell` reads.

Each cell is a process of its own. In a thread, Python swallows ^C in the main thread and raises it
in none of the others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mermapctl.config.fragment import Fragment
from mermapctl.config.plan import Request
from mermapctl.errors import UserError
from mermapctl.records.record import RUN_ID
from mermapctl.system import job_file

JOB, COMPLAINTS = "job.json", "run-cell.log"
"""Names in the folder of a cell: its job, and what its process printed on stderr."""
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CellJob:
    """One target x variant in a lane, which is the tree of `request`.

    `own` is what --config gave. `run` and `runs` are the id and the folder of the run. `origin` is
    the user's tree, `commit` the one that is checked out, with the git tree `files`; `line` checks
    it out again; `work_tree` is whether it is the user's work tree. `key` and `column` are
    those of `key.of_files` and `key.of`. With `rerun` no verdict of another run counts. `boots` is
    set in a bisect, which keeps each boot by its kernel: how many of this kernel are known.
    """

    request: Request
    own: tuple[Fragment, ...]
    run: str
    folder: Path
    origin: Path
    commit: str
    files: str
    line: str
    work_tree: bool
    invoked: str
    key: str
    column: str
    rerun: bool
    boots: int | None = None


def encoded(job: CellJob) -> bytes:
    """Return a job as bytes, for a file or for another machine."""
    return job_file.encoded(job)


def decoded(data: bytes, origin: str) -> CellJob:
    """Read a job of bytes; errors name it by `origin`. Raises UserError."""
    hint = "`mermapctl run --commits` writes them"
    job = job_file.decoded(data, CellJob, origin, "job of a cell", hint)
    if flaw := _flaw(job):
        raise UserError(f"{origin} is no job of a cell: {flaw}", hint)
    return job


def write(path: Path, job: CellJob) -> None:
    """Write a job. Raises HarnessError."""
    job_file.write(path, job)


def read(path: Path) -> CellJob:
    """Read a job. Raises UserError."""
    return decoded(job_file.contents(path), str(path))


def _flaw(job: CellJob) -> str | None:
    """Return why a job is invalid, if it is; its keys become the names of files."""
    hashes = (job.key, job.column, job.commit, job.files)
    if not all(_HASH.fullmatch(each) for each in hashes):
        return "a key or a commit is no hash"
    if not RUN_ID.fullmatch(job.run):
        return "its run is no run"
    request = job.request
    if (len(request.targets), len(request.variants)) != (1, 1):
        return "it has not one target and one variant"
    return None if request.shifts else "it has no shift"
