# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report`: options in, one command called, what it returns rendered."""

from __future__ import annotations

import sys
from typing import Any

import click
from click.core import ParameterSource

from mermapctl.cli import types

_FORMATS = ["table", "json", "junit", "html", "markdown", "email", "kcidb", "checks"]
_LISTS = ("list", "history", "flaky", "rejudge")

MODES = ("log", "follow", "list", "compare", "history", "flaky", "rejudge", "prune", "reindex")
"""Options that each say what `report` does; at most one of them. None: show one run."""

BELONGS = {
    "suite": ("log",),
    "allow_splats": ("log",),
    "failed": _LISTS,
    "target": _LISTS,
    "variant": _LISTS,
    "commit": _LISTS,
    "since": _LISTS,
    "limit": ("list", "history", "rejudge"),
    "older": ("prune",),
    "keep": ("prune",),
    "max_size": ("prune",),
    "yes": ("prune",),
    "dry_run": ("prune", "rejudge"),
    "full": ("", "log", "follow"),
    "open_it": ("", "log"),
    "output": ("", "log", "follow", "list", "compare", "history", "flaky"),
}
"""Option -> the modes that it goes with ("": show one run)."""

CHOOSES = ("failed", "target", "variant", "commit", "since", "limit")
"""Options that choose among the stored runs."""


def _runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Run ids, newest first. Nothing may be printed here: it would garble the prompt."""
    from mermapctl.records.store import run_ids

    return [run for run in run_ids() if run.startswith(incomplete)][:50]


@click.command(
    "report", cls=types.OnceCommand, short_help="Show a stored run, or judge any console log."
)
@click.argument("runs", nargs=-1, type=types.TEXT, metavar="[RUN]...", shell_complete=_runs)
@click.option(
    "--log",
    type=types.INPUT,
    metavar="FILE",
    help="Judge this console log (-: standard input) instead.",
)
@click.option(
    "--suite", type=types.TEXT, metavar="GLOB", help="With --log: suites that the log must hold."
)
@click.option("--allow-splats", is_flag=True, help="With --log: a splat is only a finding.")
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="table",
    show_default=True,
    help="How to show it. Lists and comparisons know table and json.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=types.OUTPUT,
    help="Write to FILE (all of it or nothing) instead of standard output (-).",
)
@click.option("--full", is_flag=True, help="Every test, frame and consequence.")
@click.option("--open", "open_it", is_flag=True, help="Show it in the browser, as HTML.")
@click.option("-f", "--follow", is_flag=True, help="Show the console of a running RUN as it comes.")
@click.option("--list", is_flag=True, help="List the stored runs, newest first.")
@click.option(
    "--compare",
    nargs=2,
    type=types.TEXT,
    metavar="A B",
    shell_complete=_runs,
    help="What changed from run A to B.",
)
@click.option("--history", type=types.TEXT, metavar="TEST", help="One test over time.")
@click.option("--flaky", is_flag=True, help="Tests that change their mind, and how often.")
@click.option("--rejudge", is_flag=True, help="Judge the consoles of RUNs (default: all) again.")
@click.option("--prune", is_flag=True, help="Remove old runs, after asking.")
@click.option("--reindex", is_flag=True, help="Read every stored record again.")
@click.option("--failed", is_flag=True, help="Only what failed.")
@click.option("--target", type=types.NAME, metavar="ARCH", help="Only runs on this target.")
@click.option("--variant", type=types.NAME, metavar="NAME", help="Only runs of this variant.")
@click.option(
    "--commit", type=types.NAME, metavar="PREFIX", help="Only this commit, or this `git describe`."
)
@click.option(
    "--since", type=types.TEXT, metavar="WHEN", help="Only since 2026-01-31, or 36h, 7d, 2w ago."
)
@click.option("--limit", type=types.ROWS, metavar="N", help="Rows (0: all). Default 25.")
@click.option(
    "--older", type=types.TEXT, metavar="AGE", help="With --prune: runs older than 30d, 12w."
)
@click.option("--keep", type=types.ROWS, metavar="N", help="With --prune: all but N.")
@click.option(
    "--max-size", type=types.TEXT, metavar="SIZE", help="With --prune: what exceeds 500M, 5G."
)
@click.option("-y", "--yes", is_flag=True, help="With --prune: do not ask.")
@click.option("-n", "--dry-run", is_flag=True, help="With --prune, --rejudge: change nothing.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Show RUN as it was shown when it ended; the latest run by default.

    RUN is an id, its start or its end, `latest`, or `latest~N` for the Nth before it.

    \b
    mermapctl report --log console.txt      judge a log from any machine, without a tree
    mermapctl report --list --failed        which runs failed
    mermapctl report --compare latest~1 latest

    Exit codes: those of the verdict that is shown, also for a stored run: 0 passed, 1 failed,
    3 no verdict. --compare: 1 if something fails newly. Lists: 0. Wrong usage: 2.
    """
    from mermapctl.cli.report_modes import SHOW, Asked

    mode = _mode({name for name in options if _given(ctx, name)}, options)
    sys.exit(SHOW[mode](Asked(mode, **options)))


def _given(ctx: click.Context, name: str) -> bool:
    """Whether the command line has an option, whatever its value: 0 and "" are not absent."""
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _mode(given: set[str], options: dict[str, Any]) -> str:
    """The one thing asked for. Raises UsageError where there are two, or options do not fit."""
    asked = [mode for mode in MODES if mode in given]
    if len(asked) > 1:
        raise click.UsageError(f"--{asked[0]} and --{asked[1]} exclude each other")
    mode = asked[0] if asked else ""
    for name, modes in BELONGS.items():
        if name in given and mode not in modes:
            fits = " or ".join(f"--{each}" for each in modes if each)
            raise click.UsageError(f"{_spelled(name)} goes with {fits or 'a single run'}")
    most = {"": 1, "follow": 1, "rejudge": None}.get(mode, 0)
    if most is not None and len(options["runs"]) > most:
        raise click.UsageError(
            "show one run at a time" if most else f"--{mode} takes no RUN argument"
        )
    if mode not in {"", "log", "follow"} and options["form"] not in {"table", "json"}:
        raise click.UsageError(f"--{mode} knows only --format table and json")
    _refuse_unheard(mode, given, options)
    return mode


def _refuse_unheard(mode: str, given: set[str], options: dict[str, Any]) -> None:
    """Raise UsageError for an option that another one would take the effect from."""
    form = options["form"]
    if options["open_it"]:
        if "form" in given and form != "html":
            raise click.UsageError(f"--open shows HTML, not --format {form}")
        if str(options["output"]) == "-":
            raise click.UsageError("--open needs a file: give -o FILE, or leave -o out")
    if options["full"] and (form != "table" or options["open_it"]):
        raise click.UsageError("--full goes with --format table")
    if mode == "rejudge" and options["runs"]:
        for name in CHOOSES:
            if name in given:
                raise click.UsageError(f"{_spelled(name)} chooses among all runs: name no RUN")


def _spelled(name: str) -> str:
    return "--open" if name == "open_it" else "--" + name.replace("_", "-")
