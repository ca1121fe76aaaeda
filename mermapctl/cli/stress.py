# SPDX-License-Identifier: GPL-2.0-only
"""The options of `mermapctl run --stress`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from mermapctl.cli import types

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mermapctl.config.plan import Stress

MOST_ROUNDS = 1_000_000
PARAMETERS = ("stress", "rounds", "history")


def _rounds() -> int:
    from mermapctl.config.plan import ROUNDS

    return ROUNDS


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the options."""
    for each in (
        click.option(
            "--history",
            type=types.NAME,
            metavar="STEPS",
            help="With --stress: the only history to run, as an earlier run printed it.",
        ),
        click.option(
            "--rounds",
            type=types.NumberType(min=1, max=MOST_ROUNDS),
            default=_rounds,
            show_default="100",
            metavar="N",
            help="With --stress: how many histories.",
        ),
        click.option(
            "--stress",
            is_flag=True,
            help="Boot once more with random histories of gets and puts, from --seed; print the "
            "smallest one that fails.",
        ),
    ):
        command = each(command)
    return command


def asked(context: click.Context) -> Stress | None:
    """Return what is asked of the stress suite; None for a run without it.

    Raises UsageError for an option without --stress, or one that it cannot have.
    """
    params = context.params
    if not params["stress"]:
        for name in ("rounds", "history"):
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"--{name} goes with --stress")
        return None
    _refuse(context)
    from mermapctl.config.plan import Stress
    from mermapctl.judge import stress

    history = params["history"] or ""
    if history:
        try:
            history = stress.spelled(stress.parsed(history))
        except ValueError as error:
            raise click.UsageError(
                f"--history is no history of the stress suite: {error}"
            ) from None
    return Stress(params["rounds"], history)


def _refuse(context: click.Context) -> None:
    params = context.params
    if params["commits"] is not None:
        raise click.UsageError(
            "--stress tests one tree: not with --commits; check a commit out, and run there"
        )
    given = params["filter_glob"] or params["suite"]
    if given != "mermap" or params["test"]:
        raise click.UsageError(
            "--stress is for the whole suite mermap: leave out --suite and the test"
        )
    source = context.get_parameter_source("rounds")
    if params["history"] and source is ParameterSource.COMMANDLINE:
        raise click.UsageError("--history is one history: not with --rounds")
