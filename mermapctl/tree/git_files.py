# SPDX-License-Identifier: GPL-2.0-only
"""Files that git reads of a tree: none may be one that it would wait for, or that never ends.

git opens a FIFO as it opens a file, and so does GitPython, which cannot be ended.
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
"""How long git may read a configuration and what it includes; that takes it 5 ms."""
_NAMES = (
    *(".gitattributes", ".git/HEAD", ".git/commondir", ".git/config", ".git/config.worktree"),
    *(".git/index", ".git/info/attributes", ".git/info/exclude", ".git/info/grafts"),
    *(".git/objects/info/alternates", ".git/packed-refs", ".git/shallow"),
)


def require_readable(tree: Path) -> None:
    """Raise UserError where git would wait for ever. Call it behind the gate: git is run."""
    for name in _NAMES:
        try:
            mode = (tree / name).stat().st_mode
        except OSError:  # what is not there is no matter, what is not readable git says
            continue
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise UserError(
                f"git cannot read {tree}: {name} is {inputs.kind(mode)}",
                "remove it, or work on a copy without .git",
            )
    ask = ["git", "config", "--name-only", "--null", "--get-regexp", git.FILTERS]
    if shutil.which("git") is None:  # whoever needs it says so
        return
    try:
        process.run(ask, cwd=tree, env=git.environment(own=False), timeout=SECONDS)
    except HarnessError as error:
        raise UserError(
            f"git cannot read the configuration of {tree}: {error.message}",
            "try `git config --list` there: does it include a FIFO or a device?",
        ) from error
