# SPDX-License-Identifier: GPL-2.0-only
"""What all cells of a series share, whichever engine runs them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from mermapctl.config.fragment import Fragment
from mermapctl.config.plan import Request
from mermapctl.events import Note
from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records.folder import RunFolder, cell_slug
from mermapctl.records.record import Cell
from mermapctl.series import cell_job
from mermapctl.series.cell_job import CellJob
from mermapctl.series.grid import GridColumn
from mermapctl.series.key import of_files
from mermapctl.system import children
from mermapctl.tree.commits import Commit
from mermapctl.tree.series_worktrees import Borrower

MOST_ERRORS = 3
"""Cells in succession without a verdict because of machines, after which the rest is not run."""
STOPPED = Note(f"{MOST_ERRORS} harness errors in succession: the rest is not run")


@dataclass(frozen=True, slots=True)
class Work:
    """What all cells of a series share. `request` has the make jobs of all lanes together."""

    request: Request
    own: tuple[Fragment, ...]
    repository: Borrower
    folder: RunFolder
    invoked: str
    work_tree: str | None
    """The commit that is the user's work tree, if one is."""
    rerun: bool = False
    boots: int | None = None
    """In a bisect: how many boots of the kernel are known."""
    lanes: int | None = None
    """How many lanes the user asked for."""

    def cell_folder(self, column: GridColumn, commit: Commit) -> Path:
        """Return the folder of a cell, which need not exist."""
        slug = cell_slug(column.target, column.variant, commit.id)
        first = self.boots
        return self.folder.cell_path(slug if first is None else f"{slug}-boot{first + 1:03}")

    def job(
        self, column: GridColumn, commit: Commit, *, tree: Path, line: str, jobs: int, key: str
    ) -> CellJob:
        """Return the job of a cell in the lane `tree`, which `line` checks out.

        `key` is that of its column on the machine that runs it.
        """
        return CellJob(
            request=replace(
                self.request,
                tree=tree,
                targets=(column.target,),
                variants=(column.variant,),
                configs=(),
                jobs=jobs,
                wait=True,
            ),
            own=self.own,
            run=self.folder.id,
            folder=self.folder.path,
            origin=self.repository.lender,
            commit=commit.id,
            files=commit.tree,
            line=line,
            work_tree=commit.id == self.work_tree,
            invoked=self.invoked,
            key=of_files(key, commit.tree),
            column=key,
            rerun=self.rerun,
            boots=self.boots,
        )


def without_verdict(
    column: GridColumn, commit: Commit, reason: Reason, detail: str | None = None
) -> Cell:
    """Return a cell that has no verdict for a reason outside of it."""
    return Cell(
        target=column.target,
        variant=column.variant,
        verdict=Verdict.NO_VERDICT,
        reason=reason,
        detail=detail,
        commit=commit.id,
    )


def last_words(folder: Path) -> str:
    """Return the error that a cell's process printed on stderr, else its last line; and a colon."""
    return children.last_words(folder / cell_job.COMPLAINTS)
