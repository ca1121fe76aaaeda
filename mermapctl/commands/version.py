# SPDX-License-Identifier: GPL-2.0-only
"""The version of this mermapctl, and the commit that it was made from."""

from __future__ import annotations

from pathlib import Path

import mermapctl
from mermapctl.errors import HarnessError
from mermapctl.system import process
from mermapctl.tree import git

PACKAGE = Path(mermapctl.__file__).parent
SECONDS = 10
"""Seconds that git may take."""


def text() -> str:
    """Return the version and the commit: `1.0.0 (v1.0.0-3-g0123456789ab-dirty)`."""
    return f"{mermapctl.__version__} ({commit() or 'commit unknown'})"


def commit() -> str | None:
    """Return `git describe` of the source: stored in a package, asked in a checkout.

    None if neither tells, such as in a checkout that belongs to another user.
    """
    try:
        return (PACKAGE / "commit.txt").read_text("utf-8").strip()
    except FileNotFoundError:
        pass
    root = PACKAGE.parent
    if not (root / ".git").exists():  # git itself would also look above
        return None
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        said = process.run(describe, cwd=root, env=git.environment(), timeout=SECONDS)
    except HarnessError:  # no git
        return None
    return said.stdout.strip() or None if said.returncode == 0 else None
