# SPDX-License-Identifier: GPL-2.0-only
"""The leaves of an expression that make it false, and why each has its value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kconfiglib import AND, BOOL, NOT, OR, STR_TO_TRI, TYPE_TO_STR, Choice, expr_value

from mermapctl.config import host_tests, kconfig
from mermapctl.config.explanation import Blocker, Cause, Leaf
from mermapctl.config.kconfig import Model, Selector

DEPTH = 4
"""Depth to which the dependencies of a blocking leaf are followed."""
ALTERNATIVES = 8
"""Leaves of an `A || B || …` that are described one by one."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A model with its values, and the place of each assignment of the fragment (FILE:LINE).

    `owner` is the symbol or choice whose expressions are examined.
    """

    model: Model
    origins: Mapping[str, str] = field(default_factory=dict)
    owner: Any = None


@dataclass(frozen=True, slots=True)
class _Aim:
    """The value that a part must reach: at least `value` (up) or at most (not up)."""

    value: int
    up: bool

    def met(self, expr: Any) -> bool:
        have = expr_value(expr)
        return bool(have >= self.value if self.up else have <= self.value)

    def negated(self) -> _Aim:
        return _Aim(2 - self.value, not self.up)


def blockers(scene: Scene, expr: Any, want: int) -> tuple[Blocker, ...]:
    """Return what keeps an expression below m (1) or y (2)."""
    return _blockers(scene, expr, _Aim(want, up=True), 0)


def of_symbol(scene: Scene, symbol: Any, value: int, *, up: bool) -> Leaf:
    """Explain why a symbol is below (up) or above (not up) a value."""
    return _leaf(scene, symbol, symbol, _Aim(value, up), 0)


def _blockers(scene: Scene, expr: Any, aim: _Aim, depth: int) -> tuple[Blocker, ...]:
    if aim.met(expr):
        return ()
    if isinstance(expr, tuple) and expr[0] is NOT:
        if not isinstance(expr[1], tuple):
            return (Blocker((_leaf(scene, expr, expr[1], aim, depth),)),)
        return _blockers(scene, expr[1], aim.negated(), depth)
    if isinstance(expr, tuple) and expr[0] in {AND, OR}:
        parts = kconfig.operands(expr, expr[0])
        every = [_blockers(scene, part, aim, depth) for part in parts]
        if (expr[0] is AND) is aim.up:  # all of them are needed
            return _distinct(blocker for found in every for blocker in found)
        leaves = {
            leaf.expression: leaf for found in every for each in found for leaf in each.leaves
        }
        return (Blocker(tuple(leaves.values())[:ALTERNATIVES]),)
    return (Blocker((_leaf(scene, expr, expr, aim, depth),)),)


def _distinct(found: Iterable[Blocker]) -> tuple[Blocker, ...]:
    by_text = {tuple(leaf.expression for leaf in each.leaves): each for each in found}
    return tuple(by_text.values())


def _leaf(scene: Scene, whole: Any, item: Any, aim: _Aim, depth: int) -> Leaf:
    """Describe a leaf; `whole` includes a negation, `item` is the symbol, choice or relation."""
    if whole is not item:
        aim = aim.negated()
    reason, selectors, because = (
        _relation(scene, item) if isinstance(item, tuple) else _reason(scene, item, aim, depth)
    )
    defined: tuple[str, ...] = ()
    if not isinstance(item, tuple):
        defined = kconfig.places_of(item)
        if not defined and not (isinstance(item, Choice) or item.is_constant):
            defined = kconfig.elsewhere(scene.model, item.name)[0]
    expression = kconfig.text(whole)
    if not isinstance(item, tuple | Choice) and item.is_constant:
        tests = host_tests.of_conditions(scene.model, scene.owner)
        expression = " or ".join(tests) or "a test of the compiler or the host"
    return Leaf(
        expression=expression,
        value=kconfig.tri(expr_value(item))
        if isinstance(item, tuple)
        else kconfig.shown_value(item),
        needed=kconfig.tri(aim.value),
        reason=reason,
        defined=defined,
        selectors=selectors,
        because=because,
    )


_Why = tuple[str, tuple["Selector", ...], tuple[Blocker, ...]]


def _relation(scene: Scene, relation: Any) -> _Why:
    sides = []
    for side in relation[1:]:
        if side.is_constant or kconfig.is_number(side):
            continue
        value = kconfig.shown_value(side)
        tests = host_tests.of(scene.model, side)
        asked = f", {host_tests.told(tests, value)}" if tests else ""
        sides.append(f"{side.name} is {value}{asked}")
    # `"$(ARCH)" = "x86"` contains nothing that a configuration can change.
    return " and ".join(sides) or "the target itself decides it", (), ()


def _reason(scene: Scene, item: Any, aim: _Aim, depth: int) -> _Why:
    if not isinstance(item, Choice) and item.is_constant:
        tests = host_tests.of_conditions(scene.model, scene.owner)
        return host_tests.told(tests, kconfig.shown_value(item)), (), ()
    scene = replace(scene, owner=item)
    if isinstance(item, Choice):
        return "the choice cannot be seen", (), _prompt_blockers(scene, item, aim, depth)
    if not item.nodes:
        return f"no Kconfig file that {scene.model.target.name} reads defines it", (), ()
    if not kconfig.is_tri(item):
        return f"a {TYPE_TO_STR[item.orig_type]} counts as n in a dependency", (), ()
    if aim.up:
        return _raised(scene, item, aim, depth)
    return _lowered(scene, item, aim, depth)


def _raised(scene: Scene, item: Any, aim: _Aim, depth: int) -> _Why:
    """Explain why a symbol is not on."""
    if expr_value(item.direct_dep) < aim.value:
        limited = expr_value(item.direct_dep) == 1
        words = "can only reach m with these dependencies" if limited else "its dependencies fail"
        return words, (), _deeper(scene, item.direct_dep, aim, depth)
    if item.choice:
        chosen = item.choice.selection
        name = chosen.name if chosen else "nothing"
        return f"the {_named(item.choice)} has {name} chosen", (), ()
    if item.visibility >= aim.value:
        origin = scene.origins.get(item.name)
        return (f"{origin} asks for {item.str_value}" if origin else "nothing asks for it"), (), ()
    if any(node.prompt for node in item.nodes):
        return "its prompt is hidden", (), _prompt_blockers(scene, item, aim, depth)
    return _promptless(scene, item, aim, depth)


def _named(choice: Any) -> str:
    return f"choice {kconfig.title(choice)!r} ({kconfig.places_of(choice)[0]})"


def _promptless(scene: Scene, item: Any, aim: _Aim, depth: int) -> _Why:
    because: tuple[Blocker, ...]
    target = scene.model.target.name
    here = scene.model.selectors(item)
    others = kconfig.elsewhere(scene.model, item.name)[1]
    if here:
        # Explain one select that is off; an explanation of many would fill pages.
        because = _deeper(scene, item.rev_dep, aim, depth) if len(here) == 1 else ()
        return "it has no prompt: only a select turns it on", (*here, *others), because
    if tests := host_tests.of(scene.model, item):
        return f"it is {host_tests.told(tests, item.str_value)}", (), ()
    if item.defaults:
        because = ()
        if len(item.defaults) == 1:
            value, condition = item.defaults[0]
            because = _deeper(scene, (AND, condition, value), aim, depth)
        return "it has no prompt and follows its default", others, because
    return f"it has no prompt, and nothing that {target} reads selects it", others, ()


def _lowered(scene: Scene, item: Any, aim: _Aim, depth: int) -> _Why:
    """Explain why a symbol is on."""
    if expr_value(item.rev_dep) > aim.value:
        active = [each for each in scene.model.selectors(item) if each.value not in {None, "n"}]
        return "it is selected", tuple(active), ()
    origin = scene.origins.get(item.name)
    if item.choice:
        by = f", since {origin} asks for it" if origin else ""
        return f"it is what the {_named(item.choice)} has chosen{by}", (), ()
    if item.visibility and origin:
        return f"{origin} asks for it", (), ()
    if item.visibility:
        return "it is on by default", (), ()
    if any(node.prompt for node in item.nodes):
        because = _prompt_blockers(scene, item, _Aim(1, up=True), depth)
        return "it is on by default, and its prompt is hidden", (), because
    return "it has no prompt and is on by default", (), ()


def _deeper(scene: Scene, expr: Any, aim: _Aim, depth: int) -> tuple[Blocker, ...]:
    return _blockers(scene, expr, aim, depth + 1) if depth < DEPTH else ()


def _prompt_blockers(scene: Scene, item: Any, aim: _Aim, depth: int) -> tuple[Blocker, ...]:
    conditions = [node.prompt[1] for node in item.nodes if node.prompt]
    return _deeper(scene, conditions[0], aim, depth) if conditions else ()


def cause_of(scene: Scene, symbol: Any, value: str) -> tuple[Cause, Leaf]:
    """Return the kind of obstacle, and the symbol as a leaf with the full reason."""
    if symbol.str_value == value:
        return Cause.SATISFIED, _told(symbol, "asking for it is enough")
    if not kconfig.is_tri(symbol):
        return _of_text(scene, symbol, value)
    if value not in STR_TO_TRI or (value == "m" and symbol.orig_type is BOOL):
        kind = TYPE_TO_STR[symbol.orig_type]
        return Cause.TYPE, _told(symbol, f"it is a {kind}, which cannot be {value}")
    want = STR_TO_TRI[value]
    if symbol.tri_value < want:
        return _of_less(symbol, want), of_symbol(scene, symbol, want, up=True)
    return _of_more(scene, symbol, want)


def _of_more(scene: Scene, symbol: Any, want: int) -> tuple[Cause, Leaf]:
    leaf = of_symbol(scene, symbol, want, up=False)
    if expr_value(symbol.rev_dep) > want:
        return Cause.SELECTED, leaf
    if want == 1 and not scene.model.kconf.modules.tri_value:
        because = blockers(scene, scene.model.kconf.modules, 2)
        leaf = replace(leaf, reason="without MODULES there is no m", because=because)
        return Cause.MODULES, leaf
    if symbol.choice:
        return Cause.CHOICE, leaf
    hidden = kconfig.prompt(symbol) and not symbol.visibility
    return (Cause.HIDDEN_PROMPT if hidden else Cause.DEFAULT), leaf


def _of_less(symbol: Any, want: int) -> Cause:
    if expr_value(symbol.direct_dep) < want:
        return Cause.DEPENDENCY
    if symbol.choice:
        return Cause.CHOICE
    if kconfig.prompt(symbol) is None:
        return Cause.NO_PROMPT
    return Cause.HIDDEN_PROMPT if symbol.visibility < want else Cause.UNKNOWN


def _told(symbol: Any, reason: str, because: tuple[Blocker, ...] = ()) -> Leaf:
    return Leaf(symbol.name, symbol.str_value, "", reason, because=because)


def _of_text(scene: Scene, symbol: Any, value: str) -> tuple[Cause, Leaf]:
    """Explain a number or string: its form, prompt or range."""
    if not expr_value(symbol.direct_dep):
        because = blockers(scene, symbol.direct_dep, 1)
        return Cause.DEPENDENCY, _told(symbol, "its dependencies fail", because)
    if not symbol.visibility:
        conditions = [node.prompt[1] for node in symbol.nodes if node.prompt]
        if not conditions:
            return Cause.NO_PROMPT, _told(symbol, "it has no prompt and follows its default")
        because = blockers(scene, conditions[0], 1)
        return Cause.HIDDEN_PROMPT, _told(symbol, "its prompt is hidden", because)
    for low, high, condition in symbol.ranges:
        if expr_value(condition):
            limits = f"{low.str_value} to {high.str_value}"
            return Cause.RANGE, _told(symbol, f"{value} is not in its range here, {limits}")
    kind = TYPE_TO_STR[symbol.orig_type]
    return Cause.TYPE, _told(symbol, f"{value!r} is no value for a symbol of type {kind}")
