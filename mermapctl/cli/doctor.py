# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl doctor`: parse the options, call the command, render its result, exit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mermapctl.cli import options
from mermapctl.cli.command import Command, format_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command("doctor", cls=Command)
@options.targets("The target to build and boot for. May be repeated.")
@options.tree
@click.option(
    "--kvm/--no-kvm", default=True, show_default=True, help="Boot a guest under KVM (up to 5 s)."
)
@click.option(
    "--deep",
    is_flag=True,
    help="Boot a kernel that is built twice, and compare the two consoles (some 2 s).",
)
@format_option("table", "json")
def command(targets: tuple[str, ...], tree: Path | None, kvm: bool, deep: bool, form: str) -> None:
    """List what this machine and tree lack for a run, and the one command that installs it.

    \b
    mermapctl doctor
    mermapctl doctor --target um --target arm64
    mermapctl doctor --deep --no-kvm --format json

    Exit codes: 0 everything needed is there, 1 something needed is missing, 2 wrong usage.
    """
    from mermapctl.commands import doctor
    from mermapctl.render.terminal import doctor as render

    found = doctor.diagnose(targets, tree, probe_kvm=kvm, deep=deep)
    render.diagnosed(sys.stdout, found, form)
    sys.exit(0 if found.healthy else 1)
