# SPDX-License-Identifier: GPL-2.0-only
"""The root command: finds subcommands by name and imports each only when it is asked for."""

from __future__ import annotations

import importlib

import click

from mermapctl import __version__
from mermapctl.errors import Exit

COMMANDS = {
    "run": "Configure, build and boot a kernel, and judge its mermap.",
    "report": "Show, compare and pass on what runs found.",
    "config": "Show, write and check kunitconfig fragments and variants.",
    "tree": "Prepare a kernel tree with the reference mermap; say what a tree is.",
    "doctor": "Say what this machine lacks, and the command that installs it.",
    "completion": "Print the completion script of a shell.",
}
"""Command name -> what it does; the module `mermapctl.cli.NAME` holds it as `command`."""


class LazyGroup(click.Group):
    """A group whose members are imported when they are used, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All command names, in the order of a day's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"mermapctl.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> None:
        """Run the command; of a reader that went away click itself would make "failed"."""
        try:
            super().invoke(ctx)
        except BrokenPipeError as error:
            raise click.exceptions.Exit(Exit.NO_VERDICT) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="mermapctl")
@click.option("--debug", is_flag=True, help="Show a traceback when something goes wrong.")
def root(debug: bool) -> None:
    """Configure, run and judge the Linux kernel's mermap KUnit suite."""
