# SPDX-License-Identifier: GPL-2.0-only
r"""JSON that is safe to print on a terminal: what a terminal obeys is written as ``\u....``.

JSON escapes only the controls below U+0020. DEL, the C1 controls and the characters that reorder
or hide text may stand in a string as they are, and `cat record.json` would obey them. A reader of
JSON gets the same string from both forms.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

_OBEYED = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)


def encoded(value: Any, *, indent: int | None = None) -> bytes:
    """Return `value` as JSON, on one line, or with `indent` spaces a level.

    Raises UnicodeEncodeError for a lone surrogate.
    """
    raw = msgspec.json.encode(value)
    return escaped(raw if indent is None else msgspec.json.format(raw, indent=indent))


def escaped(raw: bytes) -> bytes:
    """Escape in a JSON document the characters that a terminal obeys."""
    if raw.isascii() and b"\x7f" not in raw:
        return raw
    return _OBEYED.sub(_escape, raw.decode("utf-8")).encode("utf-8")


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
