# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl tree`: prepare a kernel tree with a mermap; describe a tree."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mermapctl.config import target
from mermapctl.config.target import Target
from mermapctl.errors import MermapctlError, UserError
from mermapctl.events import CellStarted, Listener, Note
from mermapctl.runner import kunit
from mermapctl.runner.kunit import Capabilities
from mermapctl.tree import build_dir, find, overlay, postings, source, state
from mermapctl.tree import prepare as making
from mermapctl.tree.overlay import Mermap
from mermapctl.tree.postings import Posting
from mermapctl.tree.prepare import Prepared
from mermapctl.tree.state import Tree


@dataclass(frozen=True, slots=True)
class TreeStatus:
    """A tree, its mermap, kunit.py's options, and each target with what prevents a mermap there.

    `posting` is the posting whose behaviour the reference mermap has.
    """

    tree: Tree
    mermap: Mermap | None
    posting: Posting | None
    prepared_from: str | None
    capabilities: Capabilities
    targets: tuple[tuple[Target, str | None], ...]


def prepare(
    directory: Path,
    asked: str | None,
    tell: Listener,
    *,
    with_overlay: bool,
    posting: Posting | None = None,
) -> Prepared:
    """Prepare a tree at `directory`, or return the prepared tree that exists there.

    `asked` is the user's --source, `posting` the posting whose behaviour the mermap gets. `run`
    uses the tree if it finds no other. Raises UserError and HarnessError; an ending signal removes
    the unfinished tree and is raised as Interrupted.
    """
    if posting is not None and not with_overlay:
        raise UserError("--posting changes what --no-overlay leaves out", "give one of them")
    directory = _absolute(directory)
    tell(CellStarted(f"tree prepare {directory.name}", 1, 1))
    done = making.standing(directory)
    if done is None:
        build_dir.require_plain(directory)
        found = source.newest() if asked is None else source.identify(asked)
        tell(Note(f"source: {found.spelled}"))
        done = making.prepare(directory, found, tell, with_overlay=with_overlay, posting=posting)
    elif posting is not None and postings.of(directory) is not posting:
        raise UserError(
            f"{directory} was prepared before, and its mermap is not the {posting} posting's",
            "name another directory, or remove this one",
        )
    try:
        find.remember(done.tree.path)
    except MermapctlError as error:  # the tree exists all the same
        tell(Note(f"`run` will want --tree: {error.message}"))
    return done


def _absolute(directory: Path) -> Path:
    try:
        return directory.expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{directory}: {error}", "name another directory") from error


def other_source(done: Prepared, asked: str | None) -> str | None:
    """Return the source that was asked for if the existing tree was made from another one."""
    if asked is None or not done.already:
        return None
    wanted = source.identify(asked).spelled
    return wanted if os.path.realpath(wanted) != os.path.realpath(done.source) else None


def status(option: Path | None) -> TreeStatus:
    """Describe a tree; `option` is as for `run --tree`. Takes a second at most, builds nothing."""
    path = find.resolve(option)
    origin = state.origin(path)
    mermap = overlay.present(path)
    known = target.read(path)
    return TreeStatus(
        tree=state.inspect(path),
        mermap=mermap,
        posting=postings.of(path) if mermap is Mermap.REFERENCE else None,
        prepared_from=origin.source if origin else None,
        capabilities=kunit.capabilities(path),
        targets=tuple((each, known.mermap_obstacle(each)) for each in known.targets.values()),
    )
