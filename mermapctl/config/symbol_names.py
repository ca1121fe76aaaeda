# SPDX-License-Identifier: GPL-2.0-only
"""The names of a tree's Kconfig symbols, for completion: read from the files, not evaluated."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from mermapctl.system import inputs

MOST_FILES = 5000
"""6.12 has 1,700 files."""
_LARGEST = 1 << 20
_SYMBOL = re.compile(rb"^(?:menu)?config[ \t]+([A-Za-z0-9_]+)", re.MULTILINE)
_SOURCE = re.compile(rb'^[ \t]*source[ \t]+"([^"\n]+)"', re.MULTILINE)


def beginning(tree: Path, begun: str) -> list[str]:
    """Return the symbols whose names begin with `begun`, sorted; of all architectures."""
    start = begun.encode()
    found = {
        name for data in _files(tree) for name in _SYMBOL.findall(data) if name.startswith(start)
    }
    return sorted(name.decode() for name in found)


def _files(tree: Path) -> Iterator[bytes]:
    """Yield the tree's Kconfig and what it sources; an unreadable file is passed over."""
    top = os.path.realpath(tree)
    waiting, seen = [tree / "Kconfig"], set[str]()
    while waiting and len(seen) < MOST_FILES:
        path = waiting.pop()
        real = os.path.realpath(path)
        if real in seen or not real.startswith(f"{top}/"):
            continue
        seen.add(real)
        try:
            data = inputs.read_regular(path, _LARGEST)
        except OSError:
            continue
        yield data
        for source in _SOURCE.findall(data):
            name = os.fsdecode(source)
            if "$(SRCARCH)" in name or "$(HEADER_ARCH)" in name:
                pattern = re.sub(r"\$\(\w+\)", "*", name)
                waiting += sorted(tree.glob(pattern)) if not pattern.startswith("/") else []
            elif "$" not in name:
                waiting.append(tree / name)
