# SPDX-License-Identifier: GPL-2.0-only
"""A mail as bytes -> the consoles in it: decoded, unquoted, without the prose around them. Pure.

A mail is hostile input: its size, its parts and their depth are bounded, and nothing is unpacked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from mermapctl.console import mail_parts
from mermapctl.console.quotation import QUOTE, STAMP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from email.message import Message

MOST_BYTES = 64 << 20
MOST_PARTS = 50
"""Bounds of a mail."""
_BOUNDARY = re.compile(rb"boundary\s*=", re.IGNORECASE)
_NEXT_MAIL = re.compile(rb"^From \S+ .*\d{4}\r?\n[A-Z][\w-]*: ", re.MULTILINE)
_CONSOLE = re.compile(
    rf"{STAMP}|.*\bK?TAP version \d|\s*(?:not )?ok \d+ |\s*# Subtest: |\s*1\.\.\d+\s*\Z"
    r"|Linux version |WARNING: |BUG: |Oops: |Kernel panic|Call Trace:|-+\[ (?:cut here|end trace)"
)
"""Lines at which a console in the text of a mail may begin or end."""
_CERTAIN = re.compile(rf"^(?:{STAMP}|.*\bK?TAP version \d|Linux version )", re.MULTILINE)
_RESULTS = re.compile(r"^.*\bK?TAP version \d|^(?:.*\] )?\s*(?:not )?ok \d+ ", re.MULTILINE)
_END = "[...]"
_PACKED = re.compile(
    r"\.(?:gz|xz|bz2|zst|zip|lz4)\Z|\A(?:gzip|zip|x-gzip|x-xz|zstd)\Z", re.IGNORECASE
)


class MailedConsole(NamedTuple):
    """A console; `name` is its attachment's, None for the text of the mail."""

    name: str | None
    data: bytes


class NoConsole(NamedTuple):
    """The reason why a mail gives no console, and what to give instead."""

    what: str
    give: str


def read(raw: bytes) -> list[MailedConsole] | NoConsole:
    """Return the consoles in a mail: each attachment with one, and the text if it has results."""
    as_file = "the console in it as a file"
    if len(raw) > MOST_BYTES:
        return NoConsole(f"a mail of more than {MOST_BYTES >> 20} MB", as_file)
    message = mail_parts.message(raw) if len(_BOUNDARY.findall(raw)) <= MOST_PARTS else None
    if message is None:
        return NoConsole("a mail with too many parts", as_file)
    if len(_NEXT_MAIL.findall(raw)) > 1:
        return NoConsole("an mbox of several mails", "one mail, or the console as a file")
    parts = [part for part in message.walk() if not part.is_multipart()]
    attached = [*_attached(parts)]
    body = _among_prose("\n".join(_text(part) for part in parts if _is_body(part)))
    if body and (not attached or _RESULTS.search(body)):
        attached.insert(0, MailedConsole(None, body.encode()))
    if attached:
        return attached
    if any(map(_is_packed, parts)):
        return NoConsole(
            "a mail whose attachment is packed",
            "what is in it: save the attachment, then `zcat FILE | mermapctl report log -`",
        )
    return NoConsole("a mail without a console", "a mail or a file with the console's own lines")


def _attached(parts: Iterable[Message]) -> Iterator[MailedConsole]:
    for part in parts:
        if _is_text(part) and not _is_body(part):
            text = _text(part)
            if _CERTAIN.search(text) or _RESULTS.search(text):
                yield MailedConsole(part.get_filename() or "attachment", text.encode())


def _is_packed(part: Message) -> bool:
    given = (part.get_filename() or "", part.get_content_subtype())
    return any(map(_PACKED.search, given))


def _is_body(part: Message) -> bool:
    named = part.get_filename() is not None or part.get_content_disposition() == "attachment"
    return _is_text(part) and not named


def _is_text(part: Message) -> bool:
    if part.get_content_maintype() == "text":
        return part.get_content_subtype() != "html"
    return (part.get_filename() or "").lower().endswith((".log", ".txt"))


def _text(part: Message) -> str:
    text = mail_parts.text(part)
    if str(part.get_param("format", "")).lower() == "flowed":
        text = _unflowed(text, delete=str(part.get_param("delsp", "")).lower() == "yes")
    return text


def _unflowed(text: str, *, delete: bool) -> str:
    """Join the lines that a mailer broke, RFC 3676: each ends with a space, at the same depth."""
    lines: list[str] = []
    depth, soft = "", False
    for line in text.split("\n"):
        marks = line[: len(line) - len(line.lstrip(">"))]
        rest = line[len(marks) :].removeprefix(" ")
        if soft and marks == depth:
            lines[-1] += rest
        else:
            lines.append(f"{marks} {rest}" if marks else rest)
        soft = rest.endswith(" ") and rest != "-- "
        depth = marks
        if soft and delete:
            lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


def _among_prose(text: str) -> str:
    """Return the unquoted lines from the first to the last that is certainly of a console.

    A mark follows them, as a quoter sets it: a text may end anywhere, and the kernel did not.
    """
    lines = [
        QUOTE.sub("", line, count=1) if line[:1] in ("|", ">") else line
        for line in text.split("\n")
    ]
    found = [number for number, line in enumerate(lines) if _CONSOLE.match(line)]
    if not found:
        return ""
    console = "\n".join([*lines[found[0] : found[-1] + 1], _END, ""])
    return console if _CERTAIN.search(console) or len(found) > 2 else ""
