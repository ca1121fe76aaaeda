# SPDX-License-Identifier: GPL-2.0-only
"""The output of `mermapctl config explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

import msgspec
from rich.text import Text

from mermapctl.config.explanation import Cause, text_lines
from mermapctl.config.fragment import config_line
from mermapctl.judge.result_types import Verdict
from mermapctl.render.terminal.page import show_as

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from mermapctl.commands.explain import Explained
    from mermapctl.config.explanation import Explanation
    from mermapctl.render.terminal.text import Look


def explained(stream: TextIO, found: Explained, form: str) -> None:
    """Print the explanations of one question."""
    show_as(form, stream, lambda: _document(found), lambda look: _pages(found, look))


def _document(found: Explained) -> dict[str, object]:
    """Return the explanations; `assignments` as lines of a kunitconfig."""
    return {
        "tree": str(found.tree),
        "kernel": found.kernel,
        "target": found.target,
        "name": found.asked,
        "satisfied": found.satisfied,
        "symbols": [_symbol(each) for each in found.explanations],
    }


def _symbol(explanation: Explanation) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(explanation)
    if explanation.assignments is not None:
        fields["assignments"] = [config_line(*each) for each in explanation.assignments]
    return fields


def _pages(found: Explained, look: Look) -> Iterator[RenderableType]:
    for number, each in enumerate(found.explanations):
        if number:
            yield Text()
        heading, *rest = text_lines(each)
        verdict = Verdict.PASSED if each.cause is Cause.SATISFIED else Verdict.FAILED
        yield look.mark(verdict, look.plain(heading, limit=1000))
        for line in rest:
            told = line.lstrip(" ")
            yield Text(" " * (len(line) - len(told))).append(look.plain(told, limit=2000))
