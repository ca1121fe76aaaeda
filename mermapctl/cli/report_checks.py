# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report checks`: read a mail, print what b4 reads."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mermapctl.cli import types
from mermapctl.cli.command import Command
from mermapctl.errors import MermapctlError


@click.command("checks", cls=Command)
@click.argument("mail", metavar="[MAIL]", type=types.INPUT, default="-")
def checks(mail: Path) -> None:
    """Answer b4's review checks: read a mail, by default standard input; print b4's JSON.

    \b
    mermapctl report checks                 the mail on standard input, as b4 gives it
    mermapctl report checks mail.txt        a mail in a file
    git config b4.review-series-check-cmd "mermapctl report checks"

    Nothing is built: the result is that of the newest stored run of this series, for a patch that
    of its commit. `warn` means that no run decides it. The exit code is 0, as b4 takes any other
    one for a failure of the patch. b4.review-perpatch-check-cmd is the same for each patch.
    """
    from mermapctl import render
    from mermapctl.commands import mail_checks
    from mermapctl.render.documents import b4_checks

    if str(mail) == "-" and sys.stdin is not None and sys.stdin.isatty():
        raise click.UsageError("a mail is read from standard input: mermapctl report checks <MAIL")
    try:
        text = b4_checks.of_mail(mail_checks.check(_read(mail)))
    except (MermapctlError, OSError) as error:  # no answer is never a failure of the patch
        why = error.message if isinstance(error, MermapctlError) else str(error)
        text = b4_checks.unknown(f"not known: {why}")
    render.print_document(text)


def _read(mail: Path) -> bytes:
    """Read a file, or standard input. Raises OSError."""
    from mermapctl.commands import mail_checks
    from mermapctl.system import inputs

    if str(mail) != "-":
        return inputs.read_regular(mail, mail_checks.LARGEST)
    return sys.stdin.buffer.read(mail_checks.LARGEST) if sys.stdin is not None else b""
