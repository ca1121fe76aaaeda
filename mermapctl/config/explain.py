# SPDX-License-Identifier: GPL-2.0-only
"""Why symbols are not what a fragment requests, and which assignments change that.

kconfiglib explains; the tree's own olddefconfig verifies every proposal.
"""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kconfiglib import TYPE_TO_STR, expr_items, expr_value

from mermapctl.config import kconfig, olddefconfig, solver, target, toolchain
from mermapctl.config.blockers import Scene, cause_of
from mermapctl.config.explanation import Blocker, Cause, Explanation, Value
from mermapctl.config.fragment import Assignment, Fragment, config_line, overlay
from mermapctl.config.kconfig import Model, Setting, UnreadableError
from mermapctl.config.target import Target
from mermapctl.errors import HarnessError

NEAR = 5
FOLLOWED = 200
"""Symbols searched for the files that another target must read."""


@dataclass(frozen=True, slots=True)
class Question:
    """Symbols and values requested of a tree, over the lines of a fragment on a target.

    From `until` on (time.monotonic()) olddefconfig is not run any more.
    """

    tree: Path
    target: Target
    fragment: Fragment
    until: float | None = None

    def given(self) -> tuple[Assignment, ...]:
        """Return kunit.py's lines for this target, then the fragment."""
        own = target.own_lines(self.target)
        return overlay(own, self.fragment).assignments

    def assigned(self) -> tuple[Setting, ...]:
        """Return the same in kconfiglib's form."""
        return tuple((each.symbol, bare(each.value)) for each in self.given())

    def lines(self, added: Sequence[Setting]) -> str:
        """Return a .config of these lines and the added ones; of two lines the later one counts."""
        every = [(each.symbol, each.value) for each in self.given()]
        return "".join(f"{config_line(*each)}\n" for each in (*every, *added))


def bare(value: str) -> str:
    """Return a value in kconfiglib's form: a string without its quotes."""
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def why(
    tree: Path,
    target: Target,
    symbols: Sequence[str],
    fragment: Fragment,
    *,
    verify: bool = True,
    patience: float | None = None,
) -> tuple[Explanation, ...]:
    """Explain symbols, each `NAME=VALUE`, or `NAME`: the fragment's m, number or text, else y.

    With `verify` the proposals are run through the tree's olddefconfig (3 to 7 s), as long as
    the `patience` lasts (seconds).
    """
    until = None if patience is None else time.monotonic() + patience
    question = Question(tree, target, fragment, until)
    asked = tuple(_asked(text, fragment) for text in symbols)
    try:
        model = kconfig.read(tree, target)
    except UnreadableError as error:
        return _unreadable(question, asked, str(error))
    found = tuple(_explained(question, model, each) for each in asked)
    found = _with_targets(question, model, found)
    return verified(question, found) if verify else found


def causes(
    tree: Path, target: Target, symbols: Sequence[str], fragment: Fragment
) -> tuple[Explanation, ...]:
    """Return only what blocks each symbol, quickly, without proposals. Raises UnreadableError."""
    question = Question(tree, target, fragment)
    model = kconfig.read(tree, target)
    return tuple(_blocked(question, model, _asked(each, fragment)) for each in symbols)


def _asked(text: str, fragment: Fragment) -> Setting:
    name, has_value, value = text.partition("=")
    name = name.removeprefix("CONFIG_")
    if has_value:
        return name, value
    given = fragment.value(name)
    # A user who asks about a symbol that the fragment turns off wants to turn it on.
    return name, "y" if given in {None, "n"} else str(given)


def _unreadable(
    question: Question, asked: Sequence[Setting], complaint: str
) -> tuple[Explanation, ...]:
    """Return requested and resolved value, by olddefconfig, and the parser's complaint."""
    given: Mapping[str, str] = {}
    verdict = None
    try:
        given = _resolve(question, asked)
    except HarnessError as error:
        verdict = error.message
    return tuple(
        Explanation(
            symbol=name,
            requested=value,
            resolved=given.get(name),
            target=question.target.name,
            cause=Cause.UNREADABLE,
            summary=f"olddefconfig gives {given.get(name, 'no value')}; why cannot be said, since "
            "this tree's Kconfig defeats the parser",
            verdict=verdict,
            complaint=complaint,
        )
        for name, value in asked
    )


