# SPDX-License-Identifier: GPL-2.0-only
"""Branches and tags of any tree, read from its files: git would obey the tree's configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mermapctl.system import inputs

_KINDS = ("heads", "tags", "remotes")
_LARGEST = 8 << 20
"""Bytes of packed-refs; a clone of all of stable has 400 KB."""


def names(tree: Path) -> list[str]:
    """Return HEAD, branches and tags, as short as git takes them; [] on an error."""
    try:
        own = _git_dir(tree)
        link = own / "commondir"
        shared = own / inputs.read_text(link, 4096).strip() if link.is_file() else own
        found = dict.fromkeys(("HEAD", *sorted({*_loose(shared), *_packed(shared)})))
    except OSError:
        return []
    return list(found)


def _git_dir(tree: Path) -> Path:
    """Return the git directory; that of a linked work tree is named in a file. Raises OSError."""
    place = tree / ".git"
    if place.is_dir():
        return place
    return tree / inputs.read_text(place, 4096).partition("gitdir:")[2].strip()


def _loose(git_dir: Path) -> Iterator[str]:
    for kind in _KINDS:
        root = git_dir / "refs" / kind
        for place, _, files in os.walk(root):
            yield from (str(Path(place, each).relative_to(root)) for each in files)


def _packed(git_dir: Path) -> Iterator[str]:
    if not (git_dir / "packed-refs").is_file():
        return
    for line in inputs.read_text(git_dir / "packed-refs", _LARGEST).splitlines():
        root, _, rest = line.partition(" ")[2].partition("/")
        kind, _, name = rest.partition("/")
        if root == "refs" and kind in _KINDS:
            yield name
