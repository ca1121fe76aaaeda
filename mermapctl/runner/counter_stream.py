# SPDX-License-Identifier: GPL-2.0-only
"""The counters that a guest's init sends through its second serial port (kernel/init/init.c).

They are text, so that no setting of the port changes them: a line with a path, lines of hexadecimal
digits, a line with the number of bytes; at the end the number of files. A stream without that end
is not used at all, because a counter that is missing would look like a line that did not run.
"""

from __future__ import annotations

from collections.abc import Iterable

BEGINS, FILE, BYTES, FILES = "mermapctl-counters", "file", "bytes", "files"
ERROR = "error"
_SHOWN = 200
"""Characters of a line that an error quotes: a guest may send any."""


class StreamError(ValueError):
    """The stream is not whole; the text is the reason, as a phrase."""


def files(lines: Iterable[str]) -> dict[str, bytes]:
    """Return the contents of the files in a stream by their paths. Raises StreamError."""
    found: dict[str, bytes] = {}
    path, data = None, bytearray()
    begun = False
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        if not begun:
            begun = word == BEGINS
        elif word == ERROR:
            raise StreamError(f"the guest's init says: {rest[:_SHOWN]}")
        elif word == FILE:
            path, data = rest, bytearray()
        elif word == BYTES and path is not None:
            if rest != str(len(data)):
                said, named = rest[:_SHOWN], path[:_SHOWN]
                raise StreamError(f"{said} bytes of {named} were sent, {len(data)} arrived")
            found[path], path = bytes(data), None
        elif word == FILES:
            if rest != str(len(found)):
                raise StreamError(f"{rest[:_SHOWN]} files were sent, {len(found)} arrived")
            return found
        elif word:
            data += _decoded(word)
    raise StreamError(
        "the guest ended while it sent its counters"
        if begun
        else "the guest ended before it sent its counters"
    )


def _decoded(word: str) -> bytes:
    try:
        return bytes.fromhex(word)
    except ValueError:
        raise StreamError(f"a line of the counters is damaged: {word[:40]!r}") from None
