# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl doctor`: parse, call one command, render what it returns, exit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mermapctl.cli import complete, types
from mermapctl.cli.command import Command, form

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    "doctor", cls=Command, short_help="Say what this machine lacks, and what installs it."
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    type=types.NAME,
    default=("x86_64",),
    show_default="x86_64",
    metavar="ARCH",
    shell_complete=complete.targets,
    help="What you want to build and boot for. May be repeated.",
)
@click.option("--tree", type=types.DIRECTORY, help="Kernel tree, as for `run`.")
@click.option(
    "--kvm/--no-kvm", default=True, show_default=True, help="Try a guest under KVM (up to 5 s)."
)
@form("table", "json")
def command(targets: tuple[str, ...], tree: Path | None, kvm: bool, form: str) -> None:
    """Say what this machine and tree lack for a run, and the one command that installs it.

    \b
    mermapctl doctor
    mermapctl doctor --target um --target arm64
    mermapctl doctor --no-kvm --format json

    Exit codes: 0 everything needed is there, 1 something needed is not, 2 wrong usage.
    """
    from mermapctl.commands import doctor
    from mermapctl.render.terminal import doctor as render

    found = doctor.diagnose(targets, tree, probe_kvm=kvm)
    render.diagnosed(sys.stdout, found, form)
    sys.exit(0 if found.healthy else 1)
