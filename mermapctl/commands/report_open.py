# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report --open`: the HTML page of a record as a file, shown in the browser."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING

from mermapctl import atomic, places, render
from mermapctl.commands.report_previous import previous
from mermapctl.store import Store, console_lines

if TYPE_CHECKING:
    from pathlib import Path

    from mermapctl.record import RunRecord


def write_page(record: RunRecord, asked: Path | None = None) -> Path:
    """Write the page to `asked`, else beside the stored record (a log's into the cache).

    Returns its absolute path.
    """
    page = _own_place(record) if asked is None else asked.absolute()
    document = render.document(record, "html", console_lines, previous=previous(record))
    atomic.write(page, document.encode("utf-8", "replace"))
    return page


def _own_place(record: RunRecord) -> Path:
    folder = Store.open().folder(record.run.id).path
    if not folder.is_dir():
        folder = places.cache_dir() / "pages"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise atomic.cannot_write(folder, error) from error
    return folder / (
        "report.html" if (folder / "record.json").exists() else f"{record.run.id}.html"
    )


def open_page(page: Path) -> bool:
    """Show a page; False where there is no browser to show it."""
    return webbrowser.open(page.as_uri())
