# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report checks`: read a mail from standard input, print what b4 reads."""

from __future__ import annotations

import sys

import click

from mermapctl.cli.command import Command
from mermapctl.errors import MermapctlError


@click.command("checks", cls=Command)
def checks() -> None:
    """Answer b4's review checks: read a mail on standard input, print a result as JSON.

    \b
    git config b4.review-series-check-cmd "mermapctl report checks"
    git config b4.review-perpatch-check-cmd "mermapctl report checks"
    mermapctl report checks <mail.txt

    Nothing is built: the result is that of the newest stored run of this series, for a patch that
    of its commit. `warn` means that no run decides it. The exit code is 0, as b4 takes any other
    one for a failure of the patch.
    """
    from mermapctl import render
    from mermapctl.commands import mail_checks
    from mermapctl.render.documents import b4_checks

    if sys.stdin.isatty():
        raise click.UsageError("a mail is read from standard input: mermapctl report checks <MAIL")
    try:
        text = b4_checks.of_mail(mail_checks.check(sys.stdin.buffer.read(mail_checks.LARGEST)))
    except (MermapctlError, OSError) as error:  # no answer is never a failure of the patch
        why = error.message if isinstance(error, MermapctlError) else str(error)
        text = b4_checks.unknown(f"not known: {why}")
    render.print_document(text)
