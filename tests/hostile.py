# SPDX-License-Identifier: GPL-2.0-only
"""The worst texts that a kernel can print, for the tests of every renderer."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from mermapctl.records.record import Cell, RunRecord

SCRIPT = (
    "</script></style></pre><script>document.title='owned'</script>"
    "<img src=x onerror=alert(1)><svg onload=alert(1)>"
)

# The long ones exceed every limit of a renderer (64 KiB of a text, 256 KiB of JUnit's output).
TEXTS = {
    "escape codes": "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2J\x1b[1;1H\x9b31m\x08\x7f",
    "script": SCRIPT,
    "cdata end": "]]> --> ?> <![CDATA[ &amp; &#0; &bogus;",
    "attribute": "\" onmouseover=\"alert(1)' style='x:y'`",
    "rich markup": "[bold red]x[/] [link=https://example.org]y[/link] [/nothing] [migration/0]",
    "template": "{{ 7 * 7 }} {% for x in y %} {# gone #} ${x} %(y)s {0}",
    "markdown": (
        "```\n# head\n| a | b |\n~~~~ ![x](https://example.org/i.png) <b>*_`\n@everyone !1 #2"
    ),
    "mail": (
        "From me\nBcc: a@example.org\n\n.\n-- \nSigned-off-by: X <x@example.org>\n---\n"
        "diff --git a b\nTested-by: Y <y@example.org>"
    ),
    "nul": "a\0b\0",
    "every control": "".join(map(chr, range(0xA0))),
    "invalid utf-8": b"\xff\xfe\xc3( \x80 \xed\xa0\x80".decode("utf-8", "surrogateescape"),
    "replaced utf-8": b"\xff\xc3(".decode("utf-8", "replace"),
    "lone surrogates": "\ud800 \udfff \udc41",
    "not characters": "\ufffe\uffff\U0001ffff",
    "bidi": "\u202edetrevni\u202c \u2066x\u2069 \u200b\u2028\u2029",
    "wide": "世界 🎉 e\u0301 \uff46\uff55",
    "one long line": "A" * 300_000,
    "long and hostile": "\x1b]]></script>" * 25_000,
    "many lines": "line\n" * 20_000,
    "line ends": "a\r\nb\rc\x85d\x0be\x0cf",
    "json": '"}],"x":[{"\\',
    "path": "../../etc/passwd\0.png",
    "empty": "",
    "blank": " \t ",
}


def infect(record: RunRecord, text: str) -> RunRecord:
    """Return `record` with `text` in every field that quotes a kernel, a tree or a build."""
    infected = dataclasses.replace(
        record,
        tree=_put(record.tree, text),
        cells=tuple(
            dataclasses.replace(_put(cell, text), target=f"{text}{n}")  # else all are repeats
            for n, cell in enumerate(record.cells)
        ),
    )
    assert infected != record
    return infected


def _put(value: Any, text: str) -> Any:
    if isinstance(value, enum.Enum):
        return value
    if isinstance(value, str):
        return text
    if isinstance(value, tuple):
        return tuple(_put(item, text) for item in value)
    if isinstance(value, dict):
        return {f"{text}{n}": _put(item, text) for n, item in enumerate(value.values())}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _put(getattr(value, f.name), text) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    return value


class Console:
    """Return a console with `text` on many lines, between the lines of a real suite."""

    def __init__(self, text: str, times: int = 3) -> None:
        self.lines = ["KTAP version 1", *[text] * times, "ok 1 mermap"]

    def __call__(self, cell: Cell) -> list[str]:
        assert isinstance(cell, Cell)
        return self.lines
