# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl config explain`: parse, call one command, render what it returns, exit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mermapctl.cli import complete, types
from mermapctl.cli.command import Command, form

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    "explain", cls=Command, short_help="Why a symbol is not what you asked for."
)
@click.argument("symbols", nargs=-1, required=True, type=types.TEXT, metavar="SYMBOL[=VALUE]…")
@click.option("--tree", type=types.DIRECTORY, help="Kernel tree, as for `run`.")
@click.option(
    "--target",
    type=types.NAME,
    default="x86_64",
    show_default=True,
    metavar="ARCH",
    shell_complete=complete.targets,
)
@click.option(
    "--variant",
    "names",
    multiple=True,
    type=types.NAME,
    default=("base",),
    show_default="base",
    metavar="NAME",
    shell_complete=complete.variants,
    help="What the symbol is asked for on top of: variants or fragments of `config list`, merged.",
)
@click.option(
    "--config",
    "configs",
    multiple=True,
    type=types.INPUT,
    help="A kunitconfig fragment of your own (-: standard input), merged on top. May be repeated.",
)
@click.option(
    "--verify/--no-verify",
    default=True,
    show_default=True,
    help="Run the proposals through the tree's own olddefconfig (3 to 7 seconds).",
)
@form("text", "json")
def command(
    symbols: tuple[str, ...],
    tree: Path | None,
    target: str,
    names: tuple[str, ...],
    configs: tuple[Path, ...],
    verify: bool,
    form: str,
) -> None:
    """Why this tree and target do not give a symbol, and the fewest lines that make them.

    \b
    mermapctl config explain MERMAP
    mermapctl config explain KASAN=y --target um
    mermapctl config explain NR_CPUS=64 --variant smp --no-verify

    A symbol is asked for as y, or as the variant's m, number or text; SYMBOL=n, =m or =VALUE says
    otherwise. The tree is not written to; its Kconfig's macros run, as make runs them.

    Exit codes: 0 asking is enough, 1 it is not, 2 wrong usage.
    """
    from mermapctl.commands import explain
    from mermapctl.render.terminal import explain as render

    found = explain.explain(tree, target, symbols, names, configs, verify=verify)
    render.explained(sys.stdout, found, form)
    sys.exit(0 if found.satisfied else 1)
