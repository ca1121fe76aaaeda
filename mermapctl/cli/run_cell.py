# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run-cell`: the process of one cell of a series. Its caller is `mermapctl run`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mermapctl.cli import types
from mermapctl.cli.command import Command

if TYPE_CHECKING:
    from pathlib import Path


@click.command("run-cell", cls=Command, hidden=True, short_help="Run one cell of a series.")
@click.argument("job", type=types.INPUT, metavar="JOB.json")
def command(job: Path) -> None:
    """Run the cell that JOB.json describes, as `mermapctl run --commits` does.

    Prints its events as lines of JSON, and writes the cell beside JOB.json.
    """
    from mermapctl.commands import run_cell
    from mermapctl.records.exit_code import exit_of_verdict
    from mermapctl.series import wire

    sys.exit(exit_of_verdict(run_cell.run(job, wire.tell).verdict))
