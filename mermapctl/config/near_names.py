# SPDX-License-Identifier: GPL-2.0-only
"""The hint for a name that does not exist: the names near it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def hint(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the hint for an unknown name: the names near it, else all after `otherwise`."""
    names = list(known)
    return near(name, names) or f"{otherwise}: {', '.join(names)}"


def near(name: str, known: Iterable[str]) -> str | None:
    """Return the hint that has the names near an unknown one; None if there are none."""
    found = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(found)}?" if found else None
