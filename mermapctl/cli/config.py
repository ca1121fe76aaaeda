# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl config`: parse, call one command, render what it returns, exit."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from mermapctl.cli import complete, types
from mermapctl.cli.command import LazyGroup, Subcommand, all_of, form
from mermapctl.errors import MermapctlError

if TYPE_CHECKING:
    from pathlib import Path


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from mermapctl.commands import config

    try:
        return list(config.names(incomplete))
    except (MermapctlError, OSError):  # it would garble the user's prompt
        return []


_request = all_of(
    click.argument(
        "names",
        nargs=-1,
        required=True,
        type=types.NAME,
        metavar="NAME…",
        shell_complete=_complete,
    ),
    click.option(
        "--target",
        type=types.NAME,
        default="x86_64",
        show_default=True,
        metavar="ARCH",
        help="The target that it is for.",
        shell_complete=complete.targets,
    ),
    click.option(
        "--suite",
        type=types.NAME,
        default="mermap",
        show_default=True,
        metavar="GLOB",
        help="The suite that a variant is for.",
    ),
    click.option(
        "--config",
        "configs",
        multiple=True,
        type=types.INPUT,
        help="A kunitconfig fragment of your own (-: standard input), merged on top. "
        "May be repeated.",
    ),
)
"""The parameters that say which configuration is meant."""


@click.group(
    "config",
    cls=LazyGroup,
    members={
        "explain": Subcommand(
            "mermapctl.cli.explain", "command", "Why a symbol is not what you asked for."
        )
    },
    short_help="List, show, write and check configurations.",
)
def command() -> None:
    """List, show, write and check configurations.

    \b
    mermapctl config list                   variants and fragments, and what each proves
    mermapctl config check kasan            would this tree give what kasan asks for?
    mermapctl config explain MERMAP=y --target um

    NAME is a variant or a fragment of `config list`; several are merged, and a+b is the same as
    a b. With a variant come the lines that build the suite.
    """


@command.command("list", short_help="Variants and fragments, and what each proves.")
@form("table", "json")
def list_(form: str) -> None:
    """Variants and fragments, and what each proves.

    \b
    mermapctl config list
    mermapctl config list --format json
    """
    from mermapctl.commands import config
    from mermapctl.render.terminal import config as config_list

    config_list.listing(sys.stdout, config.listing(), form)


@command.command(short_help="The merged lines, each with its origin.")
@_request
def show(**request: Any) -> None:
    """The merged lines, each with its origin (FILE:LINE).

    \b
    mermapctl config show base
    mermapctl config show base+smp --target arm64
    mermapctl config show kasan --config my.kunitconfig
    """
    from mermapctl.commands.config import ConfigRequest
    from mermapctl.render.terminal import config as config_list

    config_list.merged(sys.stdout, ConfigRequest(**request).fragment())


@command.command(short_help="A kunitconfig that kunit.py takes as it is.")
@_request
@click.option(
    "-o",
    "--output",
    type=types.OUTPUT,
    required=True,
    metavar="FILE",
    help="Where to write it; - is stdout. A file that is there is replaced.",
)
def write(output: Path, **request: Any) -> None:
    """Write a kunitconfig that kunit.py takes as it is.

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
        told = f"mermapctl: wrote {output}: kunit.py run --kunitconfig={shlex.quote(str(output))}"
        stdio.tell(visible(told))


@command.command(short_help="Would this tree give us what we ask for?")
@_request
@click.option("--tree", type=types.DIRECTORY, help="Kernel tree, as for `run`.")
@form("table", "json")
def check(tree: Path | None, form: str, **request: Any) -> None:
    """Run the tree's own olddefconfig in a scratch directory; list what did not come out, and why.

    \b
    mermapctl config check base
    mermapctl config check kasan --tree ~/linux --target x86_64
    mermapctl config check base --config my.kunitconfig --format json

    Exit codes: 0 everything as requested, 1 something is not, 2 wrong usage, 3 make failed.
    """
    from mermapctl.commands import config
    from mermapctl.render.terminal import config as config_list

    result = config.check(tree, config.ConfigRequest(**request))
    config_list.checked(sys.stdout, result, form)
    sys.exit(1 if result.missing else 0)
