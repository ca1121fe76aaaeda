# SPDX-License-Identifier: GPL-2.0-only
"""Plans and writes the reference mermap (`kernel/`) as patches on a kernel tree. Uses no git.

`kernel/hooks.toml` lists the edits; `mermapctl.tree.edits` finds their places.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mermapctl.errors import HarnessError, UserError
from mermapctl.system import inputs
from mermapctl.system.paths import shipped
from mermapctl.tree import confined, edits

MARKER = "reference mermap of mermapctl"
"""Stands in the first lines of each of our files and identifies them."""


_FITS = "The reference mermap fits Linux 6.12 to 7.3; for other trees adapt kernel/hooks.toml"


class Mermap(enum.StrEnum):
    """Which mermap a tree has."""

    REFERENCE = "reference"
    SERIES = "series"


class HookKind(enum.StrEnum):
    """The kind of edit that a hook makes."""

    INCLUDE = "include"
    KCONFIG_ENTRY = "kconfig-entry"
    KCONFIG_SELECT = "kconfig-select"
    MAKEFILE = "makefile"
    AFTER = "after"
    BEFORE = "before"
    REPLACE = "replace"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class Hook:
    """One edit of one existing file; `anchor` alternatives are tried in order."""

    name: str
    patch: str
    file: str
    kind: HookKind
    text: str
    why: str
    within: str = ""
    anchor: str | tuple[str, ...] = ()

    @property
    def anchors(self) -> tuple[str, ...]:
        """The anchor and its alternatives."""
        return (self.anchor,) if isinstance(self.anchor, str) else self.anchor


@dataclass(frozen=True, slots=True)
class Part:
    """A commit as hooks.toml describes it: `files` of ours, and the hooks that name its id."""

    id: str
    subject: str
    body: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overlay:
    """The reference mermap as shipped; `contents` maps paths in a tree to our files' text."""

    parts: tuple[Part, ...]
    hooks: tuple[Hook, ...]
    contents: dict[str, str]


@dataclass(frozen=True, slots=True)
class Patch:
    """One reviewable commit; `files` maps paths relative to the tree to their new text.

    Text is UTF-8, with surrogate escapes for the bytes that are not.
    """

    subject: str
    body: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Manifest:
    """The shape of hooks.toml."""

    patch: tuple[Part, ...]
    hook: tuple[Hook, ...]


_EDITS: dict[HookKind, Callable[[str, Hook], str]] = {
    HookKind.INCLUDE: lambda source, hook: edits.add_include(source, hook.text),
    HookKind.KCONFIG_ENTRY: lambda source, hook: edits.add_kconfig_entry(source, hook.text),
    HookKind.KCONFIG_SELECT: lambda source, hook: edits.add_kconfig_select(
        source, hook.within, hook.text
    ),
    HookKind.MAKEFILE: lambda source, hook: edits.add_makefile_line(source, hook.text),
    HookKind.AFTER: lambda source, hook: edits.add_after(
        source, hook.within, hook.anchors, hook.text
    ),
    HookKind.BEFORE: lambda source, hook: edits.add_before(
        source, hook.within, hook.anchors, hook.text
    ),
    HookKind.REPLACE: lambda source, hook: edits.replace(
        source, hook.within, hook.anchors, hook.text
    ),
    HookKind.GLOBAL: lambda source, hook: edits.make_global(source, hook.within),
}


def load(directory: Path | None = None) -> Overlay:
    """Read the overlay that travels with the package, or another of the same shape."""
    return _load(directory) if directory else _packaged()


@functools.cache
def _packaged() -> Overlay:
    return _load(shipped("kernel"))


def _load(root: Path) -> Overlay:
    try:
        manifest = msgspec.convert(tomllib.loads((root / "hooks.toml").read_text()), _Manifest)
        contents = {
            name: (root / "files" / name).read_text()
            for part in manifest.patch
            for name in part.files
        }
    except (OSError, ValueError) as error:
        msg = f"the reference mermap in {root} cannot be read: {error}"
        raise HarnessError(msg, hint="reinstall mermapctl, or restore kernel/") from error
    return Overlay(manifest.patch, manifest.hook, contents)


