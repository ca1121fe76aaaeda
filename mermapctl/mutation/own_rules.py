# SPDX-License-Identifier: GPL-2.0-only
"""Mutants by mermapctl's own rules, which know what a mermap does. Data: configs/mutations.toml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from mermapctl.mutation import code
from mermapctl.mutation.mutant import Mutant
from mermapctl.system import tables


@dataclass(frozen=True, slots=True)
class MutationRule:
    """One rule: `find` is a regular expression on a line of code, `replace` what it becomes."""

    name: str
    find: str
    replace: str
    seen_by: str


@dataclass(frozen=True, slots=True)
class _RulesFile:
    rule: tuple[MutationRule, ...]


@cache
def rules() -> tuple[MutationRule, ...]:
    """Return the rules, in their order."""
    return tables.read("mutations.toml", _RulesFile).rule


def mutants(file: str, text: str) -> Iterator[Mutant]:
    """Yield the mutants of a file, by line; two rules may make the same one."""
    bare = code.without_comments(text).split("\n")
    for number, (line, before) in enumerate(zip(bare, text.split("\n"), strict=True), 1):
        if line.startswith("#"):
            continue
        for rule in rules():
            for found in re.finditer(rule.find, line):
                changed = found.expand(rule.replace)
                after = before[: found.start()] + changed + before[found.end() :]
                yield Mutant(file, number, before, after, rule.name, rule.seen_by)
