# SPDX-License-Identifier: GPL-2.0-only
"""The smallest set of assignments that gives a symbol a value, by kconfiglib.

Searches the expressions with a budget of assignments that grows from one; evaluates the whole
Kconfig with each proposal, and drops assignments that it does not need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kconfiglib import (
    AND,
    BOOL,
    EQUAL,
    GREATER,
    GREATER_EQUAL,
    LESS,
    LESS_EQUAL,
    NOT,
    OR,
    STR_TO_TRI,
    UNEQUAL,
    Choice,
    expr_value,
)

from mermapctl.config.kconfig import Model, Setting, is_tri, operands, tri

LARGEST = 12
"""Assignments; a longer answer is of no use."""
KEPT = 6
"""Alternatives kept from each part of an expression."""
STEPS = 40_000
"""Expressions searched for one budget; about a second."""
DEPTH = 40
_OPPOSITE = {
    EQUAL: UNEQUAL,
    UNEQUAL: EQUAL,
    LESS: GREATER_EQUAL,
    GREATER_EQUAL: LESS,
    GREATER: LESS_EQUAL,
    LESS_EQUAL: GREATER,
}
_MIRRORED = {LESS: GREATER, GREATER: LESS, LESS_EQUAL: GREATER_EQUAL, GREATER_EQUAL: LESS_EQUAL}

Ways = list[frozenset[Setting]]
_NOTHING: frozenset[Setting] = frozenset()


def _consistent(ways: frozenset[Setting]) -> bool:
    return len({name for name, _ in ways}) == len(ways)


def _best(ways: Iterable[frozenset[Setting]]) -> Ways:
    """Return the few smallest, without those that contain another one."""
    found: Ways = []
    for way in sorted(set(ways), key=lambda each: (len(each), sorted(each))):
        if not any(smaller <= way for smaller in found):
            found.append(way)
        if len(found) == KEPT:
            break
    return found


class _Search:
    """One search under one budget, over the model's current values."""

    def __init__(self, model: Model, budget: int) -> None:
        self.model = model
        self.budget = budget
        self.steps = 0
        self.known: dict[tuple[int, int, bool], Ways] = {}
        self.open: set[tuple[int, int, bool]] = set()
        self.cut = 0

    def both(self, first: Ways, rest: Callable[[], Ways]) -> Ways:
        """Return every way that satisfies both."""
        if not first:
            return []
        second = rest()
        return _best(
            joined
            for left in first
            for right in second
            if len(joined := left | right) <= self.budget and _consistent(joined)
        )

    def every(self, parts: list[Any], ways_of: Callable[[Any], Ways]) -> Ways:
        """Return every way that satisfies all parts, in a loop: a symbol may have 1,000 selects."""
        ways: Ways = [_NOTHING]
        for part in parts:
            ways = self.both(ways, lambda p=part: ways_of(p))  # type: ignore[misc]
            if not ways:
                break
        return ways

    def at_least(self, expr: Any, want: int) -> Ways:
        """Return ways to make an expression m (1) or y (2)."""
        if expr_value(expr) >= want:
            return [_NOTHING]
        if not isinstance(expr, tuple):
            return self._once(expr, want, up=True)
        if expr[0] is AND:
            return self.every(operands(expr, AND), lambda part: self.at_least(part, want))
        if expr[0] is OR:
            parts = operands(expr, OR)
            return _best(way for part in parts for way in self.at_least(part, want))
        if expr[0] is NOT:
            return self.at_most(expr[1], 2 - want)
        return self._related(expr[0], expr[1], expr[2])

    def at_most(self, expr: Any, limit: int) -> Ways:
        """Return ways to make an expression n (0) or no more than m (1)."""
        if expr_value(expr) <= limit:
            return [_NOTHING]
        if not isinstance(expr, tuple):
            return self._once(expr, limit, up=False)
        if expr[0] is AND:
            parts = operands(expr, AND)
            return _best(way for part in parts for way in self.at_most(part, limit))
        if expr[0] is OR:
            return self.every(operands(expr, OR), lambda part: self.at_most(part, limit))
        if expr[0] is NOT:
            return self.at_least(expr[1], 2 - limit)
        return self._related(_OPPOSITE[expr[0]], expr[1], expr[2])

    def _once(self, item: Any, value: int, *, up: bool) -> Ways:
        """Search a symbol or choice once, and never inside itself."""
        key = (id(item), value, up)
        if key in self.known:
            return self.known[key]
        self.steps += 1
        if key in self.open or self.steps > STEPS or len(self.open) > DEPTH:
            self.cut += 1
            return []
        self.open.add(key)
        cut = self.cut
        raise_, lower = self._raise, self._lower
        ways = raise_(item, value) if up else lower(item, value)
        self.open.discard(key)
        if self.cut == cut:  # complete: no open symbol was skipped in it
            self.known[key] = ways
        return ways

    def _raise(self, item: Any, want: int) -> Ways:
        if isinstance(item, Choice):
            return self.visible(item, want)
        if not item.nodes or item.is_constant or not is_tri(item):
            return []
        if item.type is BOOL or item.orig_type is BOOL:
            want = 2
        ways = self._assigned(item, want)
        if item.choice:
            return _best(ways)
        if not ways:
            ways = [*self._selected(item, want), *self._by_default(item, want)]
        return _best(ways)

    def visible(self, item: Any, want: int) -> Ways:
        """Return ways to make one of its prompts visible."""
        return _best(
            way for node in item.nodes if node.prompt for way in self.at_least(node.prompt[1], want)
        )

    def _assigned(self, item: Any, value: int) -> Ways:
        own = frozenset({(item.name, tri(value))})
        return self.both([own], lambda: self.visible(item, max(value, 1)))

    def _selected(self, item: Any, want: int) -> Ways:
        """Return ways by a select of a reachable symbol, within the symbol's own dependencies."""
        return self.both(
            self.at_least(item.rev_dep, want), lambda: self.at_least(item.direct_dep, want)
        )

    def _by_default(self, item: Any, want: int) -> Ways:
        """Return ways by the first default that applies, or an imply."""
        found = []
        before: Ways = [_NOTHING]
        for value, condition in item.defaults:
            if not before:
                break
            here = self.both(before, lambda c=condition: self.at_least(c, want))  # type: ignore[misc]
            found += self.both(here, lambda v=value: self.at_least(v, want))  # type: ignore[misc]
            before = self.both(before, lambda c=condition: self.at_most(c, 0))  # type: ignore[misc]
        found += self.both(
            self.at_least(item.weak_rev_dep, want), lambda: self.at_least(item.direct_dep, want)
        )
        return found

    def _lower(self, item: Any, limit: int) -> Ways:
        if isinstance(item, Choice) or item.is_constant or not item.nodes:
            return []
        unselected = self.at_most(item.rev_dep, limit)
        if item.choice:
            return self._other_chosen(item)
        if item.visibility:
            ways = [frozenset({(item.name, tri(limit))})]
        else:
            shown = self.visible(item, 1)
            ways = [way | {(item.name, tri(limit))} for way in shown if len(way) < self.budget]
            ways += self._without_default(item, limit)
        ways += self.at_most(item.direct_dep, limit)
        return self.both(unselected, lambda: _best(ways))

    def _without_default(self, item: Any, limit: int) -> Ways:
        ways: Ways = self.at_most(item.weak_rev_dep, limit)
        for value, condition in item.defaults:
            if expr_value(condition):
                ways = self.both(
                    ways,
                    lambda v=value, c=condition: [  # type: ignore[misc]
                        *self.at_most(c, limit),
                        *self.at_most(v, limit),
                    ],
                )
        return ways

    def _other_chosen(self, item: Any) -> Ways:
        others = [other for other in item.choice.syms if other is not item]
        return _best(way for other in others for way in self._assigned(other, 2))

    def _related(self, operator: int, left: Any, right: Any) -> Ways:
        """Return ways to make `left OP right` true by assigning the side that is no constant."""
        if left.is_constant or not left.nodes:
            left, right = right, left
            operator = _MIRRORED.get(operator, operator)
        if left.is_constant or not left.nodes:
            return []
        if is_tri(left):
            value = STR_TO_TRI.get(right.str_value)
            if value is None or operator not in {EQUAL, UNEQUAL}:
                return []
            return self._tri_related(left, value, equal=operator is EQUAL)
        wanted = _number_for(operator, right.str_value)
        if wanted is None or not left.nodes:
            return []
        own = frozenset({(left.name, wanted)})
        return self.both([own], lambda: self.visible(left, 1))

    def exactly_m(self, item: Any) -> Ways:
        """Return ways to m: a tristate, modules, and no selector at y."""
        if item.orig_type is BOOL or not item.nodes:
            return []
        own = frozenset({(item.name, "m")})
        shown = self.both([own], lambda: self.visible(item, 1))
        with_modules = self.both(shown, lambda: self.at_least(self.model.kconf.modules, 2))
        return self.both(with_modules, lambda: self.at_most(item.rev_dep, 1))

    def _tri_related(self, item: Any, value: int, *, equal: bool) -> Ways:
        if equal and value == 1:
            return self.exactly_m(item)
        if equal:
            return self.at_least(item, 2) if value else self.at_most(item, 0)
        below = self.at_most(item, value - 1) if value else []
        return _best([*below, *(self.at_least(item, value + 1) if value < 2 else [])])


