# SPDX-License-Identifier: GPL-2.0-only
"""What the commands of `report` share: `--format`, `-o`, the options that choose runs, writing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mermapctl.cli import types
from mermapctl.cli.command import all_of, form

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mermapctl.cli.command import Decorator
    from mermapctl.records.rows import Filters
    from mermapctl.records.store import Store
    from mermapctl.render.terminal.runs import Sheet

CHOOSING = {"Which runs": ("failed", "target", "variant", "commit", "since", "limit")}
"""The group of the options that choose among the stored runs."""
HOW = "How to show it."


def run(name: str, metavar: str, default: str | None = None, *, nargs: int = 1) -> Decorator:
    """An argument that is a stored run, or several (`nargs` -1)."""
    return click.argument(
        name, nargs=nargs, required=False, default=default, type=types.RUN, metavar=metavar,
        shell_complete=lambda _ctx, _param, incomplete: runs_from(incomplete),
    )  # fmt: skip


def runs_from(begin: str) -> list[str]:
    """Run ids, newest first. Nothing may be printed here: it would garble the prompt."""
    from mermapctl.records.store import run_ids

    return [run for run in run_ids() if run.startswith(begin)][:50]


output = click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    type=types.OUTPUT,
    help="Write to FILE (all of it or nothing) instead of standard output (-).",
)
sheet = all_of(form("table", "json", says=HOW), output)
origin = all_of(
    click.option("--target", type=types.NAME, metavar="ARCH", help="Only runs on this target."),
    click.option("--variant", type=types.NAME, metavar="NAME", help="Only runs of this variant."),
    click.option(
        "--commit",
        type=types.NAME,
        metavar="PREFIX",
        help="Only this commit, or this `git describe`.",
    ),
    click.option(
        "--since", type=types.TEXT, metavar="WHEN", help="Only since 2026-01-31, or 36h, 7d ago."
    ),
)
"""Where the runs come from."""


def filters(rows: int) -> Decorator:
    """The options that choose among the stored runs; --limit is `rows` by default, 0 is all."""
    return all_of(
        click.option("--failed", is_flag=True, help="Only what failed."),
        origin,
        click.option(
            "--limit",
            type=types.ROWS,
            metavar="N",
            default=rows,
            show_default=True,
            help="Only the newest N (0: all).",
        ),
    )


def chosen(*, since: str | None, **others: Any) -> Filters:
    """Which runs the options of `filters` or `origin` choose. Raises UserError."""
    from mermapctl.commands import history
    from mermapctl.records.rows import Filters

    return Filters(since=None if since is None else history.moment(since), **others)


def say(
    form: str, path: Path | None, name: str, value: object, table: Callable[[Sheet], str]
) -> None:
    """Print or write a value that is no record, as a table or as JSON."""
    import msgspec

    from mermapctl import render
    from mermapctl.render.terminal.runs import Sheet
    from mermapctl.render.terminal.text import colored, look_of

    path = destination(path)
    if form == "json":
        document = msgspec.json.encode({"schema": 1, name: value})
        text = msgspec.json.format(document, indent=1).decode() + "\n"
    elif path is not None:
        text = table(Sheet(look_of(sys.stdout)))
    else:
        width = render.terminal_width(sys.stdout)
        text = table(Sheet(look_of(sys.stdout), colored(sys.stdout), width))
    if path is None:
        sys.stdout.write(text)
    else:
        write(path, text)


def destination(path: Path | None) -> Path | None:
    """Where to write; None is standard output."""
    return None if str(path) == "-" else path


def write(path: Path, text: str) -> None:
    """Write a file, all of it or nothing."""
    from mermapctl.system import files

    files.write(path, text.encode("utf-8", "replace"))


def tell(store: Store) -> None:
    """Print the store's notices on stderr, once each."""
    while store.notices:
        note(store.notices.pop(0))


def note(sentence: str) -> None:
    """Print a sentence on stderr."""
    from mermapctl.render.visible import visible
    from mermapctl.system import stdio

    stdio.tell(visible(f"mermapctl: {sentence}"))
