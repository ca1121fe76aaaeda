# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report rejudge` and `prune`: the commands that change the store."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

import click

from mermapctl.cli import report_options, types
from mermapctl.cli.command import Command
from mermapctl.commands import history, moments
from mermapctl.commands import prune as pruning
from mermapctl.errors import UserError
from mermapctl.records.store import Store
from mermapctl.render.terminal.plain import count
from mermapctl.render.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mermapctl.commands.prune import Pruning
    from mermapctl.commands.rejudge import Rejudged

_dry_run = click.option("-n", "--dry-run", is_flag=True, help="Change nothing.")


@click.command(
    "rejudge", cls=Command, groups=report_options.FILTER_GROUPS | report_options.TABLE_GROUPS
)
@report_options.run_argument("runs", "[RUN]…", nargs=-1)
@_dry_run
@report_options.filter_options(0)
@report_options.table_options
def rejudge(
    runs: tuple[str, ...], dry_run: bool, form: str, path: Path | None, **which: Any
) -> None:
    """Judge the consoles of RUNs (default: all) again with today's rules.

    \b
    mermapctl report rejudge --dry-run      what would change
    mermapctl report rejudge latest
    mermapctl report rejudge --since 7d

    A replaced verdict is kept in the record.
    """
    from mermapctl.commands import rejudge as judging
    from mermapctl.render.terminal import runs as tables

    store = Store.open()
    chosen = _named_or_filtered(store, runs, which)
    outcomes = judging.rejudge(store, chosen, keep=not dry_run, done=_counter(len(chosen)))
    report_options.print_notices(store)
    report_options.print_value(
        form, path, "rejudged", outcomes, lambda sheet: tables.rejudged(outcomes, sheet)
    )


def _named_or_filtered(store: Store, names: tuple[str, ...], which: dict[str, Any]) -> list[str]:
    """Return the ids of the named runs, else of those that the filters choose."""
    if not names:
        return [run.id for run in store.list(report_options.filters_of(**which))]
    if given := [name for name, value in which.items() if value]:
        raise click.UsageError(f"--{given[0]} chooses among all runs: name no RUN")
    return [store.resolve(name) for name in names]


def _counter(total: int) -> Callable[[Rejudged], None]:
    """Return a callback that counts the judged runs on a terminal."""
    numbers = itertools.count(1)

    def show(_: Rejudged) -> None:
        number = next(numbers)
        if sys.stderr.isatty():
            text = f"\r{number:,} of {count(total, 'run')}"
            click.echo(text, nl=number == total, err=True)

    return show


@click.command("prune", cls=Command, groups={"What may go": ("older", "keep", "max_size")})
@click.option("--older", type=types.TEXT, metavar="AGE", help="What is older than 30d, 12w, ….")
@click.option("--keep", type=types.ROWS, metavar="N", help="All runs but the newest N.")
@click.option("--max-size", type=types.TEXT, metavar="SIZE", help="The oldest beyond 500M, 5G, ….")
@_dry_run
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def prune(
    older: str | None, keep: int | None, max_size: str | None, dry_run: bool, yes: bool
) -> None:
    """Remove old runs with their consoles, after asking.

    \b
    mermapctl report prune --older 12w --dry-run
    mermapctl report prune --keep 1000
    mermapctl report prune --max-size 5G --yes

    By age and size, the results that `mutate` keeps go as well: those of the trees that it was
    not used on since.
    """
    before = None if older is None else moments.moment(older)
    size = None if max_size is None else history.bytes_of(max_size)
    store = Store.open()
    chosen = pruning.choose(store, before=before, keep=keep, size=size)
    report_options.print_notices(store)
    if chosen.nothing:
        click.echo(f"nothing to remove; {_left(chosen)}")
    elif dry_run:
        click.echo(f"would remove {_with_size(chosen)}; {_left(chosen)}")
    else:
        _remove(store, chosen, yes=yes)


def _left(chosen: Pruning) -> str:
    return f"{count(chosen.kept, 'run')} left"


def _with_size(chosen: Pruning) -> str:
    return f"{_span(chosen)}, {chosen.size / 1e6:,.1f} MB"


def _span(chosen: Pruning) -> str:
    said = []
    if chosen.runs:
        oldest, newest = chosen.runs[-1], chosen.runs[0]
        span = oldest if oldest == newest else f"{oldest} to {newest}"
        said.append(f"{count(len(chosen.runs), 'run')} ({span})")
    if chosen.sessions:
        said.append(f"the results of {count(len(chosen.sessions), 'session')} of mutate")
    return " and ".join(said)


def _remove(store: Store, chosen: Pruning, *, yes: bool) -> None:
    """Remove the runs, if the user agrees. Raises UserError where there is no terminal to ask."""
    if not yes:
        if not sys.stdin.isatty():
            message = f"would remove {_with_size(chosen)}"
            raise UserError(message, "Without a terminal, add --yes.")
        click.confirm(visible(f"Remove {_with_size(chosen)} from {store.root}?"), abort=True)
    freed = pruning.prune(store, chosen)
    report_options.print_notices(store)
    click.echo(f"removed {_span(chosen)}; {_left(chosen)}, {freed / 1e6:,.1f} MB freed")
