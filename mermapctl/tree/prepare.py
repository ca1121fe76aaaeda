# SPDX-License-Identifier: GPL-2.0-only
"""Makes a new kernel tree atomically: a base commit with the reference mermap on top.

Works in a hidden directory beside the new one (`workshop`) and renames the tree at the end.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from mermapctl.errors import UserError
from mermapctl.events import Listener, Note
from mermapctl.tree import find, git, overlay, postings, state, unpack, workshop
from mermapctl.tree.overlay import Mermap
from mermapctl.tree.postings import Posting
from mermapctl.tree.source import Source, SourceKind
from mermapctl.tree.state import Tree


@dataclass(frozen=True, slots=True)
class Prepared:
    """A ready tree; `already` if it existed before. `patches` are the subjects on the base.

    `differs` if its reference mermap is not the one that this version makes.
    """

    tree: Tree
    base: str
    source: str
    mermap: Mermap | None
    patches: tuple[str, ...]
    already: bool = False
    differs: bool = False


def standing(directory: Path) -> Prepared | None:
    """Return the prepared tree at `directory`; None if that is missing or empty.

    Raises UserError for anything else, and leaves it untouched.
    """
    if workshop.is_free(directory):
        return None
    origin = state.origin(directory) if find.is_kernel(directory) else None
    if origin is None:
        if find.is_kernel(directory):
            hint = (
                f"run on it as it is: mermapctl run --tree {directory}; or make one from it: "
                f"mermapctl tree prepare NEW --source {directory}"
            )
            raise UserError(f"{directory} is a kernel tree that mermapctl did not make", hint)
        raise UserError(f"{directory} is there and is not empty", "name a directory that is not")
    mermap = overlay.present(directory)
    return Prepared(
        tree=state.inspect(directory),
        base=origin.base,
        source=origin.source,
        mermap=mermap,
        patches=state.subjects(directory, origin.base),
        already=True,
        differs=mermap is Mermap.REFERENCE and not _is_current(directory),
    )


def _is_current(tree: Path) -> bool:
    """Return whether this version would make the same mermap, or posting, as in the tree."""
    with contextlib.suppress(UserError):  # a hook finds no place
        if not overlay.plan(tree, overlay.load()):
            return True
    return postings.of(tree) is not None


def prepare(
    directory: Path,
    source: Source,
    tell: Listener,
    *,
    with_overlay: bool,
    posting: Posting | None = None,
) -> Prepared:
    """Make the tree at `directory`, which is absolute and missing or empty.

    With a `posting`, the reference mermap behaves like that one. Raises UserError and HarnessError;
    any error leaves `directory` unchanged.
    """
    workshop.make_room(directory.parent, _needed(source))
    with workshop.opened(directory, tell) as partial:
        with workshop.stage(tell, _DOING[source.kind]):
            tree, date = unpack.base(source, partial, tell)
            base = git.git(tree, "rev-parse", "HEAD")
            # EXTRAVERSION may be anything; a tag may not.
            kernel = re.sub(r"[^\w+-]+|\.\.+|\.$", ".", find.validate(tree)).strip(".")
            git.git(tree, "tag", "--force", f"base-{kernel}")
        with workshop.stage(tell, "mermap"):
            patches = _put_on(tree, date, tell, posting) if with_overlay else ()
        git.git(tree, "config", "mermapctl.base", base)
        git.git(tree, "config", "mermapctl.source", source.spelled)
        workshop.put(partial, tree, directory)
    return Prepared(
        tree=state.inspect(directory),
        base=base,
        source=source.spelled,
        mermap=overlay.present(directory),
        patches=patches,
    )


_DOING = {
    SourceKind.TARBALL: "unpack",
    SourceKind.URL: "clone",
    SourceKind.REPOSITORY: "clone",
    SourceKind.DIRECTORY: "copy",
}


def _put_on(tree: Path, date: int, tell: Listener, posting: Posting | None) -> tuple[str, ...]:
    """Commit the reference mermap patch by patch, and the posting; return the subjects."""
    there = overlay.present(tree)
    if there is not None and posting is None:
        tell(Note("the source has a mermap already; the reference mermap is left out"))
        return ()
    subjects: list[str] = []
    for each in (overlay.load(), *([postings.load(posting)] if posting else ())):
        for patch in overlay.plan(tree, each):
            overlay.apply(tree, [patch])
            git.git(tree, "add", "--force", "--", *patch.files)
            subjects.append(patch.subject)
            # A second apart, so that a log sorted by date shows them in order.
            git.commit(tree, f"{patch.subject}\n\n{patch.body}\n", date + len(subjects))
    return tuple(subjects)


def _needed(source: Source) -> int:
    """Return BYTES, or less for a tarball too small for that (xz packs to a twelfth)."""
    size = (
        Path(source.location).stat().st_size
        if source.kind is SourceKind.TARBALL
        else workshop.BYTES
    )
    return min(workshop.BYTES, 20 * size)
