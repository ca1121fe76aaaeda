# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl worker`: parse the options, offer this machine to a farm, exit."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from mermapctl.cli import farm_options, options, types
from mermapctl.cli.command import Command
from mermapctl.errors import Exit

if TYPE_CHECKING:
    from mermapctl.commands.worker import Offered

GROUPS = {
    "What it offers": ("targets", "cores", "name"),
    "To which farm": ("scheduler", "tls_ca", "tls_cert", "tls_key", "insecure_scheduler"),
}


@click.command(
    "worker",
    cls=Command,
    groups=GROUPS,
    short_help="Build and boot cells of a farm on this machine.",
)
@farm_options.of_worker
@options.targets("The target to build and boot for. May be repeated.")
@click.option(
    "--cores",
    type=types.NumberType(min=1, max=types.MOST_JOBS),
    default=lambda: len(os.sched_getaffinity(0)),
    show_default="number of CPUs",
    metavar="N",
    help="Parallel make jobs of a cell.",
)
@click.option(
    "--name",
    type=types.NAME,
    help="Its name in the farm, which no other has. Default: the host's, and a number.",
)
def command(targets: tuple[str, ...], cores: int, name: str | None, **_: Any) -> None:
    """Offer this machine to a farm: `mermapctl run --commits --engine dask` sends it cells.

    \b
    mermapctl worker --scheduler tls://farm:8786 --tls-ca ca.pem --tls-cert me.pem --tls-key me.key
    mermapctl worker --scheduler tls://farm:8786 --target x86_64 --target arm64 --cores 8
    mermapctl worker --scheduler tcp://127.0.0.1:8786       on one machine, to try it

    First checks what `mermapctl doctor` checks for the targets. Builds one cell at a time, with its
    own trees, build directories and store below `~/.cache/mermapctl/workers`. Anyone with a
    certificate of the farm's CA can run any program here as you (docs/security.md).

    Exit codes: 2 wrong usage, 3 something is missing here or the scheduler is gone, 130
    interrupted.
    """
    from mermapctl.commands import worker
    from mermapctl.system import stdio

    scheduler = farm_options.scheduler_of(click.get_current_context().params)
    from mermapctl.series.engines import cluster_worker

    def serve(offered: Offered) -> bool:
        def ready() -> None:
            stdio.tell(f"mermapctl: worker {offered.words}; waits for cells")

        return cluster_worker.serve(
            scheduler, offered.name, offered.resources, offered.home / "dask", ready
        )

    offer = worker.Offer(targets, cores, name)
    if worker.run(offer, cluster_worker.VERSION, serve):
        sys.exit(Exit.INTERRUPTED)
