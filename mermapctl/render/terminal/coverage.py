# SPDX-License-Identifier: GPL-2.0-only
"""Coverage on a terminal: lines and branches by file, and by test where each ran alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mermapctl.judge.coverage import percent, ranges
from mermapctl.render.terminal.columns import columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mermapctl.judge.coverage import Coverage
    from mermapctl.render.terminal.brief_tables import Page
    from mermapctl.render.terminal.columns import Field

_RIGHT = ("Lines", "", "Branches", " ")
_MOST_RANGES = 100


def brief(made: Coverage, page: Page, most: int) -> list[str]:
    """Return the table in lines, one a file; at most `most` files."""
    shown = made.files if len(made.files) <= most else made.files[: max(1, most - 1)]
    rows = [_row(page, each.path, *_numbers(each.lines_run, each.lines),
                 *_numbers(each.branches_taken, each.branches)) for each in shown]  # fmt: skip
    if len(shown) < len(made.files):
        rows.append(_all(page, f"all {len(made.files)} files", made))
    return columns(("Coverage", *_RIGHT), rows, color=page.color, right=_RIGHT).splitlines()


def full(made: Coverage, page: Page) -> Iterator[str]:
    """Yield the tables by file and by test, the lines that did not run, and files for others."""
    yield from brief(made, page, len(made.files))
    if made.tests:
        lines, branches = made.lines[1], made.branches[1]
        rows = [
            [
                *_row(page, f"{each.test} alone", *_numbers(each.lines_run, lines),
                      *_numbers(each.branches_taken, branches)),
                (str(each.alone), ""),
            ]
            for each in made.tests
        ]  # fmt: skip
        heads = ("Coverage", *_RIGHT, "No other")
        yield ""
        yield from columns(heads, rows, color=page.color, right=(*_RIGHT, "No other")).splitlines()
    for each in made.files:
        if each.missed:
            said = ranges(each.missed, _MOST_RANGES)
            yield page.look.plain(f"{each.path}: not run: {said}", limit=4000)
    for name, path in (("lcov", made.lcov), ("Cobertura", made.cobertura)):
        if path:
            yield page.look.verbatim(f"{name:9}  {path}")


def _all(page: Page, name: str, made: Coverage) -> list[Field]:
    return _row(page, name, *_numbers(*made.lines), *_numbers(*made.branches))


def _numbers(part: int, of: int) -> tuple[str, str]:
    return f"{part} of {of}", percent(part, of)


def _row(page: Page, name: str, *texts: str) -> list[Field]:
    return [(page.look.plain(name), ""), *((text, "") for text in texts)]
