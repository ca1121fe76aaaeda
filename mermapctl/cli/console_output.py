# SPDX-License-Identifier: GPL-2.0-only
"""The lines of a console on stdout, as they come."""

from __future__ import annotations

import sys

import click

from mermapctl.errors import Exit
from mermapctl.render.terminal.plain import plain_look_of
from mermapctl.system import stdio


class ConsoleOutput:
    """Print the lines of a console as they come, or none if `silent`."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self._look = plain_look_of(sys.stdout)
        self._printed = False

    def print(self, line: str) -> None:
        """Print a line at once."""
        if not self._silent:
            self._printed = True
            sys.stdout.write(self._look.plain(line, limit=4000) + "\n")
            sys.stdout.flush()
            if stdio.is_gone(sys.stdout):  # as `tail -f` ends: nobody waits for the verdict
                sys.exit(Exit.NO_VERDICT)

    def end(self) -> None:
        """Print a blank line between the console and the record."""
        if self._printed:
            click.echo()
