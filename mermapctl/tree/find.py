# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree: finds and validates it, and reads its version from the Makefile.

Writes nothing into a tree; `mermapctl.tree.prepare` makes new ones.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from pathlib import Path

from mermapctl.errors import CommitError, UserError
from mermapctl.system import boundary, environment, files, inputs, paths
from mermapctl.tree import ownership

KUNIT = "tools/testing/kunit/kunit.py"
_VERSION = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)\s*=\s*(\S*)\s*$", re.MULTILINE)
_WAYS = (
    "give --tree DIR, set MERMAPCTL_TREE, work inside a kernel's git tree, "
    "or make a tree with `mermapctl tree prepare DIR`"
)


def kernel_version(path: Path) -> str | None:
    """Read the version from a kernel's top Makefile; None without such a Makefile."""
    try:
        with inputs.open_regular(path / "Makefile") as makefile:
            head = makefile.read(2048).decode(errors="replace")
    except OSError:
        return None
    found: dict[str, str] = dict(_VERSION.findall(head))
    if not found.get("VERSION") or "PATCHLEVEL" not in found:
        return None
    numbers = [found[key] for key in ("VERSION", "PATCHLEVEL", "SUBLEVEL") if found.get(key)]
    return ".".join(numbers) + found.get("EXTRAVERSION", "")


def is_kernel(path: Path) -> bool:
    """Return whether this directory is the top of a kernel tree."""
    return (path / "Kconfig").is_file() and kernel_version(path) is not None


def git_top(start: Path) -> Path | None:
    """Return the nearest directory from `start` upwards with a .git (linked worktrees too)."""
    for directory in (start, *start.parents):
        if (directory / ".git").exists():
            return directory
    return None


def validate(path: Path) -> str:
    """Return the kernel's version if KUnit can run there. Raises UserError with the flaw."""
    if flaw := boundary.flaw_of_path(str(path)):
        raise UserError(f"the tree's path {flaw}: {str(path)!a}", "rename what has it")
    if not path.is_dir():
        what = "is not a directory" if path.exists() else "does not exist"
        raise UserError(f"{path} {what}", f"for a kernel tree: {_WAYS}")
    kernel = kernel_version(path)
    if kernel is None or not (path / "Kconfig").is_file():
        _require_access(path)
        top = next((parent for parent in path.parents if is_kernel(parent)), None)
        if top is not None:
            hint = f"its kernel tree is {top}"
        else:
            hint = f"a kernel tree has a Makefile with a VERSION, and a Kconfig; {_WAYS}"
        raise UserError(f"{path} is not a kernel tree", hint)
    if not (path / KUNIT).is_file():
        raise CommitError(
            f"{path} is Linux {kernel} without {KUNIT}",
            "KUnit's runner is in Linux 5.5 and newer; choose another tree",
        )
    return kernel


def _require_access(path: Path) -> None:
    """Raise UserError where a kernel's files may be there, and we may not look."""
    for name in ("Makefile", "Kconfig"):
        try:
            with inputs.open_regular(path / name):
                pass
        except PermissionError as error:
            raise UserError(
                f"{path / name} cannot be read: {error.strerror}",
                "whether it is a kernel tree cannot be told; see its permissions",
            ) from error
        except OSError:
            continue


def _last_tree_file() -> Path:
    return paths.state_dir() / "last-tree"


def remember(path: Path) -> None:
    """Store `path` as the last tree that `resolve` tries."""
    file = _last_tree_file()
    ownership.require_own(file.parent)
    try:
        paths.make_private(file.parent)
    except OSError as error:
        raise files.cannot_write(file, error) from error
    files.write_own(file, os.fsencode(path) + b"\n")


def last() -> Path | None:
    """Return the tree that was prepared last; it may have been deleted."""
    with contextlib.suppress(OSError):
        data = inputs.read_regular(_last_tree_file(), boundary.LONGEST_PATH + 1)
        text = os.fsdecode(data).removesuffix("\n")
        return Path(text) if text else None
    return None


def resolve(option: Path | None) -> Path:
    """Return the tree to work on: validated, absolute, symbolic links followed.

    `option` (--tree), else MERMAPCTL_TREE, else the git top level of the current directory if it
    is a kernel, else the tree prepared last. Raises UserError if none of these exists.
    """
    path, origin = _choose(option)
    try:
        path = path.expanduser().resolve()
        validate(path)
    except UserError as error:
        raise type(error)(f"{origin}{error.message}", error.hint) from error
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, ~nobody, a NUL
        raise UserError(f"{origin}{path}: {error}", _WAYS) from error
    return path


def _choose(option: Path | None) -> tuple[Path, str]:
    if option is not None:
        return option, ""
    variable = environment.directory("MERMAPCTL_TREE")
    if variable is not None:
        return variable, "MERMAPCTL_TREE: "
    with contextlib.suppress(OSError):  # the current directory may have been removed
        top = git_top(Path.cwd())
        if top is not None and is_kernel(top):
            return top, "the current directory: "
    prepared = last()
    if prepared is None:
        raise UserError("no kernel tree to work on", _WAYS)
    _require_no_other(prepared)
    return prepared, "the tree that `mermapctl tree prepare` made last: "


def _require_no_other(prepared: Path) -> None:
    """Raise UserError inside a git repository that does not contain the tree prepared last.

    A verdict on another tree would be taken for one on that repository.
    """
    with contextlib.suppress(OSError):  # the current directory may have been removed
        top = git_top(Path.cwd())
        if top is not None and not prepared.resolve().is_relative_to(top.resolve()):
            raise UserError(
                f"{top} is not a kernel tree",
                f"work inside one, or give --tree {shlex.quote(str(prepared))}, "
                "the tree prepared last",
            )


def by_default(option: Path | None, chosen: Path) -> bool:
    """Return whether nothing on the command line or in this directory names the chosen tree."""
    if option is not None:
        return False
    with contextlib.suppress(OSError):
        top = git_top(Path.cwd())
        return top is None or top.resolve() != chosen
    return True
