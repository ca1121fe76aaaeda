# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report list`, `compare`, `history` and `flaky`: stored runs, as a table or JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mermapctl.cli import complete, report_options, types
from mermapctl.cli.command import Command, format_option
from mermapctl.commands import history as questions
from mermapctl.errors import Exit
from mermapctl.records.store import Store
from mermapctl.render.terminal import runs as tables

if TYPE_CHECKING:
    from pathlib import Path


ROWS = 25
_LIST_GROUPS = {"How it is shown": ("form", "path", "pages")}


@click.command("list", cls=Command, groups=report_options.FILTER_GROUPS | _LIST_GROUPS)
@report_options.filter_options(ROWS)
@format_option("table", "json", "html", summary=report_options.HOW)
@report_options.output_option
@click.option("--pages", is_flag=True, help="With html: also write the pages that runs lack.")
def list_(form: str, path: Path | None, *, pages: bool, **which: Any) -> None:
    """List the stored runs, newest first.

    \b
    mermapctl report list
    mermapctl report list --failed --since 7d
    mermapctl report list --format html --pages -o runs.html
    """
    if pages and form != "html":
        raise click.UsageError("--pages goes with --format html")
    store = Store.open()
    rows = store.list(report_options.filters_of(**which))
    total = store.count()
    if form == "html":
        from mermapctl.cli import list_page

        text = list_page.document(
            store, rows, total, report_options.file_or_stdout(path), write=pages
        )
        report_options.print_notices(store)
        report_options.print_text(path, text)
        return
    report_options.print_notices(store)
    report_options.print_value(
        form, path, "runs", rows, lambda sheet: tables.runs(rows, total, sheet)
    )


@click.command("compare", cls=Command, groups=report_options.TABLE_GROUPS)
@report_options.run_argument("a", "[A")
@report_options.run_argument("b", "[B]]")
@report_options.table_options
def compare(a: str | None, b: str | None, form: str, path: Path | None) -> None:
    """Compare run A (by default the one before the latest) with run B (the latest).

    \b
    mermapctl report compare
    mermapctl report compare latest~5
    mermapctl report compare 20260131 20260207

    Where A or B is left out, bisects are passed over.

    Exit codes: 1 if a test or a finding fails newly, else 0. Wrong usage: 2.
    """
    from mermapctl.commands import compare as comparing
    from mermapctl.render.terminal import comparison

    store = Store.open()
    compared = comparing.compare(store, a, b)
    report_options.print_notices(store)
    report_options.print_value(
        form, path, "comparison", compared, lambda sheet: comparison.render(compared, sheet)
    )
    sys.exit(Exit.FAILED if compared.worse else Exit.PASSED)


@click.command(
    "history",
    cls=Command,
    groups=report_options.FILTER_GROUPS | {"How it is shown": ("cost", "form", "path")},
)
@click.argument("test", type=types.TEXT, shell_complete=complete.stored_tests)
@click.option(
    "--cost",
    is_flag=True,
    help="Show the instructions that `run --cost` counted; TEST may be get, put or flush.",
)
@report_options.filter_options(ROWS)
@report_options.table_options
def history(test: str, cost: bool, form: str, path: Path | None, **which: Any) -> None:
    """Show the results of one test, newest first; TEST is `test` or `suite.test`.

    \b
    mermapctl report history test_tlb_flushed
    mermapctl report history mermap.test_size --variant smp
    mermapctl report history get --cost --limit 0 --format json
    """
    store = Store.open()
    filters = report_options.filters_of(**which)
    if cost:
        from mermapctl.render.terminal import costs

        points = questions.cost_history(store, test, filters)
        report_options.print_notices(store)
        report_options.print_value(
            form, path, "costs", points, lambda sheet: costs.history(points, sheet)
        )
        return
    rows = questions.test_history(store, test, filters)
    report_options.print_notices(store)
    report_options.print_value(
        form, path, "history", rows, lambda sheet: tables.history(rows, sheet)
    )


@click.command(
    "flaky", cls=Command, groups=report_options.ORIGIN_GROUPS | report_options.TABLE_GROUPS
)
@report_options.origin_options
@report_options.table_options
def flaky(form: str, path: Path | None, **which: Any) -> None:
    """List tests that both passed and failed on one commit in one configuration, and how often.

    \b
    mermapctl report flaky
    mermapctl report flaky --since 4w --target x86_64
    mermapctl report flaky --format json
    """
    store = Store.open()
    rows = questions.flaky(store, report_options.filters_of(**which))
    report_options.print_notices(store)
    report_options.print_value(form, path, "flaky", rows, lambda sheet: tables.flaky(rows, sheet))