def _resolve(question: Question, added: Sequence[Setting]) -> Mapping[str, str]:
    """Run olddefconfig. Raises HarnessError, also where the time is up."""
    chain = toolchain.of(question.target)
    limit = olddefconfig.LIMIT
    if question.until is not None:
        limit = min(limit, question.until - time.monotonic())
    if limit <= 0:
        raise HarnessError("olddefconfig took too long before")
    return olddefconfig.resolve(
        question.tree, question.target, chain, question.lines(added), limit=limit
    )


def _explained(question: Question, model: Model, asked: Setting) -> Explanation:
    """Return what blocks a symbol, and the fewest assignments that give it."""
    explanation = _blocked(question, model, asked)
    name, value = asked
    if model.symbol(name) is None:
        return explanation
    given = question.assigned()
    near = frozenset(_named_in(explanation.blockers)) | {name}
    solved = solver.solve(model, given, (name, bare(value)), near)
    if solved is None:
        return explanation
    return replace(
        explanation,
        assignments=_written(model, solved),
        overridden=_overridden(question, model, (*solved, (name, bare(value)))),
    )


def _blocked(question: Question, model: Model, asked: Setting) -> Explanation:
    name, value = asked
    given = question.assigned()
    model.assign((*given, (name, bare(value))))
    symbol = model.symbol(name)
    if symbol is None:
        return _undefined(question, model, asked)
    scene = Scene(model, {each.symbol: each.origin for each in question.given()})
    kind, leaf = cause_of(scene, symbol, bare(value))
    return Explanation(
        symbol=name,
        requested=value,
        resolved=model.value(name),
        target=question.target.name,
        cause=kind,
        summary=leaf.reason,
        kind=TYPE_TO_STR[symbol.orig_type],
        prompt=kconfig.prompt(symbol),
        defined=kconfig.places_of(symbol),
        dependency=kconfig.text(kconfig.without_choice(symbol), values=True),
        leaves=tuple(
            Value(kconfig.text(each), kconfig.tri(expr_value(each)))
            for each in kconfig.leaves(symbol.direct_dep)
        ),
        blockers=leaf.because,
        selectors=leaf.selectors or model.selectors(symbol),
        notes=_notes(model, symbol),
    )


def _overridden(question: Question, model: Model, added: Sequence[Setting]) -> tuple[str, ...]:
    """Return lines of the fragment that a proposal contradicts or drops, each with its origin."""
    given = question.given()
    model.assign(question.assigned())
    held = {each.symbol for each in given if model.value(each.symbol) == bare(each.value)}
    model.assign((*question.assigned(), *added))
    wanted = dict(added)
    return tuple(
        f"{each.line()} ({each.origin})"
        for each in given
        if wanted.get(each.symbol, bare(each.value)) != bare(each.value)
        or (each.symbol in held and model.value(each.symbol) != bare(each.value))
    )


def _named_in(blockers: Sequence[Blocker]) -> Iterator[str]:
    """Return symbols of an explanation, which a proposal should prefer."""
    for blocker in blockers:
        for leaf in blocker.leaves:
            yield from re.findall(r"\w+", leaf.expression)
            yield from _named_in(leaf.because)


def _written(model: Model, solved: Sequence[Setting]) -> tuple[Setting, ...]:
    """Return the assignments with values in a kunitconfig's form."""
    written = []
    for name, value in solved:
        is_text = TYPE_TO_STR[model.symbol(name).orig_type] == "string"
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        written.append((name, f'"{quoted}"' if is_text else value))
    return tuple(written)


def _undefined(question: Question, model: Model, asked: Setting) -> Explanation:
    name, value = asked
    target = question.target.name
    defined, _ = kconfig.elsewhere(model, name)
    if value == "n":
        kind, summary = Cause.SATISFIED, f"nothing that {target} reads defines it, which is n"
    elif defined:
        kind = Cause.OTHER_ARCHITECTURE
        summary = f"nothing that {target} reads defines it, only another architecture"
    else:
        kind, summary = Cause.UNDEFINED, "this tree's Kconfig has no symbol of this name"
    return Explanation(
        symbol=name,
        requested=value,
        resolved=None,
        target=target,
        cause=kind,
        summary=summary,
        defined=defined,
        near=() if defined else _near(model, name),
    )


