# SPDX-License-Identifier: GPL-2.0-only
"""The reproduce lines of a cell for another machine, without paths of the one that ran it.

They are for a shell in the kernel tree. kunit.py's stages become one command. The directory that
`mermapctl run` adds to its PATH, to choose QEMU's accelerator, is left out.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from mermapctl.records.record import Cell, RunRecord

_SCRIPT = "/kunit.py"
_LONG_WORD = 60  # characters: a line of a mail, indented
_LONGEST = 1 << 14  # characters, far beyond those of a run; shlex is slow on more


def reproduce(cell: Cell, record: RunRecord) -> tuple[str, ...]:
    """Return the portable lines, or the record's own if some of them need that machine."""
    if sum(map(len, cell.reproduce)) > _LONGEST:
        return cell.reproduce
    try:
        commands = [shlex.split(line) for line in cell.reproduce]
    except ValueError:
        return cell.reproduce
    ours = [words for words in commands if words[:2] == ["mermapctl", "run"]]
    theirs = [words for words in commands if _stage(words) in {"config", "build", "exec"}]
    tree = record.tree.path
    if not tree or len(ours) != 1 or not theirs or len(commands) != 1 + len(theirs):
        return cell.reproduce
    first = [word for word in ours[0] if word != f"--tree={tree}"]
    lines = [first]
    # only `mermapctl run` makes a module's configuration and initramfs
    if cell.variant and not cell.flavour:
        configs = [word for word in first if word.startswith("--config=")]
        suite = [word for word in first if word.startswith("--suite=")]
        lines.append(["mermapctl", "config", "write", cell.variant, *suite, *configs])
        lines[-1] += ["-o", "kunitconfig"]
        lines.append(list(_whole(theirs[-1], tree)))
    if any(len(word) > _LONG_WORD for words in lines for word in words):
        lines = [first]  # nobody copies a trace's probes from a mail
    return tuple(map(shlex.join, lines))


def _stage(words: list[str]) -> str | None:
    """Return the stage of a kunit.py command."""
    at = next((n for n, word in enumerate(words) if word.endswith(_SCRIPT)), None)
    return words[at + 1] if at is not None and at + 1 < len(words) else None


def _whole(words: list[str], tree: str) -> Iterator[str]:
    """Merge the stages into one command in the tree: `exec` becomes `run`; `build` configures."""
    at = next(n for n, word in enumerate(words) if word.endswith(_SCRIPT))
    yield "./" + words[at].removeprefix(tree).lstrip("/")
    yield "run" if words[at + 1] == "exec" else words[at + 1]
    for word in words[at + 2 :]:
        name, mark, _ = word.partition("=")
        own = {"--build_dir": ".kunit", "--kunitconfig": "kunitconfig"}.get(name)
        yield f"{name}={own}" if mark and own else word
