# SPDX-License-Identifier: GPL-2.0-only
"""Record -> text. Each format's module is imported only when that format is requested."""

from __future__ import annotations

import contextlib
import functools
import importlib
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol, TextIO

from mermapctl.system import stdio

if TYPE_CHECKING:
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


def renderer(name: str, previous: RunRecord | None = None, tester: str | None = None) -> Renderer:
    """Return the renderer of a format in RENDERERS.

    A page compares with `previous`; a mail is from `tester`, "Name <address>".
    """
    module = importlib.import_module(RENDERERS[name])
    render: Renderer = module.render
    if name == "html" and previous is not None:
        render = functools.partial(module.render, previous=previous)
    if name == "email" and tester is not None:
        render = functools.partial(module.render, tester=tester)
    return render


def print_record(
    record: RunRecord,
    form: str = "table",
    stream: TextIO | None = None,
    *,
    console: Callable[[Cell], Iterable[str]] | None = None,
    full: bool = False,
    last: bool = False,
    previous: RunRecord | None = None,
    tester: str | None = None,
) -> None:
    """Print a record in one of RENDERERS' formats; a closed pipe leaves the verdict the same.

    `last` prints the last line of a table alone.
    """
    out = stream or sys.stdout
    if form == "table":
        with reader_may_go(out):
            importlib.import_module(RENDERERS[form]).show(
                record, out, console=console, full=full, last=last
            )
    else:
        print_document(renderer(form, previous, tester)(record, console=console), out)


def print_document(text: str, stream: TextIO | None = None) -> None:
    """Print a document as UTF-8 in any locale."""
    out = stream or sys.stdout
    with reader_may_go(out):
        out.flush()
        binary = getattr(out, "buffer", None)
        if binary is None:
            out.write(text)
        else:
            binary.write(text.encode("utf-8", "replace"))


@contextlib.contextmanager
def reader_may_go(out: TextIO) -> Iterator[None]:
    """Take a closed pipe (`| head`) for no error while `out` is written to."""
    try:
        yield
        out.flush()
    except OSError as error:
        if not stdio.reader_gone(error):
            raise
        stdio.let_go(out)


def document(
    record: RunRecord,
    form: str,
    console: Callable[[Cell], Iterable[str]] | None = None,
    *,
    full: bool = False,
    previous: RunRecord | None = None,
    tester: str | None = None,
) -> str:
    """Return a record in one of RENDERERS' formats, for a file: a table has a fixed width."""
    if form != "table":
        return renderer(form, previous, tester)(record, console=console)
    table: str = importlib.import_module(RENDERERS[form]).render(
        record, console=console, width=FILE_WIDTH, color=False, full=full
    )
    return table


def terminal_width(stream: TextIO) -> int | None:
    """Return the columns of the terminal behind `stream`, None for a pipe or a file."""
    return shutil.get_terminal_size((100, 24)).columns if stream.isatty() else None
