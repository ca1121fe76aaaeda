# SPDX-License-Identifier: GPL-2.0-only
"""Mermaps that behave like the postings: the versions of the real series sent for review.

Each directory in kernel/postings has the changes that turn the reference mermap, or another
posting, into one posting: a diff, whole files, and hooks (edits of other kernel files).
"""

from __future__ import annotations

import enum
import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mermapctl.errors import HarnessError
from mermapctl.system import files, scratch
from mermapctl.system.inputs import read_regular
from mermapctl.system.paths import shipped
from mermapctl.tree import git, overlay
from mermapctl.tree.overlay import Hook, Overlay, Part


class Posting(enum.StrEnum):
    """One version of the series; `kernel/README.md` lists how each differs from the reference."""

    FIRST = "first"
    LATER = "later"
    NEWEST = "newest"


_PART = "posting"
"""The id of the one commit of a posting; its hooks refer to it."""


@dataclass(frozen=True, slots=True)
class _Description:
    """The contents of posting.toml; `on` names the posting that this one is based on."""

    subject: str = ""
    body: str = ""
    on: str | None = None
    hook: tuple[Hook, ...] = ()


def load(posting: Posting, directory: Path | None = None) -> Overlay:
    """Load the commit that turns the reference mermap into a posting.

    `directory` replaces the packaged one. Raises HarnessError if its files are damaged or do not
    belong together.
    """
    return _load(posting, directory) if directory else _packaged(posting)


@functools.cache
def _packaged(posting: Posting) -> Overlay:
    return _load(posting, None)


def _load(posting: Posting, directory: Path | None) -> Overlay:
    root = directory or shipped("kernel")
    reference = overlay.load(directory).contents
    with scratch.filled("posting") as work:
        try:
            _write(work, reference)
            described = _build(root / "postings", posting, work)
            files = [path for path in work.rglob("*") if path.is_file()]
            texts = {str(path.relative_to(work)): path.read_text("utf-8") for path in files}
        except (OSError, ValueError, HarnessError) as error:
            said = error.message if isinstance(error, HarnessError) else str(error)
            msg = f"the posting {posting} in {root} cannot be read: {said}"
            raise HarnessError(msg, hint="reinstall mermapctl, or restore kernel/") from error
    changed = {name: text for name, text in texts.items() if reference.get(name) != text}
    last = described[-1]
    part = Part(_PART, last.subject, last.body, tuple(sorted(changed)))
    hooks = tuple(hook for each in described for hook in each.hook)
    return Overlay((part,), hooks, changed)


def _build(root: Path, name: str, work: Path) -> list[_Description]:
    """Write a posting's files to `work`, after those of the posting that it is based on."""
    source = root / name
    described = msgspec.convert(
        tomllib.loads((source / "posting.toml").read_text("utf-8")), _Description
    )
    below = _build(root, described.on, work) if described.on is not None else []
    whole = source / "files"
    _write(
        work,
        {
            str(path.relative_to(whole)): path.read_text("utf-8")
            for path in whole.rglob("*")
            if path.is_file()
        },
    )
    changes = source / "changes.patch"
    # Keep git from applying to a repository around the temporary directory.
    env = git.environment() | {"GIT_CEILING_DIRECTORIES": str(work.parent.resolve())}
    git.git(work, "apply", "--", str(changes.resolve()), env=env)
    return [*below, described]


def _write(root: Path, contents: dict[str, str]) -> None:
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        files.make(path, text)


def of(tree: Path) -> Posting | None:
    """Return the posting of a tree's mermap; None for the reference and for other mermaps."""
    for posting in Posting:
        contents = load(posting).contents
        if all(_is(tree / name, text) for name, text in contents.items()):
            return posting
    return None


def _is(path: Path, text: str) -> bool:
    try:
        return read_regular(path) == text.encode()
    except OSError:
        return False
