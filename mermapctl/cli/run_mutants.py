# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run-mutants`: the process of one lane of mutants. Its caller is `mermapctl mutate`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from mermapctl.cli import types
from mermapctl.cli.command import Command

if TYPE_CHECKING:
    from pathlib import Path


@click.command("run-mutants", cls=Command, hidden=True, short_help="Try mutants in one lane.")
@click.argument("job", type=types.INPUT, metavar="JOB.json")
def command(job: Path) -> None:
    """Try the mutants that JOB.json names, as `mermapctl mutate` does.

    Prints events and results as lines of JSON, and keeps each result.
    """
    from mermapctl.mutation import lane, lane_job, unchanged
    from mermapctl.series import wire
    from mermapctl.system import signals

    try:
        for result in lane.run(lane_job.read(job), wire.tell):
            # A signal in the middle of a long line would leave a part of it.
            with signals.deferred():
                os.write(sys.stdout.fileno(), lane.encoded(result))
    except unchanged.Stopped:
        sys.exit(130)
