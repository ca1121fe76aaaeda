# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report rejudge` and `prune`: the two that change what is stored."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mermapctl.cli import output, types
from mermapctl.cli.command import Command
from mermapctl.commands import history
from mermapctl.commands import prune as pruning
from mermapctl.errors import UserError
from mermapctl.records.store import Store
from mermapctl.render.terminal.text import count
from mermapctl.render.visible import visible

if TYPE_CHECKING:
    from pathlib import Path

    from mermapctl.commands.prune import Pruning
    from mermapctl.commands.rejudge import Rejudged

_dry_run = click.option("-n", "--dry-run", is_flag=True, help="Change nothing.")


@click.command("rejudge", cls=Command, groups=output.CHOOSING)
@output.run("runs", "[RUN]…", nargs=-1)
@_dry_run
@output.filters(0)
@output.sheet
def rejudge(
    runs: tuple[str, ...], dry_run: bool, form: str, path: Path | None, **which: Any
) -> None:
    """Judge the consoles of RUNs (default: all) again, by today's rules.

    \b
    mermapctl report rejudge --dry-run      what would change
    mermapctl report rejudge latest
    mermapctl report rejudge --since 7d

    A verdict that is replaced stays in the record.
    """
    from mermapctl.commands import rejudge as judging
    from mermapctl.render.terminal import runs as tables

    if runs and (given := [name for name, value in which.items() if value]):
        raise click.UsageError(f"--{given[0]} chooses among all runs: name no RUN")
    store = Store.open()
    named = [store.resolve(key) for key in runs]
    chosen = named or [run.id for run in store.list(output.chosen(**which))]
    done = 0

    def progress(_: Rejudged) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            end = done == len(chosen)
            click.echo(f"\r{done:,} of {count(len(chosen), 'run')}", nl=end, err=True)

    outcomes = judging.rejudge(store, chosen, keep=not dry_run, done=progress)
    output.tell(store)
    output.say(form, path, "rejudged", outcomes, lambda sheet: tables.rejudged(outcomes, sheet))


@click.command("prune", cls=Command, groups={"What may go": ("older", "keep", "max_size")})
@click.option("--older", type=types.TEXT, metavar="AGE", help="Runs older than 30d, 12w.")
@click.option("--keep", type=types.ROWS, metavar="N", help="All but the newest N.")
@click.option("--max-size", type=types.TEXT, metavar="SIZE", help="What exceeds 500M, 5G.")
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
    """
    store = Store.open()
    before = None if older is None else history.moment(older)
    size = None if max_size is None else history.bytes_of(max_size)
    chosen = pruning.choose(store, before=before, keep=keep, size=size)
    output.tell(store)
    left = f"{count(chosen.kept, 'run')} left"
    if not chosen.runs:
        click.echo(f"nothing to remove; {left}")
    elif dry_run:
        click.echo(f"would remove {_described(chosen)}; {left}")
    else:
        _remove(store, chosen, yes=yes)


def _described(chosen: Pruning) -> str:
    return f"{_spanned(chosen)}, {chosen.size / 1e6:,.1f} MB"


def _spanned(chosen: Pruning) -> str:
    oldest, newest = chosen.runs[-1], chosen.runs[0]
    span = oldest if oldest == newest else f"{oldest} to {newest}"
    return f"{count(len(chosen.runs), 'run')} ({span})"


def _remove(store: Store, chosen: Pruning, *, yes: bool) -> None:
    """Remove the runs, if the user agrees. Raises UserError where there is no terminal to ask."""
    if not yes:
        if not sys.stdin.isatty():
            message = f"would remove {_described(chosen)}"
            raise UserError(message, "Without a terminal, say --yes.")
        click.confirm(visible(f"Remove {_described(chosen)} from {store.runs}?"), abort=True)
    freed = pruning.prune(store, chosen)
    output.tell(store)
    left = f"{count(chosen.kept, 'run')} left"
    click.echo(f"removed {_spanned(chosen)}; {left}, {freed / 1e6:,.1f} MB freed")
