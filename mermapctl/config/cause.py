# SPDX-License-Identifier: GPL-2.0-only
"""The kind of obstacle that keeps a symbol from a value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kconfiglib import BOOL, STR_TO_TRI, TYPE_TO_STR, expr_value

from mermapctl.config import blockers, kconfig
from mermapctl.config.explanation import Blocker, Cause, Leaf

if TYPE_CHECKING:
    from mermapctl.config.blockers import Scene


def of(scene: Scene, symbol: Any, value: str) -> tuple[Cause, Leaf]:
    """The kind of obstacle, and the symbol as a leaf that tells it in full."""
    if symbol.str_value == value:
        return Cause.SATISFIED, _told(symbol, "asking for it is enough")
    if not kconfig.is_tri(symbol):
        return _of_text(scene, symbol, value)
    if value not in STR_TO_TRI or (value == "m" and symbol.orig_type is BOOL):
        kind = TYPE_TO_STR[symbol.orig_type]
        return Cause.TYPE, _told(symbol, f"it is a {kind}, which cannot be {value}")
    want = STR_TO_TRI[value]
    if symbol.tri_value < want:
        return _of_less(symbol, want), blockers.of_symbol(scene, symbol, want, up=True)
    return _of_more(scene, symbol, want)


def _of_more(scene: Scene, symbol: Any, want: int) -> tuple[Cause, Leaf]:
    leaf = blockers.of_symbol(scene, symbol, want, up=False)
    if expr_value(symbol.rev_dep) > want:
        return Cause.SELECTED, leaf
    if want == 1 and not scene.model.kconf.modules.tri_value:
        because = blockers.blockers(scene, scene.model.kconf.modules, 2)
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
    """Numbers and strings: a form, a prompt, a range."""
    if not expr_value(symbol.direct_dep):
        because = blockers.blockers(scene, symbol.direct_dep, 1)
        return Cause.DEPENDENCY, _told(symbol, "its dependencies fail", because)
    if not symbol.visibility:
        conditions = [node.prompt[1] for node in symbol.nodes if node.prompt]
        if not conditions:
            return Cause.NO_PROMPT, _told(symbol, "it has no prompt and follows its default")
        because = blockers.blockers(scene, conditions[0], 1)
        return Cause.HIDDEN_PROMPT, _told(symbol, "its prompt is hidden", because)
    for low, high, condition in symbol.ranges:
        if expr_value(condition):
            limits = f"{low.str_value} to {high.str_value}"
            return Cause.RANGE, _told(symbol, f"{value} is not in its range here, {limits}")
    kind = TYPE_TO_STR[symbol.orig_type]
    return Cause.TYPE, _told(symbol, f"{value!r} is no value for a symbol of type {kind}")
