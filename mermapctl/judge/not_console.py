# SPDX-License-Identifier: GPL-2.0-only
"""Identifies input that is not a bare console, and names the input to give instead. Pure.

Such input shows nothing about a kernel or a machine, so it has no verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from mermapctl.console.lines import Console
from mermapctl.judge.result_types import Finding, Severity

HEAD_BYTES = 256 * 1024
"""Bytes examined; they include a console's first lines."""
CODE = "not-a-console"


class ForeignInput(NamedTuple):
    """The kind of input and what to give instead; `certain` even if it contains KTAP."""

    what: str
    give: str
    certain: bool = True


_TEST_LOG = "the console itself: BUILD_DIR/test.log (.kunit/test.log), or what kunit.py prints "
_RAW = f"{_TEST_LOG}with --raw_output"
_MAGIC = (
    (b"\x1f\x8b", "gzip", "zcat"),
    (b"BZh", "bzip2", "bzcat"),
    (b"\xfd7zXZ\x00", "xz", "xzcat"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstdcat"),
    (b"PK\x03\x04", "zip", "unzip -p"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4cat"),
)
PROSE = ForeignInput("a text for people", "the text that the machine printed on its console")
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_BINARY = 0.05
"""Input is binary from this share of non-text characters on."""
_NO_TEXT = bytes(byte for byte in range(1, 32) if byte not in b"\a\b\t\n\v\f\r\x1b")
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")

_MAIL = re.compile(
    r"(?:From \S+@\S+ .*\d{4}\r?\n|From [0-9a-f]{40} .*\r?\n)"
    r"|(?:[A-Z][\w-]*: .*\r?\n(?:[ \t].*\r?\n)*){2,}(?:\r?\n|\Z)"
)
_MAIL_HEADER = re.compile(r"^(?:From|Subject|Message-I[Dd]|Date): ", re.MULTILINE)
_LAVA = re.compile(r"^- ?\{.*[\"']?lvl[\"']?: .*[\"']?msg[\"']?: ", re.MULTILINE)
_REPORT = re.compile(
    r"\[\d\d:\d\d:\d\d\] (?:\[(?:PASSED|FAILED|SKIPPED|CRASHED|ERROR|TIMEOUT|NO TESTS RUN)\]"
    r"|=+ .+ (?:\(\d+ subtests?\) )?=+\s*$|Testing complete\.|={40,}\s*$)",
    re.MULTILINE,
)
"""kunit.py's formatted report of parsed results."""
_STATUS_WORD = re.compile(r"^=*\s*\[(?:PASSED|FAILED|SKIPPED|CRASHED)\] \S", re.MULTILINE)
_UNQUOTED = r"`sed '1,/^$/d; s/^> \{0,1\}//' FILE | mermapctl report log -`"


def read(head: bytes) -> ForeignInput | None:
    """Identify input by its first HEAD_BYTES; None if it may be a console."""
    packed = next(((name, tool) for magic, name, tool in _MAGIC if head.startswith(magic)), None)
    if packed is not None:
        name, tool = packed
        give = f"what is in it: `{tool} FILE | mermapctl report log -`"
        return ForeignInput(f"a file packed by {name}", give)
    if head.startswith(_WIDE):
        give = "it as UTF-8: `iconv -f UTF-16 -t UTF-8 FILE | mermapctl report log -`"
        return ForeignInput("text in UTF-16", give)
    if head.startswith(b"\x7fELF"):
        return ForeignInput("an ELF file", "the text that the machine printed on its console")
    text = head.replace(b"\0", b"").decode("utf-8", "replace")
    odd = text.count("\ufffd") + len(head) - len(head.translate(None, _NO_TEXT))
    if odd > len(text) * _BINARY or len(text) < len(head) / 2:
        give = "the text that the machine printed on its console"
        return ForeignInput("a binary file", give, certain=False)
    return _text(_ESCAPE.sub("", text))


def _text(text: str) -> ForeignInput | None:
    begin = text.lstrip("\ufeff \t\r\n")
    if begin.startswith("{") or begin[:64].replace(" ", "").startswith(('[{"', "[\n{", "[{")):
        return _json(text)
    if begin.startswith("<"):
        return _markup(begin)
    if _LAVA.match(begin):
        return ForeignInput(
            "the output of a LAVA job (YAML)",
            "the target's own lines: the job's plain log, or the `msg` of each line whose `lvl` is "
            "target",
        )
    if _is_mail(begin):
        return ForeignInput(
            "a mail, or an mbox", f"the console in it, a separate file, not quoted: {_UNQUOTED}"
        )
    if _REPORT.search(text) or _STATUS_WORD.search(text):
        return ForeignInput("kunit.py's report for people, not a console", _RAW, certain=False)
    return None


def is_mail(head: bytes) -> bool:
    """Return whether input is a mail or an mbox, by its first HEAD_BYTES."""
    return _is_mail(head.replace(b"\0", b"").decode("utf-8", "replace").lstrip("\ufeff \t\r\n"))


def _is_mail(begin: str) -> bool:
    mail = _MAIL.match(begin)
    return mail is not None and bool(
        _MAIL_HEADER.search(mail[0] + begin[mail.end() : mail.end() + 2000])
    )


def _json(text: str) -> ForeignInput | None:
    if '"test_cases"' in text or '"sub_groups"' in text:
        return ForeignInput("what kunit.py writes with --json", _RAW)
    if '"schema"' in text and '"cells"' in text:
        return ForeignInput(
            "a document of mermapctl itself", "the console that it names under `artifacts`"
        )
    if re.match(r"\s*[\[{]\s*(?:[\"\[{]|\Z)", text):
        return ForeignInput("a JSON document", "the console that it was made from", certain=False)
    return None


def _markup(begin: str) -> ForeignInput | None:
    if re.match(r"<\?xml\b|<testsuites?\b", begin):
        what = "JUnit XML" if "<testsuite" in begin else "an XML document"
        return ForeignInput(what, _RAW)
    if re.match(r"(?i:<!doctype html|<html\b)", begin):
        return ForeignInput("a web page", "the raw log that it shows")
    return None


def finding(foreign: ForeignInput) -> Finding:
    """Make the finding without a verdict; it blames the input, not a kernel or machine."""
    return Finding(
        code=CODE,
        severity=Severity.ERROR,
        summary=f"the input is {foreign.what}",
        advice=f"give {foreign.give}",
    )


def text(head: bytes) -> str:
    """Return a console's first bytes as text, without escape sequences."""
    return _ESCAPE.sub("", head.decode("utf-8", "backslashreplace"))


def lines(head: bytes, console: Console) -> tuple[tuple[int, str], ...]:
    """Return the console's first lines, and its last ones if they are not among them."""
    first = tuple(enumerate(text(head).splitlines(), 1))
    last = console.lines - len(console.tail)
    tail = ((last + at, said) for at, said in enumerate(console.tail, 1))
    return first + tuple(line for line in tail if line[0] > len(first))


def peek(stream: BinaryIO | Iterable[bytes], block: int) -> tuple[bytes, Iterator[bytes]]:
    """Return a stream's first bytes, HEAD_BYTES or a little more, and all of its chunks."""
    rest = chunks(stream, block)
    first: list[bytes] = []
    size = 0
    for chunk in rest:
        first.append(chunk)
        size += len(chunk)
        if size >= HEAD_BYTES:
            break
    return b"".join(first), _again(first, rest)


def _again(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from first
    yield from rest


def chunks(stream: BinaryIO | Iterable[bytes], block: int) -> Iterator[bytes]:
    """Yield the chunks of a file, or those given."""
    if hasattr(stream, "read"):
        while chunk := stream.read(block):
            yield chunk
    else:
        yield from stream
