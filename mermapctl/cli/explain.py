# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl config explain`: parse the options, call the command, render its result, exit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mermapctl.cli import complete, options, types
from mermapctl.cli.command import Command, format_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command("explain", cls=Command)
@click.argument(
    "symbols",
    nargs=-1,
    required=True,
    type=types.TEXT,
    metavar="SYMBOL[=VALUE]…",
    shell_complete=complete.symbols,
)
@options.tree
@options.target("The target whose Kconfig is read.")
@options.variants(
    "names",
    "The configuration to which the symbol is added: variants or fragments of `config list`, "
    "merged.",
)
@options.config
@click.option(
    "--verify/--no-verify",
    default=True,
    show_default=True,
    help="Run the proposals through the tree's own olddefconfig (3 to 7 seconds).",
)
@format_option("text", "json")
def command(
    symbols: tuple[str, ...],
    tree: Path | None,
    target: str,
    names: tuple[str, ...],
    configs: tuple[Path, ...],
    verify: bool,
    form: str,
) -> None:
    """Explain why a tree and target do not give a symbol, and print the fewest lines that do.

    \b
    mermapctl config explain MERMAP
    mermapctl config explain KASAN=y --target um
    mermapctl config explain NR_CPUS=64 --variant smp --no-verify

    SYMBOL alone means y, or the variant's m, number or text; SYMBOL=n, =m or =VALUE asks for that
    value. Nothing is written to the tree; the macros of its Kconfig run, as under make.

    Exit codes: 0 each symbol gets its value when asked for, 1 one does not, 2 wrong usage.
    """
    from mermapctl.commands import explain
    from mermapctl.render.terminal import explain as render

    found = explain.explain(tree, target, symbols, names, configs, verify=verify)
    render.explained(sys.stdout, found, form)
    sys.exit(0 if found.satisfied else 1)
