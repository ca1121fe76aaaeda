# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl config`: list, show, write and check variants and their fragments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mermapctl.config import fragment, missing, target, toolchain, variants
from mermapctl.config.fragment import Fragment, MissingSymbol
from mermapctl.config.variants import Definition
from mermapctl.errors import UserError
from mermapctl.system import files, paths
from mermapctl.tree import build_dir


@dataclass(frozen=True, slots=True)
class Listing:
    """All variants with their definitions, and all fragments with their files.

    `own` is the directory of the user's fragments.
    """

    variants: dict[str, Definition]
    fragments: dict[str, tuple[Fragment, Path]]
    own: Path


@dataclass(frozen=True, slots=True)
class ConfigRequest:
    """A configuration: variants or fragments, the user's files, a glob of suites, a target."""

    names: tuple[str, ...]
    suite: str = "mermap"
    configs: tuple[Path, ...] = ()
    target: str = "x86_64"

    def fragment(self, own: tuple[Fragment, ...] | None = None, *, trace: bool = True) -> Fragment:
        """Merge all parts into one fragment. Raises UserError for unknown names and conflicts.

        `own` are the user's files if they are read already: a pipe cannot be read again.
        """
        extra = fragment.load_all(self.configs) if own is None else own
        return variants.compose(self.names, extra, self.suite, self.target, trace=trace)


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check: `asked` includes kunit.py's own lines for the target.

    Each symbol in `missing` has its explanation.
    """

    tree: Path
    kernel: str
    target: str
    asked: Fragment
    missing: tuple[MissingSymbol, ...]
    notes: tuple[str, ...] = ()

    def origin(self, symbol: str) -> str:
        """Return the FILE:LINE that asks for a symbol."""
        return next(each.origin for each in self.asked.assignments if each.symbol == symbol)


def listing() -> Listing:
    """Return all variants and fragments; an unreadable fragment describes its error."""
    return Listing(
        variants.definitions(),
        {
            name: (variants.shown_fragment(name), path)
            for name, path in variants.fragment_files().items()
        },
        paths.config_dir(),
    )


def document(asked: Fragment) -> str:
    """Return a kunitconfig for kunit.py, with the origin of its lines in comments."""
    lines = [f"# {asked.name}, as `mermapctl config write` merged it"]
    file = ""
    for each in asked.assignments:
        source = each.origin.rpartition(":")[0]
        if source != file:
            file = source
            lines.append(f"# from {file!a}" if not file.isprintable() else f"# from {file}")
        lines.append(each.line())
    return "\n".join(lines) + "\n"


def write(request: ConfigRequest, output: Path) -> Fragment:
    """Write a kunitconfig, whole or not at all. Raises UserError if the path cannot be a file's."""
    asked = request.fragment()
    if output.is_dir() or not output.parent.is_dir():
        what = "is a directory" if output.is_dir() else "is in a directory that does not exist"
        raise UserError(f"{output} {what}", "-o takes the file to write, or - for stdout")
    paths.require_not_ours(output)
    paths.require_not_read(output, request.configs)
    files.write(output, document(asked).encode())
    return asked


def check(tree: Path | None, request: ConfigRequest) -> Checked:
    """Run a tree's olddefconfig on a request; explain each symbol that differs.

    Writes nothing to the tree.

    Raises UserError for a wrong tree, target or name, HarnessError if make fails.
    """
    own = fragment.load_all(request.configs)
    asked = request.fragment(own)
    path = target.tree_for(tree, [request.target])
    build_dir.require_plain(path, paths.cache_dir())
    known = target.read(path)
    where = known.find(request.target)
    bare = request.fragment(own, trace=False)
    notes: tuple[str, ...] = ()
    lacking = missing.resolved(path, where, asked)
    if lacking and bare != asked:  # as in `run`, the trace's symbols are optional
        asked, lacking = bare, missing.resolved(path, where, bare)
        notes = () if lacking else (f"{variants.NOT_GIVEN}: a run would not be traced",)
    lacking = missing.told(path, where, asked, lacking)
    chain = toolchain.of(where)
    if chain.wanted:
        notes += (
            f"{chain.wanted} is not installed: {chain.cc} answered the questions to the compiler",
        )
    whole = fragment.overlay(target.own_lines(where), asked)
    return Checked(path, known.version, where.name, whole, lacking, notes)


def names(prefix: str) -> Iterable[str]:
    """Return the names of variants and fragments that begin with `prefix`, for completion."""
    known = dict.fromkeys([*variants.definitions(), *variants.fragment_files()])
    return (name for name in known if name.startswith(prefix))
