# SPDX-License-Identifier: GPL-2.0-only
"""Macros of Kconfig that test the compiler or the host: their results, and what changes them.

A macro is expanded while Kconfig is read: its output stands in the expression as a constant, which
no assignment changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from mermapctl.config import kconfig
from mermapctl.config.kconfig import Model

_GIVEN = {"srctree", "objtree", "ARCH", "SRCARCH", "SUBARCH", "KERNELVERSION"}
"""Variables that contain no answer of a program."""
_RUST = "rustc or bindgen is missing or does not fit: `make rustavailable` says what lacks"
_HINTS = (
    ("rust_is_available", _RUST),
    ("rustc", "rustc is missing or does not fit"),
    ("bindgen", "bindgen is missing or does not fit"),
    ("pahole", "pahole is not installed"),
    ("cc-option", "this compiler does not take the option"),
    ("as-instr", "this assembler does not know the instruction"),
    ("as-option", "this assembler does not take the option"),
    ("ld-option", "this linker does not take the option"),
    ("gcc-plugin", "the headers for GCC's plugins are missing"),
    ("cc-can-link", "this compiler cannot link a program for the target: its C library is missing"),
)
"""What a macro's name or program tests, for a negative answer."""
_NO = {"n", "0", "-1", ""}
_RESULT = "the result of a test of the compiler or the host"


def of(model: Model, item: Any) -> tuple[str, ...]:
    """Return the macros that give a symbol its default."""
    return tuple(_macros(model, item, ("def_", "default")))


def of_conditions(model: Model, item: Any) -> tuple[str, ...]:
    """Return the macros in the dependencies of a symbol or choice, and of its prompt."""
    starts = ("depends", "visible", "bool", "tristate", "prompt", "def_", "default", "int")
    return tuple(_macros(model, item, starts)) if item is not None else ()


def _macros(model: Model, item: Any, starts: tuple[str, ...]) -> Iterator[str]:
    """Return the macros of an entry's lines that begin with a word of `starts`, each once."""
    seen: set[str] = set()
    for node in item.nodes:
        for _, line in kconfig.lines_of(model.tree, node.filename, node.linenr):
            if not line.strip().startswith(starts):
                continue
            for macro in _in(line):
                if macro not in seen:
                    seen.add(macro)
                    yield macro


def _in(line: str) -> Iterator[str]:
    """Return the outermost `$(...)` of a line, less those that contain no answer of a program."""
    at = line.find("$(")
    while at >= 0:
        depth, end = 0, at + 1
        for end in range(at + 1, len(line)):
            depth += {"(": 1, ")": -1}.get(line[end], 0)
            if depth == 0:
                break
        macro = line[at : end + 1]
        if macro[2:-1] not in _GIVEN:
            yield macro
        at = line.find("$(", end)


def told(tests: Sequence[str], value: str) -> str:
    """Describe the result in a sentence; if negative, what would change it."""
    shown = f", {' and '.join(tests)}" if tests else ""
    hints = [
        next((hint for word, hint in _HINTS if word in re.sub(r"^\$\(shell,", "", test)), None)
        for test in tests
    ]
    known = list(dict.fromkeys(filter(None, hints))) if value in _NO else []
    because = f": {'; '.join(known)}" if known else ""
    return f"{_RESULT}{shown}{because}"
