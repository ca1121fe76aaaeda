# SPDX-License-Identifier: GPL-2.0-only
"""Structural edits of kernel sources, Kconfig files and Makefiles. Pure: text in, text out.

An edit finds its place by the statement there, not by line numbers or context lines, so that one
edit fits many kernel versions. An edit that is already present leaves the text unchanged.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from dataclasses import dataclass

_INERT = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'",
    re.DOTALL,
)
_TOKEN = re.compile(r"\w+|[^\w\s]")
_LINUX_INCLUDES = re.compile(r"^(?:#[ \t]*include[ \t]*<linux/[^\n]*\n)+", re.MULTILINE)
_CONFIG = re.compile(r"^(?:menu)?config[ \t]+(\w+)[ \t]*$", re.MULTILINE)
_SELECT = re.compile(r"^[ \t]+select[ \t]+(\w+)")
_OBJECT = re.compile(r"obj-\$\(CONFIG_\w+\)")


class NoPlaceError(ValueError):
    """A file has no place for an edit, or several; the text names the statement sought."""


@dataclass(frozen=True, slots=True)
class TextRange:
    """Half-open range of character offsets."""

    start: int
    end: int


def without_inert(source: str) -> str:
    """Return C source with comments and literals replaced by blanks: same length, same lines."""
    return _INERT.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), source)


def _pattern(statement: str) -> re.Pattern[str]:
    """Return a pattern for a statement's tokens, with or without white space between them."""
    tokens = _TOKEN.findall(without_inert(statement))
    if not tokens:
        raise NoPlaceError("an edit without a statement")
    text = re.escape(tokens[0])
    for left, right in itertools.pairwise(tokens):
        words = left[-1].isalnum() and right[0].isalnum()
        text += (r"\s+" if words else r"\s*") + re.escape(right)
    before = r"(?<!\w)" if re.match(r"\w", tokens[0]) else ""
    after = r"(?!\w)" if re.match(r"\w", tokens[-1]) else ""
    return re.compile(before + text + after)


def _closing(code: str, opening: int) -> int | None:
    """Return the offset after the bracket that closes the one at `opening`."""
    pair = {"(": ")", "{": "}"}[code[opening]]
    depth = 0
    for found in re.compile("[" + re.escape(code[opening] + pair) + "]").finditer(code, opening):
        depth += 1 if found.group() == code[opening] else -1
        if depth == 0:
            return found.end()
    return None


def _bodies(code: str, within: str) -> list[TextRange]:
    name = re.escape(within.removesuffix("()").removeprefix("struct "))
    openings: list[int] = []
    if within.startswith("struct "):
        openings = [found.end() - 1 for found in re.finditer(rf"\bstruct\s+{name}\s*{{", code)]
    else:
        for found in re.finditer(rf"\b{name}\s*\(", code):
            end = _closing(code, found.end() - 1)
            body = re.compile(r"\s*{").match(code, end) if end is not None else None
            if body:
                openings.append(body.end() - 1)
    ends = ((opening, _closing(code, opening)) for opening in openings)
    return [TextRange(opening, end) for opening, end in ends if end is not None]


def _scope(code: str, within: str) -> TextRange:
    bodies = _bodies(code, within)
    if len(bodies) != 1:
        raise NoPlaceError(
            f"{len(bodies) or 'no'} definition{'s' * (len(bodies) > 1)} of `{within}`"
        )
    return bodies[0]


def _place(code: str, scope: TextRange, within: str, anchors: tuple[str, ...]) -> TextRange:
    """Find the first of `anchors` that occurs in the scope; it must occur once."""
    for anchor in anchors:
        found = list(_pattern(anchor).finditer(code, scope.start, scope.end))
        if len(found) > 1:
            raise NoPlaceError(f"{len(found)} times `{anchor}` in `{within}`")
        if found:
            return TextRange(found[0].start(), found[0].end())
    raise NoPlaceError(f"no `{'` or `'.join(anchors)}` in `{within}`")


def _indented(text: str, indent: str) -> str:
    """Indent the lines of a text; preprocessor lines stay at the margin."""
    lines = textwrap.dedent(text).strip("\n").split("\n")
    return "".join(
        f"{line}\n" if not line or line.startswith("#") else f"{indent}{line}\n" for line in lines
    )


def _line_start(source: str, offset: int) -> int:
    return source.rfind("\n", 0, offset) + 1


def _line_end(source: str, offset: int) -> int:
    end = source.find("\n", offset)
    return len(source) if end < 0 else end + 1


def _indent_at(source: str, offset: int) -> str:
    found = re.compile(r"[ \t]*").match(source, _line_start(source, offset))
    return found.group() if found else ""


def _statement(
    source: str, within: str, anchors: tuple[str, ...], text: str
) -> tuple[str, TextRange] | None:
    """Find the statement that an edit starts from; return it with the source without comments.

    Return None if `text` is there already.
    """
    code = without_inert(source)
    scope = _scope(code, within)
    if _pattern(text).search(code, scope.start, scope.end):
        return None
    return code, _place(code, scope, within, anchors)


