# SPDX-License-Identifier: GPL-2.0-only
"""A patch held against its own diffstat: git applies one that was cut off between two files. Pure.

git ignores what follows the last whole file of a mail, also the first lines of another one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_STAT = re.compile(
    r"^ (\d{1,9}) files? changed(?:, (\d{1,9}) insertions?\(\+\))?(?:, (\d{1,9}) deletions?\(-\))?$"
)
_HUNK = re.compile(r"@@ -\d+(?:,(\d{1,9}))? \+\d+(?:,(\d{1,9}))? @@")
_CHANGE = re.compile(
    r"(?:@@ -|old mode |new file mode |deleted file mode |rename from |copy from |GIT binary patch$"
    r"|Binary files )"
)
_GIT = "diff --git "


@dataclass(frozen=True, slots=True)
class DiffSize:
    """Files, and lines that a diff adds and removes."""

    files: int
    added: int
    removed: int

    def __str__(self) -> str:
        """Return it in words: `3 files, 79 insertions, 2 deletions`."""
        found = ((self.files, "file"), (self.added, "insertion"), (self.removed, "deletion"))
        return ", ".join(f"{number} {name}{'' if number == 1 else 's'}" for number, name in found)


def stated(text: str) -> DiffSize | None:
    """Return what the last diffstat before the diff of a mail says; None if it has none."""
    found = None
    for line in text.split("\n"):
        if line.startswith((_GIT, "@@ -")):
            break
        if said := _STAT.match(line.rstrip()):
            files, added, removed = (int(each or 0) for each in said.groups())
            found = DiffSize(files, added, removed)
    return found


def counted(text: str) -> DiffSize:
    """Return what the diff of a mail has. A file of which only the first lines are here is none."""
    lines = text.split("\n")
    by_git = any(line.startswith(_GIT) for line in lines)
    files = added = removed = old = new = 0
    open_file = False
    for at, line in enumerate(lines):
        if old > 0 or new > 0:
            sign = line[:1]
            added += sign == "+"
            removed += sign == "-"
            old -= sign not in {"+", "\\"}
            new -= sign not in {"-", "\\"}
            continue
        if by_git:
            open_file = open_file or line.startswith(_GIT)
            begins = open_file and _CHANGE.match(line) is not None
            open_file = open_file and not begins
        else:
            begins = line.startswith("--- ") and "".join(lines[at + 1 : at + 2]).startswith("+++ ")
        files += begins
        if hunk := _HUNK.match(line):
            old, new = (int(each or 1) for each in hunk.groups())
    return DiffSize(files, added, removed)
