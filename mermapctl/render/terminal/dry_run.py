# SPDX-License-Identifier: GPL-2.0-only
"""The output of `mermapctl run --dry-run`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from mermapctl.render.terminal.plain import count, plain_look_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from mermapctl.commands.dry_run import PlannedCell
    from mermapctl.commands.dry_series import PlannedCommit


def show(stream: TextIO, cells: Sequence[PlannedCell], form: str) -> None:
    """Print each cell with its paths and command lines, whole, as text or JSON."""
    if form == "json":
        stream.write(json.dumps({"schema": 1, "cells": [asdict(each) for each in cells]}, indent=1))
        stream.write("\n")
        return
    look = plain_look_of(stream)
    for cell in cells:
        stream.write(f"{look.plain(cell.name)}\n")
        if cell.obstacle:
            stream.write(f"  cannot be run: {look.plain(cell.obstacle, limit=2000)}\n")
            continue
        stream.write(f"  build directory  {look.verbatim(cell.build_dir)}\n")
        stream.write(f"  kunitconfig      {look.verbatim(cell.kunitconfig)}\n")
        stream.writelines(f"  {look.verbatim(line)}\n" for line in cell.commands)
        if cell.traced:
            stream.write("  the boot has probes too, once System.map names their addresses\n")
    stream.write(f"{count(len(cells), 'cell')}; nothing was run or written\n")


def show_series(stream: TextIO, commits: Sequence[PlannedCommit], form: str) -> None:
    """Print the cells by commit, as text or JSON."""
    if form != "table":
        made = {"schema": 1, "commits": [asdict(each) for each in commits]}
        stream.write(json.dumps(made, indent=1) + "\n")
        return
    look = plain_look_of(stream)
    for each in commits:
        stream.write(f"{(each.commit or '')[:12]:12}  {look.plain(each.subject, limit=400)}\n")
        stream.writelines(f"  {look.plain(name)}\n" for name in each.cells)
    cells = sum(len(each.cells) for each in commits)
    counted = f"{count(len(commits), 'commit')}, {count(cells, 'cell')}"
    stream.write(f"{counted} less those that an earlier run has judged; ")
    stream.write("nothing was run or written\n")
