# SPDX-License-Identifier: GPL-2.0-only
"""What an assertion would have to check to see a mutant, in words. Pure."""

from __future__ import annotations

import re

from mermapctl.mutation import code
from mermapctl.mutation.mutant import Fate, Mutant

_COMPARED = {"<", ">", "=", "!"}
_MOST = 80


def seen_by(mutant: Mutant, fate: Fate, function: str | None) -> str:
    """Return what an assertion would have to check; for a mutant that survived."""
    where = f"line {mutant.line}{f' of {function}()' if function else ''}"
    if fate is Fate.UNCOVERED:
        return f"any test that runs {where}"
    return mutant.seen_by or _of_change(mutant, where)


def _of_change(mutant: Mutant, where: str) -> str:
    """Return it by what differs in the line."""
    before, after = code.tokens(mutant.before), code.tokens(mutant.after)
    gone, come = _differing(before, after)
    said = _short(mutant.before)
    if after in ([";"], []):
        return f"the effect of `{said}`"
    if {"break", "continue", "goto"} & set(come) - set(gone):
        return f"what happens behind {where}: the code there is left out"
    if re.search(r"\((?:0|1)\s*==\s*1\)|\(!\(", mutant.after) or "else" in gone:
        return f"both outcomes of `{said}`, each with its effect"
    if gone and set("".join(gone)) <= _COMPARED | {"&", "|"}:
        return f"`{said}` where both sides are equal, and one step to either side"
    return f"the exact value that `{said}` gives, at {where}"


def _differing(before: list[str], after: list[str]) -> tuple[list[str], list[str]]:
    """Return the tokens between the common beginning and the common end of two lines."""
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    most = min(len(before), len(after)) - head
    while tail < most and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return before[head : len(before) - tail], after[head : len(after) - tail]


def _short(line: str) -> str:
    text = " ".join(line.split())
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
