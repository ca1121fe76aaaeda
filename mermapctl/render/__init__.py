# SPDX-License-Identifier: GPL-2.0-only
"""Record -> text. Each format's module is imported only when that format is requested."""

from __future__ import annotations

import functools
import importlib
import shutil
import sys
from typing import TYPE_CHECKING, Protocol

from mermapctl.system import stdio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO

    from mermapctl.records.record import Cell, RunRecord

RENDERERS = {
    "table": "mermapctl.render.terminal.record",
    "json": "mermapctl.render.documents.json_doc",
    "junit": "mermapctl.render.documents.junit",
    "html": "mermapctl.render.html.page",
    "markdown": "mermapctl.render.documents.markdown",
    "email": "mermapctl.render.documents.mail",
    "kcidb": "mermapctl.render.documents.kcidb",
    "checks": "mermapctl.render.documents.b4_checks",
}
"""Format -> module; its `render` makes the text."""

FILE_WIDTH = 100


class Renderer(Protocol):
    """The signature of each module's `render`; `console` returns a cell's console lines."""

    def __call__(
        self, record: RunRecord, *, console: Callable[[Cell], Iterable[str]] | None = None
    ) -> str:
        """Return the whole document."""


def renderer(name: str, previous: RunRecord | None = None) -> Renderer:
    """Return the renderer of a format in RENDERERS; a page compares with `previous`."""
    module = importlib.import_module(RENDERERS[name])
    render: Renderer = module.render
    if name == "html" and previous is not None:
        render = functools.partial(module.render, previous=previous)
    return render


def print_record(
    record: RunRecord,
    form: str = "table",
    stream: TextIO | None = None,
    *,
    console: Callable[[Cell], Iterable[str]] | None = None,
    full: bool = False,
    previous: RunRecord | None = None,
) -> None:
    """Print a record in one of RENDERERS' formats; documents are UTF-8 in any locale.

    A closed pipe (`| head`) is no error: the verdict is the same.
    """
    out = stream or sys.stdout
    try:
        _print(record, form, out, console, full=full, previous=previous)
        out.flush()
    except OSError as error:
        if not stdio.reader_gone(error):
            raise
        stdio.let_go(out)


def _print(
    record: RunRecord,
    form: str,
    out: TextIO,
    console: Callable[[Cell], Iterable[str]] | None,
    *,
    full: bool,
    previous: RunRecord | None,
) -> None:
    if form == "table":
        show = importlib.import_module(RENDERERS[form]).show
        show(record, out, console=console, full=full)
        return
    document = renderer(form, previous)(record, console=console)
    out.flush()
    binary = getattr(out, "buffer", None)
    if binary is None:
        out.write(document)
    else:
        binary.write(document.encode("utf-8", "replace"))


def document(
    record: RunRecord,
    form: str,
    console: Callable[[Cell], Iterable[str]] | None = None,
    *,
    full: bool = False,
    previous: RunRecord | None = None,
) -> str:
    """Return a record in one of RENDERERS' formats, for a file: a table has a fixed width."""
    if form != "table":
        return renderer(form, previous)(record, console=console)
    table: str = importlib.import_module(RENDERERS[form]).render(
        record, console=console, width=FILE_WIDTH, color=False, full=full
    )
    return table


def terminal_width(stream: TextIO) -> int | None:
    """Return the columns of the terminal behind `stream`, None for a pipe or a file."""
    return shutil.get_terminal_size((100, 24)).columns if stream.isatty() else None
