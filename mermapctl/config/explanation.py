# SPDX-License-Identifier: GPL-2.0-only
"""Explanation: why a symbol is not what was asked for, and what gives it; a value, and its text."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mermapctl.config.fragment import config_line
from mermapctl.config.kconfig import Selector, Setting

SHOWN = 5
"""Selectors and definitions in the text; the JSON has them all."""
WIDTH = 300
"""Characters of an expression before it is cut."""


class Cause(enum.StrEnum):
    """Why a symbol is not what was asked for."""

    SATISFIED = "satisfied"
    UNDEFINED = "undefined"
    OTHER_ARCHITECTURE = "other-architecture"
    DEPENDENCY = "dependency"
    HIDDEN_PROMPT = "hidden-prompt"
    NO_PROMPT = "no-prompt"
    CHOICE = "choice"
    SELECTED = "selected"
    DEFAULT = "default"
    TYPE = "type"
    MODULES = "modules"
    RANGE = "range"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Value:
    """One leaf of an expression and its value under the fragment and the defaults."""

    expression: str
    value: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf that blocks: its value, the reason, and symbols that could change it.

    `because` are the blockers of the leaf's own dependencies.
    """

    expression: str
    value: str
    needed: str
    reason: str
    defined: tuple[str, ...] = ()
    selectors: tuple[Selector, ...] = ()
    because: tuple[Blocker, ...] = ()


