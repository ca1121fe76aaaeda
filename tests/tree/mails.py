# SPDX-License-Identifier: GPL-2.0-only
"""Series of patches as mails, made by git from commits of a tree."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import git

FILES = ("mm/one.c", "mm/two.c", "mm/three.c", "mm/four.c", "mm/five.c")


def commit_five(tree: Path) -> str:
    """Commit five changes on the branch `topic`, and go back; return the commit below them."""
    base = git(tree, "rev-parse", "HEAD")
    git(tree, "checkout", "-q", "-b", "topic")
    for number, name in enumerate(FILES, 1):
        (tree / name).write_text(f"/* {number} */\n")
        git(tree, "add", name)
        git(tree, "commit", "-q", "-m", f"mm: change {number}")
    git(tree, "checkout", "-q", "main")
    return base


def mails(tree: Path, *options: str, commits: str = "main..topic") -> list[str]:
    """Return what git format-patch makes of commits, mail by mail, the cover letter first."""
    made = git(tree, "format-patch", "--stdout", "--cover-letter", "--thread=shallow", *options,
               commits)  # fmt: skip
    made = made.replace("*** SUBJECT HERE ***", "mm: five changes")
    return [f"From {each}\n" for each in re.split(r"(?:^|\n)From (?=[0-9a-f]{40} Mon)", made)[1:]]


def message_id(mail: str) -> str:
    """Return the message id of a mail, without its angle brackets."""
    found = re.search(r"^Message-Id: <(\S+)>", mail, re.MULTILINE | re.IGNORECASE)
    assert found
    return found[1]
