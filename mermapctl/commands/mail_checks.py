# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report checks`: what the store knows of a mail, without a build or a boot."""

from __future__ import annotations

from mermapctl.errors import HarnessError
from mermapctl.records import tested_mail
from mermapctl.records.store import Store
from mermapctl.records.tested_mail import MailFacts, TestedMail
from mermapctl.system import process
from mermapctl.tree import git, mail_message

LARGEST = 32 << 20
"""Bytes of a mail that are read."""
_SECONDS = 20


def check(raw: bytes) -> TestedMail | None:
    """Return what stored runs say of a mail; None if they say nothing."""
    return tested_mail.find(Store.open(), facts(raw))


def facts(raw: bytes) -> MailFacts:
    """Read what a mail says of itself; git computes the id of its patch."""
    mail = mail_message.parse(raw)
    is_patch = mail.has_diff and not mail.is_cover
    tops = (mail.message_id, mail.parent if is_patch else None)
    return MailFacts(
        tops=tuple(filter(None, tops)),
        title=mail.title,
        version=mail.version,
        number=mail.number,
        count=mail.count,
        patch_id=_patch_id(mail.text) if is_patch else None,
        subjects=() if is_patch else tested_mail.listed(mail.text.splitlines()),
    )


def _patch_id(text: str) -> str:
    """Return what `git patch-id --stable` prints, as for the commits of a series.

    Raises HarnessError: a mail with a diff that has no id is no cover letter.
    """
    data = text.encode("utf-8", "surrogateescape")
    ask = ["git", "patch-id", "--stable"]
    said = process.run(ask, env=git.environment(), input=data, timeout=_SECONDS).stdout.split()
    if not said:
        raise HarnessError("git finds no patch in the mail")
    return said[0]
