# SPDX-License-Identifier: GPL-2.0-only
"""The man pages, from the click commands themselves: python -m docs.manpages DIRECTORY."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from click_man.core import write_man_pages  # type: ignore[import-untyped]

from mermapctl import __version__
from mermapctl.cli.root import COMMANDS, root


def main(directory: Path) -> None:
    """Write a page for the program and one for each command; our group lists them lazily."""
    directory.mkdir(parents=True, exist_ok=True)
    context = click.Context(root)
    for name in COMMANDS:
        command = root.get_command(context, name)
        if command is not None:
            root.add_command(command, name)
    write_man_pages("mermapctl", root, version=__version__, target_dir=str(directory))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
