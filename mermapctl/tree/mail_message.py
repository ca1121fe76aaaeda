# SPDX-License-Identifier: GPL-2.0-only
"""One mail as bytes -> what a series needs of it: subject, numbers, message ids, body. Pure."""

from __future__ import annotations

import email
import email.errors
import email.header
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.console import mail_parts

if TYPE_CHECKING:
    from email.message import Message

SUBJECT = 400
"""The most characters of a subject that are kept."""
_ID = re.compile(r"<([^<>@\s]{1,200}@[^<>@\s]{1,200})>", re.ASCII)
_REPLY = re.compile(r"(?:re|aw|fwd?)\s*:", re.IGNORECASE)
_BRACKETS = re.compile(r"\s*\[([^\]]*)\]")
_NUMBERS = re.compile(r"(?<![\w/])(\d{1,4})/(\d{1,4})(?![\w/])", re.ASCII)
_VERSION = re.compile(r"(?:\b|(?<=patch))v(\d{1,4})\b", re.ASCII | re.IGNORECASE)
_DIFF = re.compile(r"^(?:diff --git |--- \S.*\r?\n\+\+\+ \S)", re.MULTILINE)
_BASE = re.compile(r"^base-commit: ([0-9a-f]{40}(?:[0-9a-f]{24})?)\s*$", re.MULTILINE)
_PREREQUISITE = re.compile(r"^prerequisite-patch-id: [0-9a-f]{40}", re.MULTILINE)
_REFERENCES = 20
"""The most references that are kept; a thread of reviews seldom has more."""


@dataclass(frozen=True, slots=True)
class MailMessage:
    """A mail; `raw` is all of it, with the `id` that it came with, or was given for lack of one.

    `text` is its body. `message_id` has no angle brackets; None if the mail has none. `number` of
    `count` are those of the subject, as in [PATCH v2 3/5]; `title` is the subject without its
    brackets. `parent` is the message id of the mail that it answers.
    """

    raw: bytes
    text: str
    id: str
    message_id: str | None
    subject: str
    title: str
    version: int
    number: int
    count: int
    is_reply: bool
    is_marked: bool
    has_diff: bool
    references: tuple[str, ...]
    parent: str | None
    author: str
    bases: tuple[str, ...]
    prerequisites: int

    @property
    def is_patch(self) -> bool:
        """Whether it is a patch of a series, or a single one."""
        return self.has_diff and not self.is_reply and self.is_marked and self.number > 0

    @property
    def is_cover(self) -> bool:
        """Whether it is a cover letter."""
        return not self.is_reply and self.is_marked and self.number == 0 and self.count > 0


def parse(raw: bytes) -> MailMessage:
    """Read a mail; a damaged one has empty fields."""
    message, text = _read(raw)
    subject = one_line(header(message, "Subject"))
    marks, title = _parted(subject)
    numbers = _NUMBERS.search(marks)
    found = ids(header(message, "Message-Id"))
    made = f"{hashlib.sha256(raw).hexdigest()[:32]}@mermapctl.invalid"
    answered = ids(header(message, "In-Reply-To"))[:1]
    above = ids(header(message, "References")) or answered
    return MailMessage(
        raw=raw if found else b"Message-Id: <" + made.encode() + b">\n" + raw,
        text=text,
        id=found[0] if found else made,
        message_id=found[0] if found else None,
        subject=subject,
        title=title,
        version=version_of(subject),
        number=int(numbers[1]) if numbers else 1,
        count=int(numbers[2]) if numbers else 1,
        is_reply=_REPLY.match(subject) is not None,
        is_marked=bool(marks),
        has_diff=_DIFF.search(text) is not None,
        references=tuple(dict.fromkeys(above))[-_REFERENCES:],
        parent=next(iter(answered), above[-1] if above else None),
        author=one_line(header(message, "From")),
        bases=tuple(dict.fromkeys(_BASE.findall(text))),
        prerequisites=len(_PREREQUISITE.findall(text)),
    )


def _read(raw: bytes) -> tuple[Message, str]:
    """Return a mail and its text; an empty one if it has too many parts in parts."""
    message = mail_parts.message(raw)
    if message is None:
        return email.message_from_bytes(b""), ""
    return message, _body(message)


def version_of(subject: str) -> int:
    """Return the version of a series in a subject: 2 in [PATCH v2 3/5]."""
    version = _VERSION.search(_parted(subject)[0])
    return int(version[1]) if version else 1


def _parted(subject: str) -> tuple[str, str]:
    """Return the text within the brackets at the start of a subject, and the rest."""
    marks, at = [], 0
    while found := _BRACKETS.match(subject, at):
        marks.append(found[1])
        at = found.end()
    return " ".join(marks), subject[at:].strip()


def ids(text: str) -> list[str]:
    """Return the message ids in a header, without their angle brackets."""
    return [each for each in _ID.findall(text) if each.isprintable()]


def one_line(text: str) -> str:
    """Return a header's text on one line, cut to SUBJECT characters."""
    return " ".join(text.split())[:SUBJECT]


def header(message: Message, name: str) -> str:
    """Return a header decoded; as it was sent if its encoding is wrong or unknown."""
    value = message.get(name)
    if value is None:
        return ""
    try:
        text = str(email.header.make_header(email.header.decode_header(value)))
    except (LookupError, ValueError, email.errors.HeaderParseError):
        text = str(value)
    return text.encode(errors="replace").decode()  # some encodings have lone surrogates


def _body(message: Message) -> str:
    """Return the text of a mail, of all its parts that are text."""
    return "\n".join(
        mail_parts.text(part) for part in message.walk() if part.get_content_maintype() == "text"
    )
