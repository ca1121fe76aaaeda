# SPDX-License-Identifier: GPL-2.0-only
"""The options of a farm: where its scheduler is, and the files of TLS."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import click

from mermapctl.cli import types
from mermapctl.cli.command import all_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mermapctl.series.engines.cluster_client import DaskFarm
    from mermapctl.series.engines.scheduler_address import Scheduler

NAMES = ("scheduler", "tls_ca", "tls_cert", "tls_key", "insecure_scheduler", "worker_timeout")

_scheduler = click.option(
    "--scheduler",
    type=types.NAME,
    metavar="URL",
    help="The dask scheduler of a farm: tls://HOST:8786.",
)
_tls = all_of(
    click.option(
        "--tls-ca",
        type=types.INPUT,
        help="Certificate of the farm's CA (PEM). Default, as for the next two: "
        "distributed.comm.tls of dask's configuration.",
    ),
    click.option("--tls-cert", type=types.INPUT, help="Certificate of this machine (PEM)."),
    click.option("--tls-key", type=types.INPUT, help="Key of that certificate (PEM)."),
    click.option(
        "--insecure-scheduler",
        is_flag=True,
        help="Allow tcp:// to another machine: anyone who reaches the port can run programs on "
        "every worker.",
    ),
)
of_worker = all_of(_scheduler, _tls)
of_run = all_of(
    click.option(
        "--engine",
        type=click.Choice(["local", "dask"]),
        default="local",
        show_default=True,
        help="With --commits: dask runs the cells on the workers of a farm.",
    ),
    _scheduler,
    _tls,
    click.option(
        "--worker-timeout",
        type=types.SECONDS,
        default=60,
        show_default=True,
        metavar="S",
        help="Seconds without an answer after which a worker of a farm counts as lost, and without "
        "any worker after which the series ends.",
    ),
)


def scheduler_of(params: Mapping[str, Any]) -> Scheduler:
    """Return the scheduler that the options name. Raises UsageError, UserError."""
    from mermapctl.errors import UserError
    from mermapctl.series.engines import scheduler_address

    if params["scheduler"] is None:
        raise click.UsageError("a farm needs its scheduler: --scheduler tls://HOST:8786")
    found = scheduler_address.checked(
        params["scheduler"],
        params["tls_ca"],
        params["tls_cert"],
        params["tls_key"],
        insecure=params["insecure_scheduler"],
    )
    if importlib.util.find_spec("distributed") is None:
        raise UserError(
            "a farm needs distributed, which is not installed here",
            "pip install 'mermapctl[cluster]'",
        )
    return found


def farm_of(context: click.Context) -> DaskFarm | None:
    """Return the farm of a run, not yet connected; None for the local engine.

    Raises UsageError for options of a farm without one.
    """
    from click.core import ParameterSource

    params = context.params
    if params["engine"] == "local":
        for name in NAMES:
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"--{name.replace('_', '-')} goes with --engine dask")
        return None
    if params["lanes"] is not None or params["commits"] is None:
        word = "--engine dask goes with --commits BASE..TIP"
        if params["lanes"] is not None:
            word = "--lanes is for this machine's lanes: a worker of a farm has one"
        raise click.UsageError(word)
    scheduler = scheduler_of(params)
    from mermapctl.series.engines.cluster_client import DaskFarm

    return DaskFarm(scheduler, float(params["worker_timeout"]))
