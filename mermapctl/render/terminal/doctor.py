# SPDX-License-Identifier: GPL-2.0-only
"""The output of `mermapctl doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.cells import cell_len
from rich.text import Text

from mermapctl.doctor.requirement import NeedState
from mermapctl.judge.result_types import Severity, Verdict
from mermapctl.render.terminal.columns import GAP
from mermapctl.render.terminal.page import show_as
from mermapctl.render.terminal.plain import columns_of
from mermapctl.render.terminal.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from mermapctl.commands.doctor import Diagnosis
    from mermapctl.doctor.packages import Installation
    from mermapctl.doctor.requirement import Check
    from mermapctl.render.terminal.text import Look

_INDENT = " " * 4


def diagnosed(stream: TextIO, found: Diagnosis, form: str) -> None:
    """Print the results and the commands to run."""
    show_as(form, stream, lambda: _document(found), lambda look: _pages(found, look))


def _document(found: Diagnosis) -> dict[str, object]:
    """Return every check, and the commands."""
    return {
        "healthy": found.healthy,
        "targets": list(found.targets),
        "distribution": found.distribution,
        "tree": None if found.tree is None else str(found.tree),
        "checks": [
            {
                "name": each.name,
                "state": each.state.value,
                "needed": each.needed,
                "found": each.found,
                "use": each.use,
                "target": each.target,
                "advice": None if each.ok else each.advice,
            }
            for each in found.checks
        ],
        "install": _installation(found.required),
        "install_optional": _installation(found.optional),
    }


def _installation(how: Installation) -> dict[str, object]:
    return {
        "command": how.command,
        "packages": list(how.packages),
        "without_package": list(how.uncovered),
    }


def _pages(found: Diagnosis, look: Look) -> Iterator[RenderableType]:
    width = columns_of()
    yield from _rows(found.checks, look, width)
    yield Text()
    lacking = [each.name for each in found.checks if each.lacking]
    if found.healthy:
        yield look.mark(Verdict.PASSED, f"everything needed for {', '.join(found.targets)} is here")
    else:
        yield look.mark(Verdict.FAILED, look.plain(f"problems: {', '.join(lacking)}", limit=1000))
    yield from _advice(found, look, width)


def _rows(checks: Sequence[Check], look: Look, width: int) -> Iterator[Text]:
    """Yield a row a check; paths and commands are whole, at any width."""
    cells = [
        (Text(look.plain(each.name), "bold"), _state(each, look), look.plain(each.found, limit=300))
        for each in checks
    ]
    uses = [look.plain(each.use) for each in checks]
    sizes = [max((cell_len(str(row[at])) for row in cells), default=0) for at in range(3)]
    sizes = [
        max(size, len(head)) for size, head in zip(sizes, ("Need", "State", "Found"), strict=True)
    ]
    apart = sum(sizes) + 3 * len(GAP) + max(map(cell_len, uses), default=0) <= width
    heads = (
        ("Need", "State", "Found", "For") if apart else ("Need", "State", "Found (what for)", "")
    )
    yield Text(
        GAP.join(_padded(*each) for each in zip(heads, (*sizes, 0), strict=True)).rstrip(), "bold"
    )
    for (name, state, said), use in zip(cells, uses, strict=True):
        text = f"{_padded(said, sizes[2])}{GAP}{use}" if apart else f"{said} ({use})"
        label = f"{_padded(str(name), sizes[0])}{GAP}{_padded(str(state), sizes[1])}{GAP}"
        lines = [label + text] if apart else wrapped(text, width, label=label)
        if not apart and max(map(cell_len, lines)) > width:
            lines = [label.rstrip(), *wrapped(text, width, label=_INDENT)]
        first = Text(lines[0].rstrip())
        first.stylize("bold", 0, len(str(name)))
        first.stylize(state.style, sizes[0] + len(GAP), sizes[0] + len(GAP) + len(str(state)))
        yield first
        yield from map(Text, lines[1:])


def _padded(text: str, size: int) -> str:
    return text + " " * (size - cell_len(text))


def _state(check: Check, look: Look) -> Text:
    if check.ok:
        return look.mark(Verdict.PASSED, "ok")
    if check.needed:
        return look.mark(Verdict.FAILED, check.state.value)
    word = "not there" if check.state is NeedState.MISSING else check.state.value
    return look.mark(Severity.WARNING, f"{word}, optional")


def _advice(found: Diagnosis, look: Look, width: int) -> Iterator[RenderableType]:
    for title, how in (("install", found.required), ("optional", found.optional)):
        if how.command:
            yield Text()
            yield look.text(f"{title}:", "bold")
            yield Text("  ").append(look.plain(how.command, limit=10_000))
        if how.uncovered:
            where = found.distribution or "this distribution"
            lacking = ", ".join(how.uncovered)
            yield from look.prose(f"{where} has no package for {lacking}", width, "yellow")
    advised = [each for each in found.checks if each.lacking and each.advice]
    if advised:
        yield Text()
    for each in advised:
        yield from look.prose(f"{each.name}: {each.advice}", width, limit=1000)
