# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl config defaults`: the user's defaults, and where each comes from."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from mermapctl.cli import defaults
from mermapctl.cli.command import Command, format_option


@click.command("defaults", cls=Command)
@format_option("table", "json")
def command(form: str) -> None:
    """Show your defaults, and where each is set: in config.toml, or in a variable.

    \b
    mermapctl config defaults
    mermapctl config defaults --format json
    MERMAPCTL_RUN_VARIANT='base kasan' mermapctl config defaults

    ~/.config/mermapctl/config.toml (with MERMAPCTL_HOME, config/config.toml in it) has a table for
    each command, and in it options by their long names:

    \b
    [run]
    variant = ["base", "smp"]
    accel = "tcg"
    no-triage = true
    [report.list]
    limit = 50

    A variable MERMAPCTL_COMMAND_OPTION, such as MERMAPCTL_RUN_ACCEL, ranks above the file; the
    command line ranks above both.
    """
    from mermapctl.cli.root import root
    from mermapctl.render.terminal.columns import columns
    from mermapctl.render.terminal.plain import colored, plain_look_of

    found = defaults.every(root, click.get_current_context().find_root())
    if form == "json":
        rows = [asdict(each) for each in found]
        text = json.dumps({"schema": 1, "file": str(defaults.file()), "defaults": rows}, indent=1)
        click.echo(text)
        return
    look = plain_look_of(sys.stdout)
    cells = [
        [
            (look.plain(each.command), ""),
            (f"--{each.option}", "bold"),
            (look.plain(each.written), ""),
            (look.verbatim(each.origin), ""),
        ]
        for each in found
    ]
    if cells:
        heads = ("Command", "Option", "Default", "Set in")
        sys.stdout.write(columns(heads, cells, color=colored(sys.stdout)))
    there = "" if defaults.file().exists() else " (does not exist)"
    sys.stdout.write(f"{look.verbatim(str(defaults.file()))}{there}\n")
