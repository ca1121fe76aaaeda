# SPDX-License-Identifier: GPL-2.0-only
"""Make text from a kernel visible, so that no terminal, browser or parser executes it.

Replaced by visible text are: escape codes, NUL, C1 controls, format characters (bidirectional
overrides, zero-width characters), lone surrogates (bytes that were not UTF-8), and code points that
XML 1.0 forbids.
"""

from __future__ import annotations

LINE_LIMIT = 2000
"""Limit on the characters of a line in a report; the console file contains the rest."""

TEXT_LIMIT = 64 * 1024
"""Limit on the characters of a block of text (a failure, an excerpt) in a report."""

_SHOWN = {0x09, 0x0A}


# Source: Unicode 16.0, the general category Cf, the line and paragraph separators, and
# Default_Ignorable_Code_Point: invisible characters, and those that reorder or break text.
_UNSEEN = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x600, 0x605), (0x61C, 0x61C), (0x6DD, 0x6DD), (0x70F, 0x70F),
    (0x890, 0x891), (0x8E2, 0x8E2), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0xFFFE, 0xFFFF), (0x110BD, 0x110BD),
    (0x110CD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)  # fmt: skip


def _table() -> dict[int, str]:
    table = {code: chr(0x2400 + code) for code in range(0x20) if code not in _SHOWN}
    table[0x7F] = "\u2421"
    table |= {code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}
    for first, last in _UNSEEN:
        table |= {code: _number(code) for code in range(first, last + 1)}
    for plane in range(1, 17):
        for code in (plane << 16 | 0xFFFE, plane << 16 | 0xFFFF):
            table[code] = _number(code)
    # Python's surrogateescape decodes an invalid byte 0xNN to U+DCNN
    table |= {code: f"\\u{code:04x}" for code in range(0xD800, 0xE000)}
    table |= {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(0x80, 0x100)}
    return table


def _number(code: int) -> str:
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"


_VISIBLE = _table()
_ONE_LINE = _VISIBLE | {0x09: " ", 0x0A: " "}


def cut(text: str, limit: int) -> str:
    """Return at most `limit` characters, and the number of omitted ones."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]} [… {len(text) - limit} more characters]"


def visible(text: str, *, limit: int = TEXT_LIMIT) -> str:
    """Return visible text, each line cut to LINE_LIMIT, all to `limit`; tabs and newlines stay."""
    text = cut(text.replace("\r\n", "\n"), limit)
    if len(text) > LINE_LIMIT:
        text = "\n".join(cut(line, LINE_LIMIT) for line in text.split("\n"))
    return text.translate(_VISIBLE)


def one_line(text: str, *, limit: int = 400) -> str:
    """Return visible text on one line: newlines and tabs become spaces."""
    return cut(text.strip(), limit).translate(_ONE_LINE)


def ascii_line(text: str, *, limit: int = 400) -> str:
    r"""Return one line of ASCII for mail: ESC as ``^[``, the rest as ``\x..`` or ``\u....``."""
    out = []
    for char in cut(text.strip("\r\n"), limit).replace("…", "..."):
        code = ord(char)
        if char in "\t\n":
            out.append(" ")
        elif code < 0x20:
            out.append(f"^{chr(code + 0x40)}")
        elif 0xDC80 <= code <= 0xDCFF:
            out.append(f"\\x{code - 0xDC00:02x}")
        elif code < 0x7F:
            out.append(char)
        elif code == 0x7F:
            out.append("^?")
        else:
            out.append(char.encode("ascii", "backslashreplace").decode("ascii"))
    return "".join(out)
