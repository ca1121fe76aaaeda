# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl config`: list, show, write and check variants and the fragments they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.config import fragment, missing, target, toolchain, variants
from mermapctl.config.fragment import Fragment, MissingSymbol
from mermapctl.config.variants import Definition
from mermapctl.errors import UserError
from mermapctl.system import files, paths

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything that can be named: variants with their definitions, fragments with their files.

    `own` is where a user's fragments are looked for.
    """

    variants: dict[str, Definition]
    fragments: dict[str, tuple[Fragment, Path]]
    own: Path


@dataclass(frozen=True, slots=True)
class ConfigRequest:
    """Which configuration: variants or fragments, the user's files, the suite's glob, a target."""

    names: tuple[str, ...]
    suite: str = "mermap"
    configs: tuple[Path, ...] = ()
    target: str = "x86_64"

    def fragment(self, own: tuple[Fragment, ...] | None = None, *, trace: bool = True) -> Fragment:
        """All of it as one fragment. Raises UserError for unknown names and conflicts.

        `own` are the user's files where they have been read: a pipe cannot be read again.
        """
        extra = fragment.load_all(self.configs) if own is None else own
        return variants.compose(self.names, extra, self.suite, self.target, trace=trace)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a tree made of a request: `asked` holds kunit.py's own lines for the target too.

    Each of `missing` has its explanation.
    """

    tree: Path
    kernel: str
    target: str
    asked: Fragment
    missing: tuple[MissingSymbol, ...]
    notes: tuple[str, ...] = ()

    def origin(self, symbol: str) -> str:
        """FILE:LINE that asks for a symbol."""
        return next(each.origin for each in self.asked.assignments if each.symbol == symbol)


def listing() -> Listing:
    """What there is; a fragment that cannot be read says so."""
    return Listing(
        variants.definitions(),
        {
            name: (variants.shown_fragment(name), path)
            for name, path in variants.fragment_files().items()
        },
        paths.config_dir(),
    )


def document(asked: Fragment) -> str:
    """A kunitconfig with the origin of its lines in comments, which kunit.py takes as it is."""
    lines = [f"# {asked.name}, as `mermapctl config write` merged it"]
    file = ""
    for each in asked.assignments:
        came_from = each.origin.rpartition(":")[0]
        if came_from != file:
            file = came_from
            lines.append(f"# from {file!a}" if not file.isprintable() else f"# from {file}")
        lines.append(each.line())
    return "\n".join(lines) + "\n"


def write(request: ConfigRequest, output: Path) -> Fragment:
    """Write a kunitconfig, whole or not at all. Raises UserError where it cannot be written to."""
    asked = request.fragment()
    if output.is_dir() or not output.parent.is_dir():
        what = "is a directory" if output.is_dir() else "is in a directory that does not exist"
        raise UserError(f"{output} {what}", "-o takes the file to write, or - for stdout")
    files.write(output, document(asked).encode())
    return asked


def check(tree: Path | None, request: ConfigRequest) -> Checked:
    """Ask a tree's own olddefconfig what it makes of a request, and why. Nothing is written there.

    Raises UserError for a wrong tree, target or name, HarnessError where make fails.
    """
    own = fragment.load_all(request.configs)
    asked = request.fragment(own)
    path = target.tree_for(tree, [request.target])
    known = target.read(path)
    where = known.find(request.target)
    bare = request.fragment(own, trace=False)
    notes: tuple[str, ...] = ()
    lacking = missing.resolved(path, where, asked)
    if lacking and bare != asked:  # as `run` does: the trace's symbols are a wish
        asked, lacking = bare, missing.resolved(path, where, bare)
        notes = () if lacking else (f"{variants.NOT_GIVEN}: a run would not be traced",)
    lacking = missing.told(path, where, asked, lacking)
    chain = toolchain.of(where)
    if chain.wanted:
        notes += (
            f"{chain.wanted} is not installed: what asks the compiler was answered by {chain.cc}",
        )
    whole = fragment.overlay(target.own_lines(where), asked)
    return Checked(path, known.version, where.name, whole, lacking, notes)


def names(prefix: str) -> Iterable[str]:
    """Names of variants and fragments that begin with `prefix`, for completion."""
    known = dict.fromkeys([*variants.definitions(), *variants.fragment_files()])
    return (name for name in known if name.startswith(prefix))
