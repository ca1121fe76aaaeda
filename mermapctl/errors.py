# SPDX-License-Identifier: GPL-2.0-only
"""What can go wrong for a user, and the exit codes that say so.

An error here is raised with a hint and printed in one place (``mermapctl.__main__``).
"""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """Exit codes of every command: a contract that scripts and CI rely on."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    NO_VERDICT = 3
    BISECT_SKIP = 125
    BISECT_ABORT = 128
    INTERRUPTED = 130


class MermapctlError(Exception):
    """An error with a sentence for the user and, in `hint`, what to do about it.

    `bisect` is the exit code under `run --bisect-exit`: an error that every commit would meet stops
    `git bisect run` (128 and above), as 1 to 127 would blame or skip commits for it.
    """

    exit = Exit.NO_VERDICT
    bisect = Exit.BISECT_ABORT

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(MermapctlError):
    """The user asked for something that cannot be: a wrong name, option, file or tree."""

    exit = Exit.USAGE


class CommitError(UserError):
    """What was asked for is not in this commit of the tree; another commit may have it."""

    bisect = Exit.BISECT_SKIP


class HarnessError(MermapctlError):
    """The machine let us down (disk full, missing program, corrupt store): no verdict."""