def _number_for(operator: int, bound: str) -> str | None:
    """Return a value in this relation to `bound`; for text only equality can be made."""
    if operator in {EQUAL, LESS_EQUAL, GREATER_EQUAL}:
        return bound
    base = 16 if bound.lower().startswith("0x") else 10
    try:
        number = int(bound, base) + (-1 if operator is LESS else 1)
    except ValueError:
        return None
    return hex(number) if base == 16 else str(number)


def satisfied(model: Model, name: str, value: str) -> bool:
    """Return whether the symbol has the value, under the model's latest assignments."""
    return model.value(name) == value


def _proposals(model: Model, name: str, value: str, budget: int) -> Ways:
    symbol = model.symbol(name)
    search = _Search(model, budget)
    if not is_tri(symbol):
        own = frozenset({(name, value)})
        return search.both([own], lambda: search.visible(symbol, 1))
    want = STR_TO_TRI[value]
    if want == 0:
        return search.at_most(symbol, 0)
    if want == 1:
        return search.exactly_m(symbol)
    return search.at_least(symbol, 2)


def solve(
    model: Model,
    given: Sequence[Setting],
    goal: Setting,
    near: frozenset[str] = frozenset(),
) -> tuple[Setting, ...] | None:
    """Return the fewest assignments to add to `given` (they win over it) that reach `goal`.

    Of several sets of one size, prefers symbols of `near`, then the one that keeps most of `given`.
    None where the search finds none. Resets the model's values to those of `given`.
    """
    symbol = model.symbol(goal[0])
    if symbol is None or (is_tri(symbol) and goal[1] not in STR_TO_TRI):
        return None

    def cost(added: Sequence[Setting]) -> tuple[int, int, int]:
        strange = sum(name not in near for name, _ in added)
        return len(added), strange, _harm(model, given, added)

    try:
        for budget in range(1, LARGEST + 1):
            model.assign(given)
            proposals = _proposals(model, *goal, budget)
            tried = [_tried(model, given, proposal, goal) for proposal in proposals]
            found = [each for each in tried if each is not None]
            if found:
                return min(found, key=cost)
    finally:
        model.assign(given)
    return None


