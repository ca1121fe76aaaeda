# SPDX-License-Identifier: GPL-2.0-only
"""The options of `mermapctl run` as requests, one or (--last-failed) several."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from mermapctl.cli import farm_options, stress, types

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mermapctl.commands.series import SeriesRequest
    from mermapctl.config.plan import Request
    from mermapctl.series.grid_events import SeriesEvent, SeriesListener

_SHOWN = ("form", "full", "quiet", "bisect_exit", "dry_run", "last_failed")
"""Parameters that say what is run and shown of the requests."""
_TESTED = ("filter_glob", "test", "commits", "lanes", "rerun", "gdb", "engine", *farm_options.NAMES)
"""Parameters that are read by themselves: the suite, the test, the series, gdb."""
_JUDGES = (
    *("dry_run", "last_failed", "bisect_exit", "quiet", "full", "confirm", "cost", "stress"),
    *("coverage", "coverage_of", "coverage_tests"),
)
"""Flags that make no sense where nothing is judged."""
_NOT_ASKED = (*_SHOWN, *_TESTED, *stress.PARAMETERS)
"""Parameters that are no part of a request."""
_HOW = ("tree", "jobs", "ccache", "rebuild", "wait")
"""Parameters of a request that --last-failed takes from its own command line."""
_BESIDE_LAST = (*_HOW, *_SHOWN)
"""Parameters that may be given beside --last-failed."""


def _request(context: click.Context) -> Request:
    """Turn the values of the options into a request. Raises UsageError, UserError."""
    from mermapctl.commands import test_filter

    params = context.params
    values = {name: value for name, value in params.items() if name not in _NOT_ASKED}
    suite, test = _suite(context), params["test"]
    values["suite"] = test_filter.of_test(suite, test) if test else suite
    values["stress"] = stress.asked(context)
    values["cost"] = values["cost"] or values["cost_limit"] is not None
    wanted = (values["coverage"], values["coverage_of"], values["coverage_tests"])
    values["coverage"] = any(wanted)
    return of_values(context, values)


def of_values(context: click.Context, values: Mapping[str, Any]) -> Request:
    """Return the request of options of `run`, which have these values by their parameters."""
    from mermapctl.config.modular import Modular
    from mermapctl.config.plan import Request
    from mermapctl.config.target import Accel

    module, source = values["as_module"], context.get_parameter_source("silence")
    made = {
        "hasty": source is ParameterSource.DEFAULT,
        "as_module": Modular(module) if module else None,
        "accel": Accel(values["accel"]),
    }
    return Request(**{**values, **made})


def _suite(context: click.Context) -> str:
    """Return the suite of the argument, else of --suite. Raises UsageError for what is none."""
    from mermapctl.config import target, variants

    params = context.params
    given: str | None = params["filter_glob"]
    if given is None:
        return str(params["suite"])
    if given != params["suite"] and _is_given("suite", context):
        raise click.UsageError(f"{given} is a second suite beside --suite {params['suite']}")
    if "/" in given or not variants.suite_fragments(given):
        _refuse_path(given)
    for option, names in (
        ("--variant", variants.definitions()),
        ("--target", target.architectures() | {"um"}),
    ):
        if given in names:
            raise click.UsageError(f"{given} is no suite: did you mean {option} {given}?")
    return given


def _refuse_path(given: str) -> None:
    """Raise UsageError for a path in place of the suite; a word that is none passes."""
    if types.is_directory(given):
        raise click.UsageError(f"{given} is a directory, and no suite: is it --tree {given}?")
    if types.is_file(given) and not given.isidentifier():
        raise click.UsageError(
            f"{given} is a file, and no suite: --config {given} takes a kunitconfig, "
            f"`mermapctl report log {given}` judges a console"
        )
    if "/" in given:
        raise click.UsageError(f"{given} is no suite, and no such file or directory exists")


def _is_given(name: str, context: click.Context) -> bool:
    """Tell whether the command line has a parameter."""
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _last_failed(context: click.Context) -> tuple[Request, ...]:
    """Return a request for each cell of the tree's last run that did not pass."""
    from mermapctl.commands import last_failed
    from mermapctl.config import target

    params = context.params
    for param in context.command.params:
        if param.name not in _BESIDE_LAST and _is_given(str(param.name), context):
            raise click.UsageError(
                f"--last-failed takes what is tested from the last run: leave out {param.opts[-1]}"
            )
    kept = {name: params[name] for name in _HOW}
    lines = last_failed.command_lines(target.tree_for(params["tree"], ()))
    made = []
    for line in lines:
        each = context.command.make_context("run again", line, parent=context.parent)
        each.params |= kept
        made.append(_request(each))
    return tuple(made)