@dataclass(frozen=True, slots=True)
class Blocker:
    """A condition that must change: one of `leaves` is enough."""

    leaves: tuple[Leaf, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why `symbol` is `resolved` where `requested` was requested, on `target`.

    `dependency` is the expression with values; `targets` are those of the tree that could give the
    requested value; `assignments` the smallest set that gives it on this target (None: there is
    none), `overridden` the lines of the fragment that they contradict; `verified` whether the
    tree's olddefconfig agreed (None: not run), `verdict` a sentence on that. `complaint` is the
    parser's, where it cannot read the tree.
    """

    symbol: str
    requested: str
    resolved: str | None
    target: str
    cause: Cause
    summary: str
    kind: str | None = None
    prompt: str | None = None
    defined: tuple[str, ...] = ()
    dependency: str | None = None
    leaves: tuple[Value, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    selectors: tuple[Selector, ...] = ()
    near: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    assignments: tuple[Setting, ...] | None = None
    overridden: tuple[str, ...] = ()
    verified: bool | None = None
    verdict: str | None = None
    notes: tuple[str, ...] = ()
    complaint: str | None = None


def full_text(explanation: Explanation) -> str:
    """Return the explanation in full, without a trailing newline."""
    return "\n".join(text_lines(explanation))


def short_text(explanation: Explanation) -> str:
    """Return what blocks it, and the command that prints the rest."""
    asked = f"{explanation.symbol}={explanation.requested}"
    more = f"`mermapctl config explain {asked} --target {explanation.target}` says what gives it"
    hung = (*_obstacle(explanation), more)
    return "\n".join([heading(explanation), *(f"  {line}" for line in hung)])


def text_lines(explanation: Explanation) -> Iterator[str]:
    """Yield the heading, then the details, indented by two blanks."""
    yield heading(explanation)
    for line in (*_obstacle(explanation), *_ways_out(explanation)):
        yield f"  {line}"


def heading(explanation: Explanation) -> str:
    """Return symbol, values, target and the reason in one sentence."""
    name, target = f"CONFIG_{explanation.symbol}", explanation.target
    if explanation.cause is Cause.SATISFIED:
        return f"{name}={explanation.requested} can be had on {target}: {explanation.summary}"
    if explanation.cause is Cause.UNREADABLE:
        return f"{name}={explanation.requested} on {target}: {explanation.summary}"
    have = explanation.resolved if explanation.resolved is not None else "not defined"
    return f"{name} is {have}, not {explanation.requested}, on {target}: {explanation.summary}"


def _obstacle(explanation: Explanation) -> Iterator[str]:
    """Yield where it is defined, its dependencies, and what blocks it."""
    if explanation.complaint:
        yield f"the parser's complaint: {_cut(explanation.complaint)}"
    if explanation.near:
        yield f"near it: {', '.join(explanation.near)}"
    if explanation.defined:
        prompt = f", {explanation.prompt!r}" if explanation.prompt else ", no prompt"
        kind = f" ({explanation.kind}{prompt})" if explanation.kind else ""
        yield f"defined at {_some(explanation.defined)}{kind}"
    if explanation.dependency and explanation.dependency not in {"y", "n"}:
        yield f"depends on {_cut(explanation.dependency)}"
    told: set[str] = set()
    for blocker in explanation.blockers:
        yield from _blocked(blocker, "blocked by", told)
    if explanation.cause in {Cause.NO_PROMPT, Cause.SELECTED}:
        yield from _selected(explanation.selectors)
    yield from (f"note: {note}" for note in explanation.notes)


def _blocked(blocker: Blocker, words: str, told: set[str]) -> Iterator[str]:
    if len(blocker.leaves) > 1:
        yield f"{words} all of these, one would do:"
        for leaf in blocker.leaves:
            yield from (f"  {line}" for line in _leaf(leaf, "-", told))
    else:
        for leaf in blocker.leaves:
            yield from _leaf(leaf, words, told)


def _leaf(leaf: Leaf, words: str, told: set[str]) -> Iterator[str]:
    """Yield a leaf and its own blockers, each once (`told`)."""
    value = "" if leaf.expression.startswith("!") else f" [={leaf.value}]"
    if leaf.expression in told:
        yield f"{words} {_cut(leaf.expression)}{value}: see above"
        return
    told.add(leaf.expression)
    where = f" ({_some(leaf.defined)})" if leaf.defined else ""
    yield f"{words} {_cut(leaf.expression)}{value}{where}: {leaf.reason}"
    yield from (f"  {line}" for line in _selected(leaf.selectors))
    for blocker in leaf.because:
        yield from (f"  {line}" for line in _blocked(blocker, "which is blocked by", told))


def _selected(selectors: Sequence[Selector]) -> Iterator[str]:
    for selector in selectors[:SHOWN]:
        condition = f" if {_cut(selector.condition)}" if selector.condition else ""
        value = f" [={selector.value}]" if selector.value is not None else ""
        unread = ", not read here" if selector.value is None else ""
        yield f"selected by {selector.symbol}{value}{condition} ({selector.where}{unread})"
    if len(selectors) > SHOWN:
        yield f"and by {len(selectors) - SHOWN} more"


def _ways_out(explanation: Explanation) -> Iterator[str]:
    target = explanation.target
    verdict = f" ({explanation.verdict})" if explanation.verdict else ""
    if explanation.cause is Cause.UNREADABLE:
        if explanation.verdict:
            yield explanation.verdict
        return
    if explanation.assignments is None:
        yield f"nothing in a configuration of {target} can make it {explanation.requested}{verdict}"
    elif explanation.assignments:
        yield f"what gives it on {target}{verdict}:"
        yield from (f"  {config_line(name, value)}" for name, value in explanation.assignments)
        yield from (f"in place of {each}" for each in explanation.overridden)
    elif explanation.verdict:
        yield explanation.verdict
    others = [name for name in explanation.targets if name != target]
    if explanation.cause is not Cause.UNDEFINED:
        yield f"other targets that can have it: {', '.join(others) if others else 'none'}"


def _some(places: Sequence[str]) -> str:
    shown = ", ".join(places[:SHOWN])
    return f"{shown} and {len(places) - SHOWN} more" if len(places) > SHOWN else shown


def _cut(expression: str) -> str:
    return expression if len(expression) <= WIDTH else f"{expression[:WIDTH]} …"
