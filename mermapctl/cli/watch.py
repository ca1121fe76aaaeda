# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl watch`: take the words of `run`, call the command, show its events."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mermapctl.cli.command import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from click.shell_completion import CompletionItem

    from mermapctl.series.watch_schedule import Narrowed

_NOT_HERE = {
    "commits": "the range is a word of its own: mermapctl watch BASE..",
    "rerun": "the key a runs all again",
    "last_failed": "the key f runs what failed",
    "rebuild": "a save of a file builds again what reads it",
    "form": "`mermapctl report show --format …` shows the last run",
    "full": "`mermapctl report show --full` shows the last run",
    "quiet": "leave it out",
    "dry_run": "`mermapctl run --dry-run` shows what a run would do",
    "bisect_exit": "leave it out",
    "wait": "leave it out",
    "gdb": "it judges nothing: `mermapctl run --gdb`",
}
"""Parameters of `run` that a watch does not take, and what to do."""


class WatchCommand(Command):
    """A command that takes the words of `run`; completion offers what `run` offers."""

    ignore_unknown_options = True

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - completes as run does
        incomplete: str,
    ) -> list[CompletionItem]:
        """Complete as `run` does, without what is not for a watch."""
        from mermapctl.cli.run import command as run

        hidden = {
            name
            for param in run.params
            if param.name in _NOT_HERE
            for name in (*param.opts, *param.secondary_opts)
        }
        made = click.Context(run, info_name="run", resilient_parsing=True)
        return [each for each in run.shell_complete(made, incomplete) if each.value not in hidden]


def _complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the value of an option of `run`."""
    from mermapctl.cli.run import command as run

    words = [*ctx.params.get("words", ())]
    made = run.make_context("run", [*words[:-1]], resilient_parsing=True)
    for param in run.params:
        takes = isinstance(param, click.Option) and not param.is_flag
        if takes and words and words[-1] in param.opts and param.name not in _NOT_HERE:
            return param.shell_complete(made, incomplete)
    return []


@click.command(
    "watch",
    cls=WatchCommand,
)
@click.argument(
    "words",
    metavar="[BASE..] [OPTIONS OF RUN]",
    nargs=-1,
    type=click.UNPROCESSED,
    shell_complete=_complete,
)
def command(words: tuple[str, ...]) -> None:
    """Run again after each save, and after each move of a ref.

    \b
    mermapctl watch                         the work tree here, as `mermapctl run`
    mermapctl watch -k size --variant smp
    mermapctl watch origin/master..         each commit up to HEAD, and the work tree
    mermapctl watch origin/master.. --variant base --variant kasan

    Takes the options of `run` that choose what is tested, built and booted. Watches only the files
    that the last build has read, and prints how many objects have read a changed one. A save while
    a run is on cancels it and starts again; the last whole result stays on the screen.

    Keys, where standard input is a terminal: f runs what failed, and only that from then on; a runs
    all; enter runs again; q ends.

    Exit codes: 0 after q, 2 wrong usage, 3 the machine fails, 130 interrupted.
    """
    from mermapctl.cli import run_request
    from mermapctl.cli.run import command as run
    from mermapctl.commands import watch
    from mermapctl.records.folder import console_lines
    from mermapctl.render.terminal.watch import WatchScreen

    context = click.get_current_context()
    given = _given(run, words)
    commits = _take_range(given)
    made = run.make_context("run", _words(run, given, commits, None), parent=context.parent)
    run_request.series(made)  # raises for an option that a series cannot have
    (request,) = run_request.requests(made)

    def again(cells: Narrowed | None) -> tuple[str, ...]:
        return (*_words(run, given, commits, cells), "--format=json")

    screen = WatchScreen(sys.stdout, sys.stderr, console_lines)
    watch.run(watch.WatchRequest(request, commits, again), screen.take)


def _given(run: click.Command, words: tuple[str, ...]) -> dict[str, Any]:
    """Return the words as values by parameter, unconverted; those that are no options by "".

    Raises UsageError.
    """
    from mermapctl.cli.kunit_words import translated

    context = click.Context(run, info_name="run")
    parser: Any = run.make_parser(context)
    values, rest, _ = parser.parse_args(args=[*translated([*words], context)])
    for param in run.params:
        if param.name in _NOT_HERE and param.name in values:
            raise click.UsageError(f"{param.opts[0]} is not for watch: {_NOT_HERE[param.name]}")
    first = values.pop("filter_glob", None)
    return {**values, "": [*([first] if isinstance(first, str) else []), *rest]}


def _take_range(given: dict[str, Any]) -> str | None:
    """Take BASE.. out of the words that are no options. Raises UsageError for a second one."""
    ranges = [each for each in given[""] if ".." in each]
    given[""] = [each for each in given[""] if ".." not in each]
    if len(ranges) > 1:
        raise click.UsageError(f"two ranges are given: {ranges[0]} and {ranges[1]}")
    return ranges[0] if ranges else None


def _words(
    run: click.Command, given: Mapping[str, Any], commits: str | None, cells: Narrowed | None
) -> list[str]:
    """Return the words of a run, limited to some cells if they are given."""
    values = dict(given)
    if cells is not None:
        values |= {"targets": cells.targets, "variants": cells.variants}
        commits = commits and cells.commits
    made = [word for param in run.params for word in _option(param, values)]
    made += [f"--commits={commits}"] if commits else []
    return [*made, *(["--", *given[""]] if given[""] else [])]


def _option(param: click.Parameter, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of one option, as they were given."""
    if not isinstance(param, click.Option) or param.name not in values:
        return
    value = values[param.name]
    name = max(param.opts, key=len)
    if param.is_flag:
        off = value is False and param.secondary_opts
        yield param.secondary_opts[0] if off else name
        return
    for each in value if isinstance(value, list | tuple) else (value,):
        yield f"{name}={each}" if isinstance(each, str) else name