def show_plan(requests: tuple[Request, ...], form: str) -> None:
    """Print what a run of these requests would do."""
    from mermapctl.commands import dry_run, run
    from mermapctl.render.terminal import dry_run as shown

    shown.show(sys.stdout, dry_run.planned(run.cells_of(requests)), form)


def show_series_plan(request: Request, commits: str, form: str) -> None:
    """Print what a run of a series would do."""
    from mermapctl.commands import dry_series
    from mermapctl.render.terminal import dry_run as shown

    shown.show_series(sys.stdout, dry_series.planned(request, commits), form)


def alone_with_gdb(context: click.Context) -> None:
    """Raise UsageError for an option that makes no sense with --gdb, which judges nothing."""
    params = context.params
    others = {
        "--commits": params["commits"] is not None,
        **{f"--{name.replace('_', '-')}": bool(params[name]) for name in _JUDGES},
        "--repeat": params["repeat"] > 1,
        "--witness": bool(params["witness"]),
        "--format": params["form"] != "table",
        "--engine dask": params["engine"] != "local",
    }
    for name, is_given in others.items():
        if is_given:
            raise click.UsageError(
                f"--gdb boots for a debugger, and judges nothing: not with {name}"
            )


def requests(context: click.Context) -> tuple[Request, ...]:
    """Return the requests of a command line. Raises UsageError, UserError."""
    if context.params["last_failed"]:
        return _last_failed(context)
    return (_request(context),)


def series(context: click.Context) -> SeriesRequest | None:
    """Return what is asked of a series; None for a run of one tree.

    Raises UsageError for an option of a series without one, or one that a series cannot have.
    """
    params = context.params
    commits, lanes, rerun = (params[name] for name in ("commits", "lanes", "rerun"))
    given = {
        "--lanes": lanes is not None,
        "--rerun": rerun,
        "--format jsonl": params["form"] == "jsonl",
    }
    for name, is_given in given.items():
        if is_given and commits is None:
            raise click.UsageError(f"{name} goes with --commits BASE..TIP")
    if commits is None:
        return None
    if params["cost_limit"] is not None:
        raise click.UsageError("--cost-limit compares with an earlier run: not with --commits")
    if params["last_failed"]:
        raise click.UsageError("--last-failed is for one tree: not with --commits")
    if params["engine"] != "local" and params["coverage"]:
        raise click.UsageError("--coverage reads the build directory here: not with --engine dask")
    from mermapctl.commands.series import SeriesRequest

    return SeriesRequest(commits, lanes, rerun or params["rebuild"])


def wait_for_gdb(requests: tuple[Request, ...]) -> None:
    """Boot a kernel that waits for gdb; print its console until the guest ends."""
    from mermapctl.cli.console_output import ConsoleOutput
    from mermapctl.commands import gdb, run
    from mermapctl.render.terminal.progress import progress

    with progress(sys.stderr, quiet=False) as tell:
        invoked = shlex.join(["mermapctl", *sys.argv[1:]])
        gdb.run(run.cells_of(requests), invoked, tell, ConsoleOutput(silent=False).print)


def with_lines(tell: SeriesListener) -> SeriesListener:
    """Return a listener that also prints each cell of a grid on stdout, as a line of JSON."""
    from mermapctl.render.documents import jsonl

    def told(event: SeriesEvent) -> None:
        tell(event)
        jsonl.print_event(event)

    return told
