# SPDX-License-Identifier: GPL-2.0-only
"""The text of one part of a mail, in whatever encoding it came. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import Message


def text(part: Message) -> str:
    """Return the decoded text of a part that has no parts; empty if there is none."""
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        found = data.decode(part.get_content_charset() or "utf-8", "replace")
    except (LookupError, ValueError):  # an unknown encoding, one with a NUL, or a strict one
        found = data.decode("utf-8", "replace")
    return found.replace("\r\n", "\n")
