# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run`: make the plan, start git's inspection of the tree, run the cells."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mermapctl.config import plan, target
from mermapctl.config.plan import Request
from mermapctl.system import paths
from mermapctl.tree import build_dir, ownership, state

if TYPE_CHECKING:
    from mermapctl.events import Listener
    from mermapctl.records.record import RunRecord


def run(request: Request, command: tuple[str, ...], tell: Listener) -> RunRecord:
    """Run all cells; return the record, which is then in the store.

    Raises UserError before anything is built, HarnessError if a program or the store fails. Once
    the record exists, an ending signal is not raised: the record is returned, marked `interrupted`.
    """
    own = plan.spelled(request)
    path = target.tree_for(request.tree, request.targets)
    ownership.require(path)
    # Report errors in the request before git looks at 90,000 files.
    planned = plan.make(target.read(path), request, own)
    build_dir.require_plain(path, paths.cache_dir(), paths.state_dir())
    with contextlib.closing(state.look(path)) as looking:
        # git takes 0.2 s, and these imports take as long: do both at once.
        from mermapctl.commands import cells  # noqa: PLC0415

        return cells.run(planned, command, tell, looking)
