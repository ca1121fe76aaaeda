# SPDX-License-Identifier: GPL-2.0-only
"""Options and output that the commands of `report` share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mermapctl.cli import complete, types
from mermapctl.cli.command import all_of, format_option

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mermapctl.cli.command import Decorator
    from mermapctl.records.rows import Filters
    from mermapctl.records.store import Store
    from mermapctl.render.terminal.runs import Sheet

FILTER_GROUPS = {"Which runs": ("failed", "target", "variant", "commit", "since", "limit")}
"""The names of `filter_options`, for the help."""
ORIGIN_GROUPS = {"Which runs": ("target", "variant", "commit", "since")}
"""The names of `origin_options`, for the help."""
TABLE_GROUPS = {"How it is shown": ("form", "path")}
"""The names of `table_options`, for the help; those of a record's options are in report_show."""
HOW = "How to show it."


class RunArgument(click.Argument):
    """An argument whose errors name it without the brackets of the usage line."""

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Return its name, as the usage line spells it."""
        spelled = self.make_metavar(ctx) if ctx else self.human_readable_name
        return f"'{spelled.strip('[]')}'"


def run_argument(
    name: str, metavar: str, default: str | None = None, *, nargs: int = 1
) -> Decorator:
    """Declare an argument that names a stored run, or several (`nargs` -1)."""
    return click.argument(
        name, cls=RunArgument, nargs=nargs, required=False, default=default, type=types.RUN,
        metavar=metavar,
        shell_complete=lambda _ctx, _param, incomplete: run_ids_beginning(incomplete),
    )  # fmt: skip


def run_ids_beginning(begin: str) -> list[str]:
    """Return run ids, newest first. Prints no error: it would garble the user's prompt."""
    from mermapctl.records.store import run_ids

    return [run for run in run_ids() if run.startswith(begin)][:50]


output_option = click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    type=types.OUTPUT,
    help="Write to FILE, whole or not at all, instead of standard output (-).",
)
table_options = all_of(format_option("table", "json", summary=HOW), output_option)
origin_options = all_of(
    click.option(
        "--target",
        type=types.NAME,
        metavar="ARCH",
        shell_complete=complete.targets,
        help="Only runs on this target.",
    ),
    click.option(
        "--variant",
        type=types.NAME,
        metavar="NAME",
        shell_complete=complete.variants,
        help="Only runs of this variant.",
    ),
    click.option(
        "--commit",
        type=types.NAME,
        metavar="PREFIX",
        shell_complete=complete.commits,
        help="Only this commit, or this `git describe`.",
    ),
    click.option(
        "--since",
        type=types.TEXT,
        metavar="WHEN",
        help="Only since 2026-01-31, yesterday, 2 weeks ago, 36h, 7d.",
    ),
)
"""Options that choose runs by where they come from, and when."""


def filter_options(rows: int) -> Decorator:
    """Declare the options that choose stored runs; --limit is `rows` by default, 0 means all."""
    return all_of(
        click.option("--failed", is_flag=True, help="Only failed runs or tests."),
        origin_options,
        click.option(
            "--limit",
            type=types.ROWS,
            metavar="N",
            default=rows,
            show_default=True,
            help="Only the newest N (0: all).",
        ),
    )


def filters_of(*, since: str | None, **others: Any) -> Filters:
    """Turn the values of `filter_options` or `origin_options` into filters. Raises UserError."""
    from mermapctl.commands import moments
    from mermapctl.records.rows import Filters

    return Filters(since=None if since is None else moments.moment(since), **others)


def print_value(
    form: str, path: Path | None, name: str, value: object, table: Callable[[Sheet], str]
) -> None:
    """Print a value as a table or as JSON, or write it to `path`."""
    from mermapctl import render
    from mermapctl.render.terminal.plain import PlainLook, colored, plain_look_of
    from mermapctl.render.terminal.runs import Sheet

    file = file_or_stdout(path)
    if file is not None:
        write(file, _json(name, value) if form == "json" else table(Sheet(PlainLook())))
    elif form == "json":
        render.print_document(_json(name, value))
    else:
        width = render.terminal_width(sys.stdout)
        with render.reader_may_go(sys.stdout):
            sys.stdout.write(table(Sheet(plain_look_of(sys.stdout), colored(sys.stdout), width)))


def print_text(path: Path | None, text: str) -> None:
    """Print a document, or write it to `path`."""
    from mermapctl import render

    file = file_or_stdout(path)
    if file is None:
        render.print_document(text)
    else:
        write(file, text)


def _json(name: str, value: object) -> str:
    from mermapctl.records.json_text import encoded

    return encoded({"schema": 1, name: value}, indent=1).decode() + "\n"


def file_or_stdout(path: Path | None) -> Path | None:
    """Return the file to write; None for standard output."""
    return None if str(path) == "-" else path


def write(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    from mermapctl.system import files, paths

    paths.require_not_ours(path)
    files.write(path, text.encode("utf-8", "replace"))


def print_notices(store: Store) -> None:
    """Print the store's notices on stderr, once each."""
    while store.notices:
        print_note(store.notices.pop(0))


def print_note(sentence: str) -> None:
    """Print a sentence on stderr."""
    from mermapctl.render.visible import visible
    from mermapctl.system import stdio

    stdio.tell(visible(f"mermapctl: {sentence}"))
