# SPDX-License-Identifier: GPL-2.0-only
"""The output of `mermapctl tree`: a prepared tree, and the facts about a tree."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, TextIO

from rich.text import Text

from mermapctl.judge.result_types import Severity, Verdict
from mermapctl.render.terminal.page import show, show_as
from mermapctl.render.terminal.plain import count
from mermapctl.render.terminal.tables import table
from mermapctl.tree.overlay import Mermap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from mermapctl.commands.tree import TreeStatus
    from mermapctl.render.terminal.text import Look
    from mermapctl.tree.mailed_tree import Applied
    from mermapctl.tree.prepare import Prepared
    from mermapctl.tree.state import Tree

_MERMAP = {
    Mermap.REFERENCE: "the reference mermap",
    Mermap.SERIES: "its own",
    None: "none (`mermapctl tree prepare DIR --source TREE` makes a tree that has one)",
}
# kunit.py's options that a run uses, if the tree has them (for `exec`, by kernel version).
_OPTIONS = ("--qemu_args", "--run_isolated", "--list_tests", "--filter", "--kernel_args")


def prepared(stream: TextIO, done: Prepared, wanted: str | None) -> None:
    """Print the prepared tree and the next command; `wanted` is a source that it is not from."""
    show(stream, lambda look: _prepared(done, wanted, look))


def _prepared(done: Prepared, wanted: str | None, look: Look) -> Iterator[RenderableType]:
    path = shlex.quote(str(done.tree.path))
    word = "was prepared before" if done.already else "prepared"
    yield look.mark(Verdict.PASSED, f"{look.plain(str(done.tree.path), limit=4096)} {word}")
    if wanted is not None:
        said = (
            f"it is from {done.source}, not from {wanted}: "
            "name another directory, or remove this one first"
        )
        yield look.mark(Severity.WARNING, look.plain(said, limit=10_000))
    if done.differs:
        said = (
            "its reference mermap is not the one of this mermapctl: another version made it, or it "
            "was changed since. To replace it, remove the directory and prepare it again"
        )
        yield look.mark(Severity.WARNING, said)
    yield _line(look, f"Linux {done.tree.kernel} from {done.source}, base {done.base[:12]}")
    if done.patches:
        yield _line(look, f"{count(len(done.patches), 'commit')} on top:")
        for subject in done.patches:
            yield _line(look, subject, indent=4)
    else:
        yield _line(look, f"no commit on top; mermap: {_MERMAP[done.mermap]}")
    yield Text()
    yield Text("next:", style="bold")
    suite = "" if done.mermap else " --target um --suite example"
    yield _line(look, f"mermapctl run --tree {path}{suite}")
    if done.patches:
        yield _line(look, f"git -C {path} log -p --reverse {done.base[:12]}..")


def applied(stream: TextIO, done: Applied) -> None:
    """Print the tree of a mailed series, and the next command."""
    show(stream, lambda look: _applied(done, look))


def _applied(done: Applied, look: Look) -> Iterator[RenderableType]:
    path, base, mail = shlex.quote(str(done.tree.path)), done.base.id[:12], done.origin.mail
    word = "has the series already" if done.already else "made"
    yield look.mark(Verdict.PASSED, f"{look.plain(str(done.tree.path), limit=4096)} {word}")
    yield _line(look, f"{mail.subject}, from {mail.author or 'an unknown author'}")
    by = "chosen by --onto" if mail.base_from == "--onto" else "named by the series"
    yield _line(look, f"Linux {done.tree.kernel}, base {base} ({done.base.subject}), {by}")
    yield _line(look, f"{count(len(done.subjects), 'commit')} on branch {done.branch}:")
    for subject in done.subjects:
        yield _line(look, subject, indent=4)
    yield Text()
    yield Text("next:", style="bold")
    yield _line(look, f"mermapctl run --tree {path} --commits {base}..")
    yield _line(look, "mermapctl report --format email -o reply.txt")


def _line(look: Look, said: str, indent: int = 2) -> Text:
    return Text(" " * indent + look.plain(said, limit=10_000))


def status(stream: TextIO, found: TreeStatus, form: str) -> None:
    """Print the facts about a tree, and the targets on which its mermap can run."""
    show_as(form, stream, lambda: _document(found), lambda look: _status(found, look))


def _document(found: TreeStatus) -> dict[str, object]:
    tree = found.tree
    return {
        "path": str(tree.path),
        "kernel": tree.kernel,
        "commit": tree.commit,
        "describe": tree.describe,
        "dirty": tree.dirty,
        "mermap": found.mermap,
        "posting": found.posting,
        "prepared_from": found.prepared_from,
        "kunit": {
            "subcommands": found.capabilities.subcommands,
            "options": {
                stage: sorted(options) for stage, options in found.capabilities.options.items()
            },
        },
        "targets": [
            {
                "name": target.name,
                "arch": target.linux_arch,
                "qemu": target.qemu,
                "mermap": obstacle is None,
                "obstacle": obstacle,
            }
            for target, obstacle in found.targets
        ],
    }


def _commit(tree: Tree) -> str:
    if tree.commit is None:
        return "none (not a git tree, or nothing committed)"
    described = f" ({tree.describe})" if tree.describe else ""
    return f"{tree.commit[:12]}{described}{', changed since' if tree.dirty else ', unchanged'}"


def _mermap(found: TreeStatus) -> str:
    like = f", made to behave like the {found.posting} posting" if found.posting else ""
    return f"{_MERMAP[found.mermap]}{like}"


def _status(found: TreeStatus, look: Look) -> Iterator[RenderableType]:
    facts = [
        ("tree", str(found.tree.path)),
        ("kernel", found.tree.kernel),
        ("commit", _commit(found.tree)),
        ("mermap", _mermap(found)),
    ]
    if found.prepared_from:
        facts.append(("prepared", f"by mermapctl, from {found.prepared_from}"))
    can = found.capabilities
    has = [option for option in _OPTIONS if can.has("exec", option)]
    lacks = [option for option in _OPTIONS if option not in has]
    facts.append(("kunit.py", f"{', '.join(can.subcommands)}; {' '.join(has)}"))
    if lacks:
        facts.append(("", f"it has no {' '.join(lacks)}"))
    for name, said in facts:
        yield Text.assemble((f"{name:<9}", "bold"), look.plain(said, limit=4096))
    yield Text()
    able = [target for target, obstacle in found.targets if obstacle is None]
    rows = table(look, "Target", "ARCH", "Runs in", "mermap")
    for target, obstacle in sorted(found.targets, key=lambda pair: pair[1] is not None):
        rows.add_row(
            look.text(target.name, "bold"),
            look.text(target.linux_arch),
            look.text(target.qemu or "itself (User-Mode Linux)"),
            look.mark(Verdict.PASSED, "can") if obstacle is None else look.text("cannot", "yellow"),
        )
    yield rows
    reasons = dict.fromkeys(
        obstacle.partition(": ")[2] or obstacle for _, obstacle in found.targets if obstacle
    )
    if reasons:
        yield Text()
    for reason in reasons:
        who = "the others" if able else "all"
        yield look.text(f"why {who} cannot: {reason}", limit=2000)
