# SPDX-License-Identifier: GPL-2.0-only
"""The hint for a name that does not exist: the names near it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def hint(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the hint for an unknown name: the names near it, else all after `otherwise`."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"{otherwise}: {', '.join(names)}"
