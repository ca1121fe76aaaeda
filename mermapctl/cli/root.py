# SPDX-License-Identifier: GPL-2.0-only
"""The root command: finds subcommands by name and imports each only when it is asked for."""

from __future__ import annotations

import click

from mermapctl import __version__
from mermapctl.cli.command import LazyGroup, Subcommand
from mermapctl.errors import Exit

MEMBERS = {
    name: Subcommand(f"mermapctl.cli.{name}", "command", does)
    for name, does in (
        ("run", "Configure, build and boot a kernel, and judge its mermap."),
        ("report", "Show, compare and pass on what runs found; judge any console log."),
        ("config", "Show, write and check kunitconfig fragments and variants."),
        ("tree", "Prepare a kernel tree with the reference mermap; say what a tree is."),
        ("doctor", "Say what this machine lacks, and the command that installs it."),
        ("completion", "Print the completion script of a shell."),
    )
}


class Root(LazyGroup):
    """The root group; a reader that went away is no failure of a test."""

    def invoke(self, ctx: click.Context) -> None:
        """Run the command; of a reader that went away click itself would make "failed"."""
        try:
            super().invoke(ctx)
        except BrokenPipeError as error:
            raise click.exceptions.Exit(Exit.NO_VERDICT) from error


@click.group(cls=Root, members=MEMBERS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="mermapctl")
@click.option("--debug", is_flag=True, help="Show a traceback when something goes wrong.")
def root(debug: bool) -> None:
    """Configure, run and judge the Linux kernel's mermap KUnit suite."""
