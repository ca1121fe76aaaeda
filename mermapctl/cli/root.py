# SPDX-License-Identifier: GPL-2.0-only
"""The root command: find a command by name and import it when it is used."""

from __future__ import annotations

import click

from mermapctl.cli.command import LazyGroup, Subcommand
from mermapctl.errors import Exit

MEMBERS = {
    name: Subcommand(f"mermapctl.cli.{name}", "command", does)
    for name, does in (
        ("run", "Configure, build and boot a kernel, and judge its mermap."),
        ("watch", "Run again after each save or move of a ref."),
        ("bisect", "Name the commit that brought a failure."),
        ("mutate", "Count which changes of a line the suite sees."),
        ("report", "Show and compare stored runs; judge any log."),
        ("config", "List, show, write and check configurations."),
        ("tree", "Prepare a kernel tree with a mermap; describe a tree."),
        ("worker", "Build and boot cells of a farm on this machine."),
        ("doctor", "List what this machine lacks, and what installs it."),
        ("completion", "Print the completion script of a shell."),
    )
}


RUN_CELL, RUN_MUTANTS = "run-cell", "run-mutants"
"""The process of a cell of a series, and of a lane of mutants: mermapctl's own, in no list."""


class Root(LazyGroup):
    """The root group, which ends with "no verdict" where nobody reads stdout any more."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, also the one that is in no list."""
        if cmd_name == RUN_CELL:
            from mermapctl.cli import run_cell

            return run_cell.command
        if cmd_name == RUN_MUTANTS:
            from mermapctl.cli import run_mutants

            return run_mutants.command
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; `help COMMAND` is `COMMAND --help`, `help` the help of all."""
        if args[0] != "help" or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        if args[1:] in ([], ["-h"], ["--help"], ["help"]):
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().resolve_command(ctx, [*args[1:], "--help"])

    def invoke(self, ctx: click.Context) -> None:
        """Run the command; on EPIPE click itself would exit with 1, which means "failed"."""
        try:
            super().invoke(ctx)
        except BrokenPipeError as error:
            raise click.exceptions.Exit(Exit.NO_VERDICT) from error


def _version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from mermapctl.commands import version

    click.echo(f"mermapctl {version.text()}")
    ctx.exit()


@click.group(
    cls=Root,
    members=MEMBERS,
    context_settings={"help_option_names": ["-h", "--help"]},
    short_help="Run and judge the Linux kernel's mermap KUnit suite.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and its commit, and exit.",
)
@click.option("--debug", is_flag=True, help="Show a traceback when something goes wrong.")
def root(debug: bool) -> None:
    """Configure, run and judge the Linux kernel's mermap KUnit suite.

    `mermapctl help COMMAND` is `mermapctl COMMAND --help`.
    """