def add_after(source: str, within: str, anchors: tuple[str, ...], text: str) -> str:
    """Add `text` on lines of its own after the line of a statement in a function or struct."""
    if not (found := _statement(source, within, anchors, text)):
        return source
    _, place = found
    cut = _line_end(source, place.end)
    return source[:cut] + _indented(text, _indent_at(source, place.start)) + source[cut:]


def add_before(source: str, within: str, anchors: tuple[str, ...], text: str) -> str:
    """Add `text` on lines of its own before a statement; one deeper before a closing brace."""
    if not (found := _statement(source, within, anchors, text)):
        return source
    code, place = found
    cut = _line_start(source, place.start)
    deeper = "\t" if code[place.start] == "}" else ""
    return source[:cut] + _indented(text, _indent_at(source, place.start) + deeper) + source[cut:]


def replace(source: str, within: str, anchors: tuple[str, ...], text: str) -> str:
    """Replace the lines of a statement by `text`, at that statement's indentation."""
    if not (found := _statement(source, within, anchors, text)):
        return source
    code, place = found
    start, end = _line_start(source, place.start), _line_end(source, place.end)
    if code[start : place.start].strip() or code[place.end : end].strip():
        raise NoPlaceError(
            f"`{source[start:end].strip()}` in `{within}` holds more than the statement"
        )
    return source[:start] + _indented(text, _indent_at(source, place.start)) + source[end:]


def make_global(source: str, function: str) -> str:
    """Make a static function global and noinline, so that a probe sees each call."""
    code = without_inert(source)
    scope = _scope(code, function)
    name = re.escape(function.removesuffix("()"))
    declarator = re.compile(rf"^(static\s+(?:inline\s+)?)?[\w \t*]+?\b{name}\s*\(", re.MULTILINE)
    found = [match for match in declarator.finditer(code) if match.start() < scope.start]
    if not found:
        raise NoPlaceError(f"no `{function}` that begins a line")
    for match in reversed(found):
        if match[1]:
            source = f"{source[: match.start()]}noinline {source[match.end(1) :]}"
    return source


def add_include(source: str, header: str) -> str:
    """Add `#include <header>` at the end of the file's longest run of <linux/...> includes."""
    if re.search(rf"^#\s*include\s*<{re.escape(header)}>", source, re.MULTILINE):
        return source
    runs = [found.span() for found in _LINUX_INCLUDES.finditer(source)]
    if not runs:
        raise NoPlaceError("no #include <linux/...>")
    cut = max(runs, key=lambda run: source.count("\n", *run))[1]
    return f"{source[:cut]}#include <{header}>\n{source[cut:]}"


def kconfig_symbols(source: str) -> frozenset[str]:
    """Return the symbols that a Kconfig text defines."""
    return frozenset(_CONFIG.findall(source))


def add_kconfig_entry(source: str, entry: str) -> str:
    """Add config entries before the last `endmenu` and before `source` lines just above it."""
    wanted = kconfig_symbols(entry)
    there = kconfig_symbols(source) & wanted
    if there:
        if there == wanted:
            return source
        raise NoPlaceError(f"`config {min(there)}` without `config {min(wanted - there)}`")
    lines = source.splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if line.split("#")[0].strip() == "endmenu"]
    if not ends:
        raise NoPlaceError("no `endmenu`")
    cut = ends[-1]
    while cut and (not lines[cut - 1].strip() or lines[cut - 1].startswith("source ")):
        cut -= 1
    above = "".join(lines[:cut])
    return f"{above}\n{entry.strip(chr(10))}\n\n{''.join(lines[cut:]).lstrip(chr(10))}"


def add_kconfig_select(source: str, config: str, select: str) -> str:
    """Add a `select` line to a config entry, before its first select that sorts after it."""
    symbol = select.split()[1]
    lines = source.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if line.split() == ["config", config]]
    if len(starts) != 1:
        raise NoPlaceError(f"{len(starts) or 'no'} `config {config}`")
    last = None
    for number in range(starts[0] + 1, len(lines)):
        line = lines[number]
        if line.strip() and not line[0].isspace() and not line.startswith("#"):
            break
        found = _SELECT.match(line)
        if found and found.group(1) == symbol:
            return source
        if found and found.group(1) > symbol:
            last = number
            break
        if found:
            last = number + 1
    if last is None:
        raise NoPlaceError(f"no `select` in `config {config}`")
    return "".join([*lines[:last], f"\t{select}\n", *lines[last:]])


def add_makefile_line(source: str, line: str) -> str:
    """Add a line after the last `obj-$(CONFIG_...)` line and its continuation lines."""
    lines = source.splitlines(keepends=True)
    if any(old.split() == line.split() for old in lines):
        return source
    objects = [number for number, old in enumerate(lines) if _OBJECT.match(old)]
    if not objects:
        raise NoPlaceError("no `obj-$(CONFIG_...)` line")
    last = objects[-1]
    while lines[last].rstrip("\n").endswith("\\") and last + 1 < len(lines):
        last += 1
    tail = "" if lines[last].endswith("\n") else "\n"
    return "".join([*lines[: last + 1], f"{tail}{line}\n", *lines[last + 1 :]])
