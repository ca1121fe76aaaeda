# SPDX-License-Identifier: GPL-2.0-only
"""Symbols of a fragment that a tree and target do not give, each with `config explain`'s text.

For `run` and `config check`. An explanation may fail, or be cut short; the symbol stays missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mermapctl.config import explain, explanation, fragment, olddefconfig, target, toolchain
from mermapctl.config.fragment import Fragment, MissingSymbol
from mermapctl.config.kconfig import UnreadableError
from mermapctl.config.target import Target

FULL = 6
"""Symbols explained in full; for the others only what blocks them is printed."""
PATIENCE = 60.0
"""Seconds for olddefconfig to verify all proposals; it needs 2 to 7 of them."""


def resolved(tree: Path, where: Target, asked: Fragment) -> tuple[MissingSymbol, ...]:
    """Return what olddefconfig does not give of a fragment and of kunit.py's lines, unexplained.

    Raises HarnessError where make fails.
    """
    whole = fragment.overlay(target.own_lines(where), asked)
    given = olddefconfig.resolve(tree, where, toolchain.of(where), whole.text())
    return fragment.unmet(whole, given)


def told(
    tree: Path, where: Target, asked: Fragment, missing: Sequence[MissingSymbol]
) -> tuple[MissingSymbol, ...]:
    """Add to each symbol why this tree and target do not give it.

    Never raises, except on an ending signal; a failed explanation is recorded in its place.
    """
    first, rest = missing[:FULL], missing[FULL:]

    def full() -> Iterator[str]:
        found = explain.why(tree, where, _questions(first), asked, patience=PATIENCE)
        return map(explanation.full_text, found)

    def short() -> Iterator[str]:
        return map(explanation.short_text, explain.causes(tree, where, _questions(rest), asked))

    return (*_said(where, first, full), *(_said(where, rest, short) if rest else ()))


def _questions(missing: Sequence[MissingSymbol]) -> list[str]:
    return [f"{each.symbol}={each.requested}" for each in missing]


def _said(
    where: Target, missing: Sequence[MissingSymbol], words: Callable[[], Iterable[str]]
) -> tuple[MissingSymbol, ...]:
    """Return each symbol with its explanation, or with both values and the explanation's error."""
    try:
        said = list(words())
    except UnreadableError as error:
        complaint = f"this tree's Kconfig defeats the parser: {error}"
    except Exception as error:  # noqa: BLE001  - no failure here may cost the verdict
        complaint = f"{type(error).__name__}: {error}"
    else:
        return tuple(replace(each, why=why) for each, why in zip(missing, said, strict=True))
    return tuple(
        replace(
            each,
            why=f"CONFIG_{each.symbol} is {each.resolved or 'not set'}, not {each.requested}, on "
            f"{where.name}; why could not be found out ({complaint})",
        )
        for each in missing
    )
