# SPDX-License-Identifier: GPL-2.0-only
"""The environment variables that mermapctl reads, checked on entry."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mermapctl.errors import UserError
from mermapctl.system.boundary import flaw_of_path

COMPLETE = "_MERMAPCTL_COMPLETE"
_SIZES = ("COLUMNS", "LINES")
_SIZE = re.compile(r"0*[1-9]\d{0,3}", re.ASCII)
_ASKED = re.compile(r"(bash|zsh|fish)_(source|complete)", re.ASCII)


def directory(name: str) -> Path | None:
    """Return the path in a variable of ours, unchanged; None where the variable is not set.

    Raises UserError where it is set to no path: empty differs from not set.
    """
    text = os.environ.get(name)
    if text is None:
        return None
    if flaw := flaw_of_path(text):
        raise UserError(f"{name} {flaw}", f"set it to a directory, or unset it: unset {name}")
    return Path(text)


def settle() -> None:
    """Delete an invalid terminal size: 0, negative, over 9,999, not in ASCII digits.

    shutil and rich parse it with int(), and rich fails on digits that only str.isdigit() accepts.
    """
    for name in _SIZES:
        if name in os.environ and not _SIZE.fullmatch(os.environ[name]):
            del os.environ[name]


def require_completion() -> None:
    """Raise UserError where click would complete words without any being given."""
    asked = os.environ.get(COMPLETE)
    if not asked:
        return
    found = _ASKED.fullmatch(asked)
    if found is None or (found[2] == "complete" and not _words_given(found[1])):
        raise UserError(
            f"{COMPLETE} is set, and not as a shell's completion sets it",
            f"unset {COMPLETE}; `mermapctl completion SHELL` prints the script that sets it",
        )


def _words_given(shell: str) -> bool:
    """Return whether the shell passed the words typed; fish passes one in place of a number."""
    number = os.environ.get("COMP_CWORD")
    if "COMP_WORDS" not in os.environ or number is None:
        return False
    return shell == "fish" or (number.isascii() and number.isdigit())
