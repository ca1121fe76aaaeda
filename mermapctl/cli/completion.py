# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl completion`: print the script with which a shell completes the command line."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  eval "$(mermapctl completion bash)"          in ~/.bashrc
    zsh:   eval "$(mermapctl completion zsh)"           in ~/.zshrc
    fish:  mermapctl completion fish | source           in ~/.config/fish/config.fish
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"this version of click does not support {shell}")
    root = ctx.find_root().command
    click.echo(found(root, {}, "mermapctl", "_MERMAPCTL_COMPLETE").source())
