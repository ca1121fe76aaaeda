# SPDX-License-Identifier: GPL-2.0-only
"""Renderers: a record in, text out. Each is imported only when its format is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mermapctl.record import Cell, RunRecord

RENDERERS = {
    "table": "mermapctl.render.terminal",
    "json": "mermapctl.render.json_doc",
    "junit": "mermapctl.render.junit_xml",
    "html": "mermapctl.render.html_page",
    "markdown": "mermapctl.render.markdown",
    "email": "mermapctl.render.email",
    "kcidb": "mermapctl.render.kcidb",
    "checks": "mermapctl.render.checks",
}
"""Format -> module whose `render` makes it."""


class Renderer(Protocol):
    """What every format's module offers; `console` gives a cell's console lines."""

    def __call__(
        self, record: RunRecord, *, console: Callable[[Cell], Iterable[str]] | None = None
    ) -> str:
        """The whole document."""


def renderer(name: str) -> Renderer:
    """The renderer of one format of RENDERERS."""
    render: Renderer = importlib.import_module(RENDERERS[name]).render
    return render