def _harm(model: Model, given: Sequence[Setting], added: Sequence[Setting]) -> int:
    """Count the given assignments that no longer apply."""
    model.assign((*given, *added))
    return sum(
        model.symbol(name) is not None and not satisfied(model, name, value)
        for name, value in given
    )


def _tried(
    model: Model,
    given: Sequence[Setting],
    proposal: frozenset[Setting],
    goal: Setting,
    *,
    again: int = 2,
) -> tuple[Setting, ...] | None:
    """Return the proposal without needless assignments, if it works; one may upset another."""
    model.assign((*given, *proposal))
    if satisfied(model, *goal):
        return _trimmed(model, given, proposal, goal)
    if again:
        for more in _proposals(model, *goal, budget=LARGEST)[:2]:
            joined = more | proposal
            if more and _consistent(joined):
                found = _tried(model, given, joined, goal, again=again - 1)
                if found is not None:
                    return found
            model.assign((*given, *proposal))
    return None


def _trimmed(
    model: Model, given: Sequence[Setting], proposal: frozenset[Setting], goal: Setting
) -> tuple[Setting, ...]:
    """Drop the assignments without effect; try the symbol itself last."""
    kept = sorted(proposal, key=lambda each: (each[0] == goal[0], each))
    for each in list(kept):
        fewer = [other for other in kept if other is not each]
        model.assign((*given, *fewer))
        if satisfied(model, *goal):
            kept = fewer
    return tuple(kept)
