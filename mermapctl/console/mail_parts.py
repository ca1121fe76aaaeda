# SPDX-License-Identifier: GPL-2.0-only
"""A mail as bytes -> its parts, within a bound, and the text of a part, in any encoding. Pure."""

from __future__ import annotations

import email
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import Message


DEEPEST = 100
"""Parts in parts of a mail: Python's email package calls itself for each."""
_PARTED = re.compile(rb"^content-type:\s*(?:multipart|message)/", re.IGNORECASE | re.MULTILINE)


def message(raw: bytes) -> Message | None:
    """Parse a mail; None if more than DEEPEST of its parts have parts."""
    if len(_PARTED.findall(raw)) > DEEPEST:
        return None
    return email.message_from_bytes(raw)


def text(part: Message) -> str:
    """Return the decoded text of a part that has no parts; empty if there is none."""
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        found = data.decode(part.get_content_charset() or "utf-8", "replace")
    except (LookupError, ValueError):  # an unknown encoding, one with a NUL, or a strict one
        found = data.decode("utf-8", "replace")
    return found.replace("\r\n", "\n")
