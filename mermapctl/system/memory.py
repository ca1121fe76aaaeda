# SPDX-License-Identifier: GPL-2.0-only
"""Memory that programs may still take, from /proc/meminfo."""

from __future__ import annotations

import re
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)


def available_kb(meminfo: Path = MEMINFO) -> int | None:
    """Return the memory available without swapping, in kB; None if it is not known."""
    try:
        found = _AVAILABLE.search(meminfo.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError):
        return None
    return int(found[1]) if found else None
