# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl mutate`: parse the options, call the command, render its report, exit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mermapctl.cli import run_request, types
from mermapctl.cli.command import Command, format_option
from mermapctl.cli.run import command as run_command

if TYPE_CHECKING:
    from mermapctl.config.plan import Request

_TESTED = ("tree", "suite", "targets", "variants", "configs", "symbols")
_BUILT = ("jobs", "cross_compile", "ccache", "build_timeout", "wait")
_BOOTED = (
    *("accel", "seed", "reproducible", "smp", "cpu", "kernel_args", "default_args"),
    *("timeout", "silence"),
)
SHARED = (*_TESTED, *_BUILT, *_BOOTED, "allow_splats")
"""Options of `run` that mean the same here."""
GROUPS = {
    "What is changed": ("rules", "sample", "sample_seed", "rerun"),
    "What is tested": _TESTED,
    "How it is built": ("lanes", *_BUILT),
    "How it is booted": _BOOTED,
    "How it is judged and shown": ("allow_splats", "form"),
}
MOST = 1_000_000


@click.command(
    "mutate",
    cls=Command,
    groups=GROUPS,
    short_help="Count which changes of a line the suite sees.",
)
@click.argument("files", metavar="[FILE]…", nargs=-1, type=types.NAME)
@click.option(
    "--rules",
    type=click.Choice(["all", "mermap"]),
    default="all",
    show_default=True,
    help="mermap: only mistakes with flushes, bounds, regions, slots, entries (60). all: and C's.",
)
@click.option(
    "--sample",
    type=types.NumberType(min=1, max=MOST),
    metavar="N",
    help="Draw mutants until N count in the score: they compile, and are no equal of the original. "
    "Default: all.",
)
@click.option(
    "--sample-seed",
    type=types.NumberType(min=0, max=types.LARGEST_SEED),
    default=1,
    show_default=True,
    metavar="S",
    help="The same seed draws the same mutants.",
)
@click.option(
    "--lanes",
    type=types.NumberType(min=1, max=types.MOST_LANES),
    metavar="N",
    help="Work trees side by side. Default: one for each CPU, as far as their first build pays "
    "off and memory allows.",
)
@click.option("--rerun", is_flag=True, help="Try also mutants that an earlier session has tried.")
@format_option("table", "json", "markdown", "html", summary="What to print at the end.")
def command(
    files: tuple[str, ...],
    rules: str,
    sample: int | None,
    sample_seed: int,
    lanes: int | None,
    rerun: bool,
    form: str,
    **_: Any,
) -> None:
    """Change one line of the mermap at a time, and count which changes its suite sees.

    \b
    mermapctl mutate --sample 100                 a hundred that compile, of mm/mermap.c
    mermapctl mutate --rules mermap               sixty mistakes that a mermap invites
    mermapctl mutate mm/mermap.c --format html    all of them, half an hour

    Each mutant is built and booted in a work tree of mermapctl's own; your tree stays as it is. A
    mutant that no test, kernel check or trace sees survives: it is shown as a diff, with what an
    assertion would have to check. Needs universalmutator (pipx install 'mermapctl[mutate]').

    Exit codes: 0 each mutant that was drawn has been tried, seen or not; 2 wrong usage; 3 the
    suite does not pass on the unchanged files, or the machine fails; 130 interrupted. The same
    command goes on where it was, also after a kill.
    """
    from mermapctl.commands import mutate
    from mermapctl.errors import Exit
    from mermapctl.render import mutation
    from mermapctl.render.terminal.progress import progress

    request = _request(click.get_current_context())
    asked = mutate.MutateRequest(files, sample, sample_seed, rerun, rules == "all", lanes)
    with progress(sys.stderr, quiet=False) as tell:
        report = mutate.run(request, asked, ("mermapctl", *sys.argv[1:]), tell)
    mutation.print_report(report, form)
    sys.exit(Exit.INTERRUPTED if report.interrupted else Exit.PASSED)


command.params += [each for each in run_command.params if each.name in SHARED]


def _request(context: click.Context) -> Request:
    """Turn the values of the options into a request. Raises UsageError."""
    values = {name: context.params[name] for name in SHARED}
    for name in ("targets", "variants"):
        if len(dict.fromkeys(values[name])) > 1:
            raise click.UsageError(f"mutants have one --{name[:-1]}: leave out all but one")
    return run_request.of_values(context, {**values, "as_module": None})
