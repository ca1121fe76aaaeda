# SPDX-License-Identifier: GPL-2.0-only
"""`report list --format html`: the page of stored runs, with links to their own pages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from mermapctl.cli.open_page import write_page
from mermapctl.render.html import runs
from mermapctl.system import paths

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mermapctl.records.rows import RunSummary
    from mermapctl.records.store import Store


def document(
    store: Store, rows: Sequence[RunSummary], total: int, file: Path | None, *, write: bool
) -> str:
    """Return the page that goes to `file`; `write` the pages that finished runs lack.

    Links are relative to `file`, so that both can be moved together; without one, absolute.
    """
    pages = {}
    for run in rows:
        page = store.folder(run.id).path / paths.PAGE
        if not page.is_file() and write and run.problem is None and run.state != "running":
            page = write_page(store.get(run.id))
        if page.is_file():
            pages[run.id] = _address(page, file)
    return runs.render(rows, total, pages)


def _address(page: Path, file: Path | None) -> str:
    if file is None:
        return page.absolute().as_uri()
    return quote(os.path.relpath(page.absolute(), file.absolute().parent))
