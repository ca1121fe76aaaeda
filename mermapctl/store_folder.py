# SPDX-License-Identifier: GPL-2.0-only
"""The folder of one run: its record, one folder a cell, and the consoles in them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl import atomic
from mermapctl.record import Artifacts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mermapctl.record import Cell, RunRecord


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where one run keeps its record and its artifacts."""

    id: str
    path: Path

    @property
    def record(self) -> Path:
        """The record's file."""
        return self.path / "record.json"

    def cell_path(self, slug: str) -> Path:
        """The folder of one cell's artifacts, whether or not it exists; `slug` from `cell_slug`."""
        return self.path / "cells" / slug

    def cell_dir(self, slug: str) -> Path:
        """The same, made if need be."""
        directory = self.cell_path(slug)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise atomic.cannot_write(directory, error) from error
        return directory


def cell_slug(target: str | None, variant: str | None, commit: str | None = None) -> str:
    """A folder name for a cell, such as ``x86_64-base`` or ``x86_64-kasan-1f2e3d4c5b6a``."""
    words = [target or "unknown", variant or "unknown", (commit or "")[:12]]
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", "-".join(word for word in words if word)).lstrip(".")


def moved(record: RunRecord, folder: Path) -> RunRecord:
    """The record with its artifacts' paths in `folder`, where the store has been moved to."""
    kept_in = [cell.artifacts.directory or "" for cell in record.cells]
    if all(not path or path.startswith(f"{folder}/") for path in kept_in):
        return record

    def here(path: str | None) -> str | None:
        before, mark, rest = (path or "").partition(f"/{folder.name}/")
        return str(folder / rest) if mark and before else path

    cells = []
    for cell in record.cells:
        kept = cell.artifacts
        moved = Artifacts(
            console=here(kept.console),
            config=here(kept.config),
            kunitconfig=here(kept.kunitconfig),
            build_log=here(kept.build_log),
            directory=here(kept.directory),
        )
        cells.append(replace(cell, artifacts=moved))
    return replace(record, cells=tuple(cells))


def console_lines(cell: Cell) -> Iterator[str]:
    """The lines of a cell's console, without their ends; none where it is gone.

    Bytes that are no UTF-8 come as surrogate escapes; a line over 1 MB comes in pieces of that.
    """
    if cell.artifacts.console is None:
        return
    try:
        with Path(cell.artifacts.console).open("rb") as file:
            while line := file.readline(1 << 20):
                yield line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
    except OSError:
        return


def size_of(directory: Path) -> int:
    """The bytes on disk below `directory`."""
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_blocks * 512
            except OSError:
                continue
    return total
