# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl config`: parse the options, call the command, render its result, exit."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from mermapctl.cli import complete, options, types
from mermapctl.cli.command import LazyGroup, Subcommand, all_of, format_option

if TYPE_CHECKING:
    from pathlib import Path


_request = all_of(
    click.argument(
        "names",
        nargs=-1,
        required=True,
        type=types.NAME,
        metavar="NAME…",
        shell_complete=complete.configurations,
    ),
    options.target("The target to configure for."),
    options.suite("The suites that a variant builds."),
    options.config,
)
"""The parameters that name a configuration."""


@click.group(
    "config",
    cls=LazyGroup,
    members={
        "explain": Subcommand(
            "mermapctl.cli.explain", "command", "Explain why a symbol does not get its value."
        ),
        "defaults": Subcommand(
            "mermapctl.cli.config_defaults", "command", "Show your defaults, and where each is set."
        ),
    },
)
def command() -> None:
    """List, show, write and check configurations.

    \b
    mermapctl config list                   variants and fragments, and what each proves
    mermapctl config check kasan            does this tree give what kasan asks for?
    mermapctl config explain MERMAP=y --target um

    NAME is a variant or a fragment of `config list`; several are merged, and a+b is the same as
    a b. A variant includes the lines that build the suite.
    """


@command.command("list", short_help="List variants, fragments and what they prove.")
@format_option("table", "json")
@click.option("--full", is_flag=True, help="Show the whole texts, and what each variant costs.")
def list_(form: str, full: bool) -> None:
    """List variants and fragments, and what each proves.

    \b
    mermapctl config list
    mermapctl config list --full
    mermapctl config list --format json            with the paths of the fragments
    XDG_CONFIG_HOME=~/lab mermapctl config list    with your own, from ~/lab/mermapctl
    """
    from mermapctl.commands import config
    from mermapctl.render.terminal import config as config_list

    config_list.listing(sys.stdout, config.listing(), form, full=full)


@command.command(short_help="Print the merged lines, each with its origin.")
@_request
def show(**request: Any) -> None:
    """Print the merged lines, each with its origin (FILE:LINE).

    \b
    mermapctl config show base
    mermapctl config show base+smp --target arm64
    mermapctl config show kasan --config my.kunitconfig
    """
    from mermapctl.commands.config import ConfigRequest
    from mermapctl.render.terminal import config as config_list

    config_list.merged(sys.stdout, ConfigRequest(**request).fragment())


@command.command(short_help="Write a kunitconfig for kunit.py.")
@_request
@click.option(
    "-o",
    "--output",
    type=types.OUTPUT,
    required=True,
    metavar="FILE",
    help="Where to write it; - is stdout. An existing file is replaced.",
)
def write(output: Path, **request: Any) -> None:
    """Write a kunitconfig that kunit.py takes unchanged.

    \b
    mermapctl config write base -o mermap.kunitconfig
    mermapctl config write base+smp -o -
    mermapctl config write kasan --config my.kunitconfig -o kasan.kunitconfig
    """
    from mermapctl.commands import config
    from mermapctl.render.visible import visible
    from mermapctl.system import stdio

    asked = config.ConfigRequest(**request)
    if str(output) == "-":
        sys.stdout.write(config.document(asked.fragment()))
    else:
        config.write(asked, output)
        usage = f"kunit.py run --kunitconfig={shlex.quote(str(output))}"
        stdio.tell(visible(f"mermapctl: wrote {output}: {usage}"))


@command.command(short_help="Check what a tree gives of a configuration.")
@_request
@options.tree
@format_option("table", "json")
def check(tree: Path | None, form: str, **request: Any) -> None:
    """Run the tree's own olddefconfig in a scratch directory; list what differs, and why.

    \b
    mermapctl config check base
    mermapctl config check kasan --tree ~/linux --target x86_64
    mermapctl config check base --config my.kunitconfig --format json

    Exit codes: 0 everything as requested, 1 a symbol differs, 2 wrong usage, 3 make failed.
    """
    from mermapctl.commands import config
    from mermapctl.render.terminal import config as config_list

    result = config.check(tree, config.ConfigRequest(**request))
    config_list.checked(sys.stdout, result, form)
    sys.exit(1 if result.missing else 0)
