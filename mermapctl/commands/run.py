# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run`: make the plan, start git's inspection of the tree, run the cells."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mermapctl.commands import test_filter
from mermapctl.config import plan, target
from mermapctl.config.plan import CellPlan, Request
from mermapctl.errors import UserError
from mermapctl.events import Listener, Note
from mermapctl.system import paths
from mermapctl.tree import build_dir, find, ownership, state

if TYPE_CHECKING:
    from pathlib import Path

    from mermapctl.records.record import RunRecord


def run(requests: Sequence[Request], command: tuple[str, ...], tell: Listener) -> RunRecord:
    """Run all cells of all requests, on one tree; return the record, which is then in the store.

    Raises UserError before anything is built, HarnessError if a program or the store fails. Once
    the record exists, an ending signal is not raised: the record is returned, marked `interrupted`.
    """
    planned = cells_of(requests)
    path = planned[0].tree.path
    build_dir.require_plain(path, paths.cache_dir(), paths.state_dir())
    if find.by_default(requests[0].tree, path):
        tell(Note(f"the tree is {path}"))
    with contextlib.closing(state.look(path)) as looking:
        # git takes 0.2 s, and these imports take as long: do both at once.
        from mermapctl.commands import cells  # noqa: PLC0415

        return cells.run(planned, command, tell, looking)


def cells_of(requests: Sequence[Request]) -> tuple[CellPlan, ...]:
    """Plan the cells of requests for one tree. Raises UserError for what cannot be run.

    Reports errors in the request before git looks at 90,000 files.
    """
    own = [plan.spelled(request) for request in requests]
    try:
        path = target.tree_for(requests[0].tree, requests[0].targets)
    except UserError:
        _require_tests(requests, None)  # a misspelt name matters more than a missing tree
        raise
    ownership.require(path)
    known = target.read(path)
    made = zip(requests, own, strict=True)
    cells = tuple(cell for request, mine in made for cell in plan.make(known, request, mine))
    _require_tests(requests, path)
    return cells


def _require_tests(requests: Sequence[Request], tree: Path | None) -> None:
    for request in requests:
        test_filter.require(request.suite, tree)