def present(tree: Path) -> Mermap | None:
    """Identify a tree's mermap. If any part is not ours, it is the series."""
    return _present(tree, load())


def _present(tree: Path, overlay: Overlay) -> Mermap | None:
    texts = [_read(tree, name) for name in overlay.contents]
    there = [text for text in texts if text is not None]
    if there:
        return Mermap.REFERENCE if all(MARKER in text for text in there) else Mermap.SERIES
    for hook in overlay.hooks:
        if hook.kind is HookKind.KCONFIG_ENTRY:
            source = _read(tree, hook.file) or ""
            if edits.kconfig_symbols(source) & edits.kconfig_symbols(hook.text):
                return Mermap.SERIES
    return None


def plan(tree: Path, overlay: Overlay) -> tuple[Patch, ...]:
    """Return the patches that a tree still lacks. Reads only.

    Raises UserError if a hook finds no place, and for a tree with the real series.
    """
    if _present(tree, overlay) is Mermap.SERIES:
        msg = f"{tree} has a mermap of its own: the reference mermap keeps off"
        raise UserError(msg, hint="use the tree as it is; no overlay is needed")
    texts: dict[str, str] = {}
    patches: list[Patch] = []
    for part in overlay.parts:
        files: dict[str, str] = {}
        for name in part.files:
            if _inside(tree, name) != overlay.contents[name]:
                files[name] = overlay.contents[name]
        for hook in overlay.hooks:
            if hook.patch != part.id:
                continue
            before = texts[hook.file] if hook.file in texts else _inside(tree, hook.file)
            after = _edited(tree, hook, before)
            texts[hook.file] = after
            if after != before:
                files[hook.file] = after
        if files:
            patches.append(Patch(part.subject, part.body.strip("\n"), files))
    return tuple(patches)


def _edited(tree: Path, hook: Hook, source: str | None) -> str:
    if source is None:
        msg = f"hook {hook.name}: {tree / hook.file} does not exist"
        raise UserError(msg, hint=f"nothing was changed; the hook's purpose: {hook.why}. {_FITS}")
    try:
        return _EDITS[hook.kind](source, hook)
    except edits.NoPlaceError as error:
        msg = f"hook {hook.name}: {tree / hook.file} has {error}"
        hint = f"nothing was changed; the hook's purpose: {hook.why}. {_FITS}"
        raise UserError(msg, hint=hint) from error


def _read(tree: Path, name: str) -> str | None:
    """Read a file, also through a symbolic link; never use it for text that is written back."""
    try:
        return inputs.read_regular(tree / name).decode("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(tree, name, error) from error


def _inside(tree: Path, name: str) -> str | None:
    """Read a file. Raises UserError if a symbolic link is on the way."""
    try:
        found = confined.read(tree, name)
    except OSError as error:
        raise _unreadable(tree, name, error) from error
    return None if found is None else found.decode("utf-8", "surrogateescape")


def _unreadable(tree: Path, name: str, error: OSError) -> UserError:
    message = f"{tree / name} cannot be read: {error.strerror}"
    return UserError(message, hint="check the tree's permissions")


def apply(tree: Path, patches: Iterable[Patch]) -> None:
    """Write all patches into a tree, or none if writing fails.

    Writes new texts beside their files, then renames: a full disk changes nothing, and a concurrent
    build never reads half a file. Raises UserError for a symbolic link on the way, so that nothing
    is written outside the tree.
    """
    final: dict[str, str] = {}
    for patch in patches:
        final.update(patch.files)
    staged: dict[str, str] = {}
    name = ""
    try:
        for name, text in final.items():
            staged[name] = confined.stage(tree, name, text.encode("utf-8", "surrogateescape"))
        for name, beside in staged.items():
            confined.replace(tree, beside, name)
    except (OSError, UserError) as error:
        for beside in staged.values():
            with contextlib.suppress(OSError, UserError):
                confined.remove(tree, beside)
        if isinstance(error, UserError):
            raise
        msg = f"{tree / name} cannot be written: {error.strerror}"
        hint = "nothing was changed; check the disk and the tree's permissions"
        raise HarnessError(msg, hint=hint) from error
