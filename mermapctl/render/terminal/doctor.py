# SPDX-License-Identifier: GPL-2.0-only
"""The output of `mermapctl doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.text import Text

from mermapctl.doctor.requirement import NeedState
from mermapctl.judge.result_types import Severity, Verdict
from mermapctl.render.terminal.page import show_as
from mermapctl.render.terminal.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from mermapctl.commands.doctor import Diagnosis
    from mermapctl.doctor.packages import Installation
    from mermapctl.doctor.requirement import Check
    from mermapctl.render.terminal.text import Look


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
    rows = table(look, "Need", "State", "Found", "For")
    names = rows.columns[0]  # a program's name is typed as it is shown
    names.no_wrap, names.min_width = True, max((len(each.name) for each in found.checks), default=0)
    for each in found.checks:
        rows.add_row(
            look.text(each.name, "bold"),
            _state(each, look),
            look.text(each.found, limit=300),
            look.text(each.use),
        )
    yield rows
    yield Text()
    lacking = [each.name for each in found.checks if each.lacking]
    if found.healthy:
        yield look.mark(Verdict.PASSED, f"everything needed for {', '.join(found.targets)} is here")
    else:
        yield look.mark(Verdict.FAILED, look.plain(f"problems: {', '.join(lacking)}"))
    yield from _advice(found, look)


def _state(check: Check, look: Look) -> Text:
    if check.ok:
        return look.mark(Verdict.PASSED, "ok")
    if check.needed:
        return look.mark(Verdict.FAILED, check.state.value)
    word = "not there" if check.state is NeedState.MISSING else check.state.value
    return look.mark(Severity.WARNING, f"{word}, optional")


def _advice(found: Diagnosis, look: Look) -> Iterator[RenderableType]:
    for title, how in (("install", found.required), ("optional", found.optional)):
        if how.command:
            yield Text()
            yield look.text(f"{title}:", "bold")
            yield Text("  ").append(look.plain(how.command, limit=10_000))
        if how.uncovered:
            where = found.distribution or "this distribution"
            yield look.text(f"{where} has no package for {', '.join(how.uncovered)}", "yellow")
    advised = [each for each in found.checks if each.lacking and each.advice]
    if advised:
        yield Text()
    for each in advised:
        yield look.text(f"{each.name}: {each.advice}", limit=1000)
