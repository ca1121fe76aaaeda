# SPDX-License-Identifier: GPL-2.0-only
"""`--open`: write the HTML page of a record and show it in the browser."""

from __future__ import annotations

import os
import webbrowser
from typing import TYPE_CHECKING

from mermapctl import render
from mermapctl.records.previous import previous
from mermapctl.records.store import Store, console_lines
from mermapctl.system import files, paths

if TYPE_CHECKING:
    from pathlib import Path

    from mermapctl.records.record import RunRecord


def write_page(record: RunRecord, asked: Path | None = None) -> Path:
    """Write the page to `asked`, else beside the stored record, and return its absolute path.

    The page of a log goes into the cache, and so does that of a run whose folder is read-only.
    """
    document = render.document(record, "html", console_lines, previous=previous(record))
    data = document.encode("utf-8", "replace")
    if asked is not None:
        paths.require_not_ours(asked)
        files.write(asked, data)
        return asked.absolute()
    page = _own_place(record)
    files.write_own(page, data)
    return page


def _own_place(record: RunRecord) -> Path:
    store = Store.open()
    folder = store.folder(record.run.id)
    if store.is_own and folder.record.is_file() and os.access(folder.path, os.W_OK):
        return folder.path / paths.PAGE
    pages = paths.cache_dir() / "pages"
    try:
        pages.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.cannot_write(pages, error) from error
    return pages / f"{record.run.id}.html"


def open_page(page: Path) -> bool:
    """Show a page in the browser; return False where there is none."""
    try:
        return webbrowser.open(page.as_uri())
    except (IndexError, ValueError, webbrowser.Error):  # BROWSER is blank, or has an open quote
        return False
