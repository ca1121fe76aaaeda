# SPDX-License-Identifier: GPL-2.0-only
"""The facts of a series in a record: its commits, and by column which one brought which finding."""

from __future__ import annotations

from dataclasses import dataclass

from mermapctl.judge.compiler_warnings import CompilerWarning
from mermapctl.judge.result_types import Finding
from mermapctl.tree.mail_origin import SeriesMail

Place = tuple[str | None, str | None, str | None]
"""Commit, target and variant of a cell."""


@dataclass(frozen=True, slots=True)
class SeriesCommit:
    """A commit of the series, oldest first. `files` is the hash of its git tree.

    `patch_id` is that of `git patch-id --stable`; null for a merge or an empty commit.
    """

    commit: str
    subject: str
    files: str | None = None
    patch_id: str | None = None


@dataclass(frozen=True, slots=True)
class Episode:
    """A finding from the commit that brought it to the one that took it away.

    `before` is the state of the cell before it: passed, failed (with other findings), absent, or
    null where nothing before it has been tested. `unsure` are the commits between that cell and
    `commit` that have no verdict: each of them may have brought it as well. `fixed` is the oldest
    later commit without it, null where the last commit with a verdict still has it; `fixed_unsure`
    are the commits without a verdict before that one.
    """

    code: str
    test: str | None
    commit: str
    before: str | None
    unsure: tuple[str, ...] = ()
    fixed: str | None = None
    fixed_unsure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FirstBad:
    """The oldest commit that brought what is still there at the end; the fields: see `Episode`."""

    commit: str
    findings: tuple[Finding, ...]
    before: str | None
    unsure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddedWarning:
    """A warning of the compiler that a commit added in a file that it touches.

    Not `sure` if the commit before it was not built: the warning may have been there.
    """

    commit: str
    warning: CompilerWarning
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Column:
    """A target x variant of the series. `first_bad` is null where nothing was brought to stay.

    `warnings` were added by a commit in a file that it touches; they are no failure.
    """

    target: str
    variant: str
    first_bad: FirstBad | None = None
    episodes: tuple[Episode, ...] = ()
    warnings: tuple[AddedWarning, ...] = ()

    @property
    def name(self) -> str:
        """Its heading."""
        return f"{self.target}/{self.variant}"

    def place(self, commit: str) -> Place:
        """Return the place of the column's cell of a commit."""
        return (commit, self.target, self.variant)


@dataclass(frozen=True, slots=True)
class Series:
    """A run of several commits. `base` is the commit before the first of `commits`.

    `work_tree` is whether the last one is the work tree as it stood, which is not committed. `mail`
    is where `tree apply` took exactly these commits from; null for all others.
    """

    base: str
    tip: str
    commits: tuple[SeriesCommit, ...]
    columns: tuple[Column, ...]
    work_tree: bool = False
    notes: tuple[str, ...] = ()
    mail: SeriesMail | None = None