def _near(model: Model, name: str) -> tuple[str, ...]:
    """Return symbols with a similar name, best first: misspelt, or words in another order."""
    known = [symbol.name for symbol in model.kconf.unique_defined_syms]
    words = set(name.upper().split("_"))
    reordered = [each for each in known if set(each.split("_")) == words]
    # difflib compares each of 18,000 names; skip those of another length.
    comparable = [each for each in known if abs(len(each) - len(name)) <= 3]
    close = difflib.get_close_matches(name.upper(), comparable, n=NEAR, cutoff=0.75)
    longer = [each for each in known if len(name) > 5 and name.upper() in each]
    return tuple(dict.fromkeys((*reordered, *close, *sorted(longer, key=len))))[:NEAR]


def _notes(model: Model, symbol: Any) -> tuple[str, ...]:
    notes = []
    if symbol.name in model.kconf.account.transitional:
        notes.append("it is transitional: an old name that only hands its value on to a new one")
    if model.chain.wanted:
        notes.append(
            f"{model.chain.wanted} is not installed: what depends on the compiler was asked of "
            f"{model.chain.cc}"
        )
    return tuple(notes)


def _with_targets(
    question: Question, model: Model, found: Sequence[Explanation]
) -> tuple[Explanation, ...]:
    """Add the tree's targets that could give what was requested."""
    able: dict[str, list[str]] = {each.symbol: [] for each in found}
    files = {name for each in found for name in _files_near(model, each.symbol)}
    for name, other in target.targets(question.tree).items():
        if name == question.target.name:
            here = [each.symbol for each in found if each.assignments is not None]
        else:
            here = _given_by(replace(question, target=other), model, files, found)
        for symbol in here:
            able[symbol].append(name)
    return tuple(replace(each, targets=tuple(able[each.symbol])) for each in found)


def _given_by(
    question: Question, model: Model, files: set[str], found: Sequence[Explanation]
) -> list[str]:
    """Return the symbols that another target could give."""
    try:
        part = kconfig.read_part(model, question.target, files)
    except UnreadableError:
        return []
    given = question.assigned()
    return [
        each.symbol
        for each in found
        if solver.solve(part, given, (each.symbol, bare(each.requested))) is not None
    ]


def _files_near(model: Model, name: str) -> set[str]:
    """Return files that define a symbol's dependencies, a few steps far, or source those."""
    symbol = model.symbol(name)
    waiting = [symbol] if symbol is not None else []
    seen: set[int] = set()
    files: set[str] = set()
    while waiting and len(seen) < FOLLOWED:
        item = waiting.pop(0)
        if id(item) in seen:
            continue
        seen.add(id(item))
        for node in item.nodes:
            # drivers/gpu/drm/Kconfig, for one, is sourced from drivers/video/Kconfig.
            files.update((node.filename, *(name for name, _ in node.include_path)))
        conditions = [item.direct_dep, *(node.prompt[1] for node in item.nodes if node.prompt)]
        conditions += [part for default in item.defaults for part in default]
        waiting += [each for part in conditions for each in expr_items(part) if each.nodes]
    return files


def verified(question: Question, found: Sequence[Explanation]) -> tuple[Explanation, ...]:
    """Verify the proposals by olddefconfig: all at once, then the failed ones one by one.

    Without a proposal, requests the symbol itself, which must keep its value.
    """
    together = [pair for each in found for pair in _asked_for(each)]
    checked: Sequence[Explanation] = found
    if len(found) > 1 and len(dict(together)) == len(set(together)):
        checked = _checked(question, found, together)
    return tuple(
        each if each.verified else _checked(question, [each], _asked_for(each))[0]
        for each in checked
    )


def _asked_for(explanation: Explanation) -> list[Setting]:
    own = (explanation.symbol, explanation.requested)
    return [*(each for each in explanation.assignments or () if each[0] != own[0]), own]


def _checked(
    question: Question, found: Sequence[Explanation], added: Sequence[Setting]
) -> tuple[Explanation, ...]:
    try:
        given = _resolve(question, added)
    except HarnessError as error:
        return tuple(replace(each, verdict=f"not verified: {error.message}") for each in found)
    return tuple(_judged(each, given.get(each.symbol)) for each in found)


def _judged(explanation: Explanation, value: str | None) -> Explanation:
    holds = (value or "n") == explanation.requested
    expected = explanation.assignments is not None
    shown = value or "no value"
    if holds == expected:
        verdict = f"this tree's olddefconfig gives {shown}"
    elif expected:
        verdict = f"this tree's olddefconfig gives {shown} all the same: believe it, not the above"
    else:
        verdict = f"this tree's olddefconfig does give {shown}: believe it, not the above"
    return replace(explanation, verified=holds == expected, verdict=verdict)
