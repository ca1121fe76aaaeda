# SPDX-License-Identifier: GPL-2.0-only
"""Refuses trees whose git files would block a reader or never end.

git opens a FIFO like a file, and so does GitPython, which cannot be ended.
"""

from __future__ import annotations

import shutil
import stat
from typing import TYPE_CHECKING

from mermapctl.errors import HarnessError, UserError
from mermapctl.system import inputs, process
from mermapctl.tree import git

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 10
"""Time limit for reading a configuration with its includes; normally 5 ms."""
_NAMES = (
    *(".gitattributes", ".git/HEAD", ".git/commondir", ".git/config", ".git/config.worktree"),
    *(".git/index", ".git/info/attributes", ".git/info/exclude", ".git/info/grafts"),
    *(".git/objects/info/alternates", ".git/packed-refs", ".git/shallow"),
)


def require_readable(tree: Path) -> None:
    """Raise UserError if git would block. Call it after `ownership.require`: it runs git."""
    for name in _NAMES:
        try:
            mode = (tree / name).stat().st_mode
        except OSError:  # missing is fine; git reports unreadable files
            continue
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise UserError(
                f"git cannot read {tree}: {name} is {inputs.kind(mode)}",
                "remove it, or work on a copy without .git",
            )
    ask = ["git", "config", "--name-only", "--null", "--get-regexp", git.FILTERS]
    if shutil.which("git") is None:  # the caller that needs git reports it
        return
    try:
        process.run(ask, cwd=tree, env=git.environment(own=False), timeout=SECONDS)
    except HarnessError as error:
        raise UserError(
            f"git cannot read the configuration of {tree}: {error.message}",
            "try `git config --list` there: does it include a FIFO or a device?",
        ) from error
