# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl tree`: parse the options, call the command, render its result."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mermapctl.cli import options, types
from mermapctl.cli.command import LazyGroup, format_option

if TYPE_CHECKING:
    from pathlib import Path


@click.group(
    "tree",
    cls=LazyGroup,
)
def command() -> None:
    """Prepare a kernel tree with a mermap, or with a mailed series; describe a tree.

    \b
    mermapctl tree prepare linux            the distribution's source, with the reference mermap
    mermapctl tree prepare linux --source https://git.kernel.org/…/linux.git#v6.12
    mermapctl tree apply series.mbox        a new tree with the patches of a mailbox on a branch
    mermapctl tree status ~/linux
    """


@command.command(short_help="Make a kernel tree with the reference mermap.")
@click.argument("directory", metavar="DIR", type=types.PATH)
@click.option(
    "--source",
    type=types.SOURCE,
    metavar="TARBALL|GIT-URL|PATH",
    help="A linux-*.tar.xz, a git URL, or a kernel tree on this machine; URL#TAG and TREE#TAG take "
    "one tag or branch. "
    "Default: the newest supported linux-source tarball under /usr/src.",
)
@click.option(
    "--overlay/--no-overlay",
    default=True,
    show_default=True,
    help="Commit the reference mermap on top of the base.",
)
@click.option(
    "--posting",
    type=click.Choice(["first", "later", "newest"]),
    help="Make the reference mermap behave like that posting of the real series, as far as its "
    "suite and a trace can show.",
)
@options.quiet
def prepare(
    directory: Path, source: str | None, overlay: bool, posting: str | None, quiet: bool
) -> None:
    """Make a kernel tree at DIR: the source as one commit, the reference mermap on top.

    \b
    mermapctl tree prepare linux
    mermapctl tree prepare linux --source linux-6.12.tar.xz
    mermapctl tree prepare mine --source ~/linux#mermap-v4 --no-overlay

    A source is only read: a git repository is cloned, a directory copied. An interrupted command
    leaves nothing at DIR; run it again. A prepared tree at DIR is not changed.
    """
    from mermapctl.commands import tree
    from mermapctl.render.terminal import tree as tree_status
    from mermapctl.render.terminal.progress import progress
    from mermapctl.tree.postings import Posting

    like = None if posting is None else Posting(posting)
    with progress(sys.stderr, quiet=quiet) as tell:
        done = tree.prepare(directory, source, tell, with_overlay=overlay, posting=like)
    tree_status.prepared(sys.stdout, done, tree.other_source(done, source))


@command.command("apply", short_help="Make a tree with a series from the mail.")
@click.argument("source", metavar="MBOX|MESSAGE-ID", type=types.SOURCE)
@click.option(
    "--onto",
    type=types.NAME,
    metavar="REV",
    help="The commit that the series goes onto. Default: the base-commit that it names itself.",
)
@options.tree
@click.option(
    "-o",
    "--output",
    "directory",
    type=types.PATH,
    metavar="DIR",
    help="Where to make the new tree. Default: a directory in the cache, named after the series.",
)
@options.quiet
def apply_(
    source: str, onto: str | None, tree: Path | None, directory: Path | None, quiet: bool
) -> None:
    """Make a new tree with a mailed series of patches on a branch, by b4; no tree is written into.

    \b
    mermapctl tree apply series.mbox --onto origin/master
    mermapctl tree apply 20260131.1-0@example.org -o ~/review
    mermapctl tree apply -                      the mailbox on standard input, as from mutt

    The newest version in the mailbox is applied, or that of the MESSAGE-ID, whose thread is fetched
    (only that needs a network). A series with a patch missing is refused, so is one that names no
    base without --onto, and one that does not apply; nothing is left of it then.
    """
    from mermapctl.commands import tree_apply
    from mermapctl.render.terminal import tree as tree_status
    from mermapctl.render.terminal.progress import progress

    asked = tree_apply.ApplyRequest(source, onto, tree, directory)
    with progress(sys.stderr, quiet=quiet) as tell:
        done = tree_apply.apply(asked, tell)
    tree_status.applied(sys.stdout, done)


@command.command(short_help="Describe a tree: version, mermap, targets.")
@click.argument("directory", metavar="[DIR]", type=types.PATH, required=False)
@format_option("table", "json")
def status(directory: Path | None, form: str) -> None:
    """Show version, commit, mermap, kunit.py's options and targets of a tree; run its kunit.py.

    \b
    mermapctl tree status
    mermapctl tree status ~/linux
    mermapctl tree status ~/linux --format json

    Without DIR: MERMAPCTL_TREE, else the kernel tree of the current directory, else the one that
    `tree prepare` made last.
    """
    from mermapctl.commands import tree
    from mermapctl.render.terminal import tree as tree_status

    tree_status.status(sys.stdout, tree.status(directory), form)
