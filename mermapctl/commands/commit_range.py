# SPDX-License-Identifier: GPL-2.0-only
"""A range of commits made ready for a series or a bisect: read, checked, its lanes locked."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.commands import required_programs, test_filter
from mermapctl.config import plan, target, variants
from mermapctl.config.fragment import Fragment
from mermapctl.config.target import KernelTree
from mermapctl.errors import CommitError
from mermapctl.events import Listener, Note
from mermapctl.records.host import Host, host_facts
from mermapctl.series import key
from mermapctl.series.grid import GridColumn
from mermapctl.system import paths
from mermapctl.tree import build_dir, ownership, series_worktrees
from mermapctl.tree.commits import Range
from mermapctl.tree.series_worktrees import Borrower
from mermapctl.tree.state import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mermapctl.config.plan import Request


@dataclass(frozen=True, slots=True)
class CommitRange:
    """The range as it was `found`, and the state of the user's tree, `looked`, at that time.

    `own` are the user's fragments, `invoked` is the command line. `repository` has the lanes, which
    are locked.
    """

    found: Range
    looked: Tree
    tree: KernelTree
    own: tuple[Fragment, ...]
    host: Host
    invoked: str
    repository: Borrower


def trusted(
    request: Request, read: Callable[[Path], tuple[Range, Tree]]
) -> tuple[tuple[Fragment, ...], Path, Range, Tree]:
    """Return the user's fragments, the tree, and what `read` finds in it once it is trusted.

    Raises UserError, also for a test that no commit of the range has.
    """
    own = plan.spelled(request)
    path = target.tree_for(request.tree, request.targets)
    ownership.require(path)
    found, looked = read(path)
    test_filter.require(request.suite, path, found.ids)
    return own, path, found, looked


@contextlib.contextmanager
def opened(
    request: Request,
    command: tuple[str, ...],
    read: Callable[[Path], tuple[Range, Tree]],
    tell: Listener,
    *,
    built_here: bool = True,
) -> Iterator[CommitRange]:
    """Read a range with `read`, check what its tests need, and lock its lanes meanwhile.

    Unless it is `built_here`, this machine needs none of the programs of a build.

    Raises UserError before anything is written, HarnessError if a program fails.
    """
    own, path, found, looked = trusted(request, read)
    build_dir.require_plain(paths.cache_dir(), paths.state_dir())
    tree = target.read(path)
    host = _host(tree, request, own) if built_here else host_facts()
    invoked = shlex.join(command)

    def waiting(sentence: str) -> None:
        tell(Note(sentence))

    with series_worktrees.borrow(path, invoked, wait=request.wait, waiting=waiting) as repository:
        yield CommitRange(found, looked, tree, own, host, invoked, repository)


def _host(tree: KernelTree, request: Request, own: tuple[Fragment, ...]) -> Host:
    """Return the facts of this machine; check for the programs that the work tree needs."""
    try:
        planned = plan.make(tree, request, own)
    except CommitError:  # another commit may have what this one lacks
        return host_facts()
    return required_programs.require(planned)


def columns(
    request: Request, opened: CommitRange, *, built_here: bool = True
) -> tuple[GridColumn, ...]:
    """Return the target x variant pairs of a request, each with the key of its verdicts.

    Unless it is `built_here`, the key is that of the request alone (`key.on_machine` adds a
    machine).
    """
    suites = [variants.load_fragment(name) for name in variants.suite_fragments(request.suite)]
    own = opened.own
    symbols = tuple(dict.fromkeys(
        each.symbol for suite in suites for each in suite.assignments if each.value == "y"
    ))  # fmt: skip
    made = []
    for name in dict.fromkeys(request.targets):
        known = opened.tree.targets.get(name)
        qemu = known.qemu if known else None
        for variant in dict.fromkeys(request.variants):
            resolved = variants.resolve(variant, own, request.suite, name)
            made_key = (
                key.of(request, own, name, variant, qemu)
                if built_here
                else key.of_request(request, own, name, variant)
            )
            made.append(GridColumn(name, resolved.name, made_key, symbols))
    return tuple(dict.fromkeys(made))
