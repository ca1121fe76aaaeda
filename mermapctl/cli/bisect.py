# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl bisect`: parse the options, call the command, render its record, exit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mermapctl.cli import complete, options, run_request, types
from mermapctl.cli.command import Command, format_option
from mermapctl.cli.run import command as run_command

if TYPE_CHECKING:
    from mermapctl.config.plan import Request

_TESTED = ("tree", "suite", "targets", "variants", "configs", "symbols", "as_module")
_BUILT = ("jobs", "cross_compile", "ccache", "build_timeout", "wait")
_BOOTED = (
    *("accel", "seed", "shifts", "reproducible", "smp", "cpu", "kernel_args", "default_args"),
    *("trace", "timeout", "silence"),
)
SHARED = (*_TESTED, *_BUILT, *_BOOTED, "allow_splats")
"""Options of `run` that mean the same here."""
GROUPS = {
    "What is looked for": ("finding", "test", "confidence", "rerun"),
    "What is tested": _TESTED,
    "How it is built": _BUILT,
    "How it is booted": _BOOTED,
    "How it is judged and shown": ("allow_splats", "form", "quiet"),
}


@click.command(
    "bisect",
    cls=Command,
    groups=GROUPS,
)
@click.argument("good", metavar="GOOD", type=types.NAME, shell_complete=complete.refs)
@click.argument(
    "bad", metavar="[BAD]", type=types.NAME, default="HEAD", shell_complete=complete.refs
)
@click.option(
    "--finding",
    type=types.NAME,
    metavar="CODE",
    shell_complete=complete.findings,
    help="Look for this finding, such as early-flush or kasan. Default: what BAD shows most.",
)
@click.option(
    "--test",
    type=types.NAME,
    metavar="NAME",
    shell_complete=complete.tests,
    help="Look for a failure of this test; with --finding, for that finding in it.",
)
@click.option(
    "--confidence",
    type=types.ConfidenceType(),
    default=0.95,
    show_default=True,
    metavar="P",
    help="How probable the answer has to be.",
)
@click.option("--rerun", is_flag=True, help="Boot also kernels that an earlier bisect has booted.")
@options.quiet
@format_option("table", "json", summary="What to print at the end.")
def command(good: str, bad: str, form: str, quiet: bool, **_: Any) -> None:
    """Name the commit after GOOD, up to BAD, that brought a failure.

    \b
    mermapctl bisect origin/master                    up to HEAD; what fails is chosen by its boots
    mermapctl bisect v6.12 topic --finding kasan      one finding; another failure is never "bad"
    mermapctl bisect HEAD~20 --test test_size --confidence 0.99

    Both ends are booted first, then kernels between them, as often as the failure's rate needs: a
    fault that shows in one boot of three is found too. The answer comes with its evidence and the
    chance that it is wrong. Your tree and its .git stay as they are.

    Exit codes: 0 a commit is named, 2 wrong usage, 3 no commit is named (an end is not what it is
    said to be, commits without a verdict are in between, or the machine fails), 130 interrupted.
    The same command goes on where it was.
    """
    from mermapctl.commands import bisect
    from mermapctl.records.exit_code import exit_of
    from mermapctl.render import print_record
    from mermapctl.render.terminal.progress import progress

    params = click.get_current_context().params
    asked = bisect.BisectRequest(
        good, bad, params["finding"], params["test"], params["confidence"], params["rerun"]
    )
    request = _request(click.get_current_context())
    with progress(sys.stderr, quiet=quiet) as tell:
        record = bisect.run(request, asked, ("mermapctl", *sys.argv[1:]), tell)
    print_record(record, form)
    sys.exit(exit_of(record))


command.params += [each for each in run_command.params if each.name in SHARED]


def _request(context: click.Context) -> Request:
    """Turn the values of the options into a request. Raises UsageError."""
    values = {name: context.params[name] for name in SHARED}
    for name in ("targets", "variants"):
        if len(dict.fromkeys(values[name])) > 1:
            raise click.UsageError(f"a bisect has one --{name[:-1]}: leave out all but one")
    return run_request.of_values(context, values)
