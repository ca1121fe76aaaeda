# SPDX-License-Identifier: GPL-2.0-only
"""The root command: finds subcommands by name and imports each only when it is asked for."""

from __future__ import annotations

import importlib

import click

from mermapctl import __version__

COMMANDS = {
    "run": "mermapctl.cli.run",
    "report": "mermapctl.cli.report",
    "config": "mermapctl.cli.config",
    "tree": "mermapctl.cli.tree",
    "doctor": "mermapctl.cli.doctor",
    "completion": "mermapctl.cli.completion",
}
"""Command name -> module whose `command` attribute is the click command."""


class LazyGroup(click.Group):
    """A group whose members are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All command names, in the order of a day's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(module).command
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="mermapctl")
@click.option("--debug", is_flag=True, help="Show a traceback when something goes wrong.")
def root(debug: bool) -> None:
    """Configure, run and judge the Linux kernel's mermap KUnit suite."""
