# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report list`, `compare`, `history` and `flaky`: stored runs, as a table or JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mermapctl.cli import output, types
from mermapctl.cli.command import Command
from mermapctl.commands import history as questions
from mermapctl.errors import Exit
from mermapctl.records.store import Store
from mermapctl.render.terminal import runs as tables

if TYPE_CHECKING:
    from pathlib import Path


ROWS = 25


@click.command("list", cls=Command, groups=output.CHOOSING)
@output.filters(ROWS)
@output.sheet
def list_(form: str, path: Path | None, **which: Any) -> None:
    """List the stored runs, newest first.

    \b
    mermapctl report list
    mermapctl report list --failed --since 7d
    mermapctl report list --limit 0 --format json
    """
    store = Store.open()
    rows = store.list(output.chosen(**which))
    total = store.count()
    output.tell(store)
    output.say(form, path, "runs", rows, lambda sheet: tables.runs(rows, total, sheet))


@click.command("compare", cls=Command)
@output.run("a", "[A", "latest~1")
@output.run("b", "[B]]", "latest")
@output.sheet
def compare(a: str, b: str, form: str, path: Path | None) -> None:
    """What changed from run A (the one before the latest) to run B (the latest).

    \b
    mermapctl report compare
    mermapctl report compare latest~5
    mermapctl report compare 20260131 20260207

    Exit codes: 1 if something fails newly, else 0. Wrong usage: 2.
    """
    from mermapctl.render.terminal import comparison

    store = Store.open()
    compared = questions.compare(store, a, b)
    output.tell(store)
    output.say(form, path, "comparison", compared, lambda sheet: comparison.render(compared, sheet))
    sys.exit(Exit.FAILED if compared.worse else Exit.PASSED)


@click.command("history", cls=Command, groups=output.CHOOSING)
@click.argument("test", type=types.TEXT)
@output.filters(ROWS)
@output.sheet
def history(test: str, form: str, path: Path | None, **which: Any) -> None:
    """One test over time, newest first; TEST as `test` or `suite.test`.

    \b
    mermapctl report history test_tlb_flushed
    mermapctl report history mermap.test_size --variant smp
    mermapctl report history test_size --limit 0 --format json
    """
    store = Store.open()
    rows = questions.test_history(store, test, output.chosen(**which))
    output.tell(store)
    output.say(form, path, "history", rows, lambda sheet: tables.history(rows, sheet))


@click.command("flaky", cls=Command, groups={"Which runs": output.CHOOSING["Which runs"][1:-1]})
@output.origin
@output.sheet
def flaky(form: str, path: Path | None, **which: Any) -> None:
    """Tests that both passed and failed on one commit in one configuration, and how often.

    \b
    mermapctl report flaky
    mermapctl report flaky --since 4w --target x86_64
    mermapctl report flaky --format json
    """
    store = Store.open()
    rows = questions.flaky(store, output.chosen(**which))
    output.tell(store)
    output.say(form, path, "flaky", rows, lambda sheet: tables.flaky(rows, sheet))
