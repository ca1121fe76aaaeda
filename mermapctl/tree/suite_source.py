# SPDX-License-Identifier: GPL-2.0-only
"""The tests of a KUnit suite as the tree's source lists them: read before anything is built."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from mermapctl.system import inputs
from mermapctl.tree import commits

LARGEST = 4 << 20
"""Bytes of a source file that is read; the largest of mm/ in 6.12 has 220 KB."""
_WORDS = ("kunit", "test")
"""Words in the path of a suite's file, if that has not the name of the suite."""
_ENDS = (".c", "/**/*.c")
_CASE = re.compile(r"\bKUNIT_CASE\w*\s*\(\s*(\w+)\s*[,)]", re.ASCII)
_ENTRY = re.compile(r"\bKUNIT_CASE|\brun_case\b")
_MACRO = re.compile(r"\s*#\s*define\b|.*\\\s*$")

Tests = frozenset[str]


def in_tree(tree: Path, directory: str, suite: str) -> Tests | None:
    """Return the tests of a suite in the work tree; none where no file below `directory` has it.

    None if the source does not list them plainly: a macro makes them, or a file is unreadable.
    """
    found: set[str] = set()
    for place, _, names in os.walk(tree / directory):
        for name in sorted(names):
            inside = str(Path(place, name).relative_to(tree / directory))
            if not name.endswith(".c") or not any(word in inside for word in (*_WORDS, suite)):
                continue
            try:
                text = inputs.read_text(Path(place, name), LARGEST)
            except OSError:
                return None
            tests = _listed(text.splitlines(), suite)
            if tests is None:
                return None
            found |= tests
    return frozenset(found)


def in_commit(tree: Path, commit: str, directory: str, suite: str) -> Tests | None:
    """Return the tests of a suite in a commit of a trusted tree, as `in_tree` does."""
    pattern = f'KUNIT_CASE|run_case|"{re.escape(suite)}"'
    files: dict[str, list[str]] = defaultdict(list)
    where = [f":(glob){directory}/**/*{word}*{end}" for word in (*_WORDS, suite) for end in _ENDS]
    for path, line in commits.lines_with(tree, commit, pattern, *where):
        files[path].append(line)
    found: set[str] = set()
    for lines in files.values():
        tests = _listed(lines, suite)
        if tests is None:
            return None
        found |= tests
    return frozenset(found)


def _listed(lines: Iterable[str], suite: str) -> Tests | None:
    """Return the tests in the lines of one file; none if they do not name the suite."""
    lines = list(lines)
    if not any(f'"{suite}"' in line for line in lines):
        return frozenset()
    found: set[str] = set()
    for line in lines:
        entries = _ENTRY.findall(line)
        names = _CASE.findall(line)
        if len(names) < len(entries) or (entries and _MACRO.match(line)):
            return None
        found.update(names)
    return frozenset(found)
