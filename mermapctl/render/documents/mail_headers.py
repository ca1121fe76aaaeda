# SPDX-License-Identifier: GPL-2.0-only
"""The header lines of a mail: folded at 72 columns, ASCII, safe for any text of another's mail."""

from __future__ import annotations

import email.charset
import email.header
import re
from collections.abc import Iterator

from mermapctl.render.visible import one_line
from mermapctl.tree.mail_origin import SeriesMail

_WIDTH = 72
_ID = re.compile(r"[\x21-\x7e]+@[\x21-\x7e]+")
_REPLY = re.compile(r"re:", re.IGNORECASE)


def reply(mail: SeriesMail) -> Iterator[str]:
    """Yield subject and thread of a reply; a mail without a message id begins no thread."""
    text = one_line(mail.subject) or "(no subject)"
    yield from subject(text if _REPLY.match(text) else f"Re: {text}")
    if mail.message_id is None or not _ID.fullmatch(mail.message_id):
        return
    yield f"In-Reply-To: <{mail.message_id}>"
    above = [each for each in mail.references if _ID.fullmatch(each) and each != mail.message_id]
    first, *others = [f"<{each}>" for each in (*above, mail.message_id)]
    yield f"References: {first}"
    yield from (f" {each}" for each in others)


def subject(text: str) -> Iterator[str]:
    """Yield the lines of a subject; encoded (RFC 2047) where it is not ASCII."""
    ascii_only = text.isascii()
    made = email.header.Header(
        text,
        email.charset.Charset("us-ascii" if ascii_only else "utf-8"),
        maxlinelen=_WIDTH,
        header_name="Subject",
    ).encode(splitchars=" ")
    first, *others = made.split("\n")
    yield f"Subject: {first.rstrip()}"
    yield from (f" {each.strip()}" for each in others if each.strip())


def content(body: str) -> Iterator[str]:
    """Yield what a body that is not ASCII needs."""
    if not body.isascii():
        yield "MIME-Version: 1.0"
        yield "Content-Type: text/plain; charset=utf-8"
        yield "Content-Transfer-Encoding: 8bit"
