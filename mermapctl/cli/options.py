# SPDX-License-Identifier: GPL-2.0-only
"""Options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mermapctl.cli import complete, types

if TYPE_CHECKING:
    from mermapctl.cli.command import Decorator

tree = click.option("--tree", type=types.DIRECTORY, help="Kernel tree, as for `run`.")
config = click.option(
    "--config",
    "configs",
    multiple=True,
    type=types.INPUT,
    help="A kunitconfig fragment of your own (-: standard input), merged on top. May be repeated.",
)
quiet = click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")


def target(summary: str | None = None) -> Decorator:
    """Declare `--target`, which takes one architecture."""
    return click.option(
        "--target",
        type=types.NAME,
        default="x86_64",
        show_default=True,
        metavar="ARCH",
        shell_complete=complete.targets,
        help=summary,
    )


def targets(summary: str) -> Decorator:
    """Declare `--target`, which may be repeated."""
    return click.option(
        "--target",
        "targets",
        multiple=True,
        type=types.NAME,
        default=("x86_64",),
        show_default="x86_64",
        metavar="ARCH",
        shell_complete=complete.targets,
        help=summary,
    )


def variants(name: str, summary: str) -> Decorator:
    """Declare `--variant`, which may be repeated, as parameter `name`."""
    return click.option(
        "--variant",
        name,
        multiple=True,
        type=types.NAME,
        default=("base",),
        show_default="base",
        metavar="NAME",
        shell_complete=complete.variants,
        help=summary,
    )


def suite(summary: str) -> Decorator:
    """Declare `--suite`."""
    return click.option(
        "--suite",
        type=types.NAME,
        default="mermap",
        show_default=True,
        metavar="GLOB",
        shell_complete=complete.suites,
        help=summary,
    )


def seconds(name: str, default: int, summary: str) -> Decorator:
    """Declare a time limit in seconds."""
    return click.option(
        name,
        type=types.SECONDS,
        default=default,
        show_default=True,
        metavar="S",
        help=summary,
    )
