# SPDX-License-Identifier: GPL-2.0-only
"""All mutants of some files, each once, in an order that does not change; the order of trying."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from mermapctl.mutation import code, own_rules, universal
from mermapctl.mutation.mutant import Mutant


def mutants(command: str | None, texts: Mapping[str, str]) -> tuple[Mutant, ...]:
    """Return the mutants of files by line, ours first where two rules make the same one.

    `command` is universalmutator's; None: by our own rules alone. A mutant whose tokens are those
    of the line is none.
    """
    found: dict[tuple[str, int, tuple[str, ...]], Mutant] = {}
    for file, text in texts.items():
        bare = code.without_comments(text).split("\n")
        made = list(own_rules.mutants(file, text))
        made += universal.mutants(command, file, text) if command else ()
        for each in made:
            before, after = code.tokens(bare[each.line - 1]), _tokens(bare, each)
            # Mutants are kept as JSON, which has no bytes that are no UTF-8.
            if before and before != after and _is_text(each.before):
                found.setdefault((file, each.line, tuple(after)), each)
    return tuple(sorted(found.values(), key=lambda each: (each.file, each.line, each.after)))


def _is_text(line: str) -> bool:
    """Return whether a line is UTF-8; other bytes of a file were read as surrogates."""
    return not any("\ud800" <= char <= "\udfff" for char in line)


def _tokens(bare: Sequence[str], mutant: Mutant) -> list[str]:
    """Return the tokens of a changed line, whose comment may have begun on a line above it."""
    lines = [*bare[: mutant.line - 1][-1:], mutant.after]
    return code.tokens(code.without_comments("\n".join(lines)).split("\n")[-1])


def drawn(made: Sequence[Mutant], seed: int) -> tuple[Mutant, ...]:
    """Return the mutants in the order of a draw by a seed: each beginning of it is a sample."""
    return tuple(Random(seed).sample(made, len(made)))  # noqa: S311 - nothing is secret here
