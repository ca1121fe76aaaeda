# SPDX-License-Identifier: GPL-2.0-only
"""Write the man pages of the click commands: python -m docs.manpages DIRECTORY."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import click
from click_man.core import write_man_pages  # type: ignore[import-untyped]

from mermapctl import __version__
from mermapctl.cli.root import root

_UNWRAPPED = re.compile("\b\n(.+?)(?=\n\n|$)", re.DOTALL)
"""A paragraph that click does not wrap."""


def load(group: click.Group, unwrapped: str) -> None:
    """Import all commands of a group: mermapctl imports a command only when it is used.

    `unwrapped` is the form, for `re.sub`, of a paragraph that must not be wrapped.
    """
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            said = inspect.cleandoc(command.help or "")
            command.help = _UNWRAPPED.sub(unwrapped, said)
            group.add_command(command, name)
        if isinstance(command, click.Group):
            load(command, unwrapped)


def main(directory: Path) -> None:
    """Write a page for the program and one for each command."""
    directory.mkdir(parents=True, exist_ok=True)
    load(root, r".nf\n\1\n.fi")
    write_man_pages("mermapctl", root, version=__version__, target_dir=str(directory))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
