# SPDX-License-Identifier: GPL-2.0-only
"""The reproduce lines of a cell for another machine, without paths of the one that ran it.

They are for a shell in the kernel tree. kunit.py's stages become one command. The directory that
`mermapctl run` adds to its PATH, to choose QEMU's accelerator, is left out. A commit of a series
has the line of mermapctl alone: the others are for the lane in which it was built.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from mermapctl.judge.result_types import Verdict
from mermapctl.records.record import Cell, RunRecord
from mermapctl.records.series_facts import Series

_SCRIPT = "/kunit.py"
_LONG_WORD = 60  # characters: a line of a mail, indented
_HASH = 12  # digits of a commit's hash
SERIES = "series"
"""The directory in which `applying` makes a tree."""
_LONGEST = 1 << 14  # characters, far beyond those of a run; shlex is slow on more


def reproduce(cell: Cell, record: RunRecord) -> tuple[str, ...]:
    """Return the portable lines, or the record's own if some of them need that machine."""
    if sum(map(len, cell.reproduce)) > _LONGEST:
        return cell.reproduce
    try:
        commands = [shlex.split(line) for line in cell.reproduce]
    except ValueError:
        return cell.reproduce
    checkouts = [words for words in commands if words and words[0].startswith("GIT_DIR=")]
    commands = [words for words in commands if words not in checkouts]
    ours = [words for words in commands if words[:2] == ["mermapctl", "run"]]
    theirs = [words for words in commands if _stage(words) in {"config", "build", "exec"}]
    tree = record.tree.path
    if not tree or len(ours) != 1 or not theirs or len(commands) != 1 + len(theirs):
        return cell.reproduce
    first = [word for word in ours[0] if word != f"--tree={tree}"]
    lines = [first]
    # only `mermapctl run` makes a module's configuration and initramfs
    if cell.variant and not cell.flavour and not checkouts:
        configs = [word for word in first if word.startswith("--config=")]
        suite = [word for word in first if word.startswith("--suite=")]
        lines.append(["mermapctl", "config", "write", cell.variant, *suite, *configs])
        lines[-1] += ["-o", "kunitconfig"]
        lines.append(list(_whole(theirs[-1], tree)))
    if any(len(word) > _LONG_WORD for words in lines for word in words):
        lines = [first]  # nobody copies a trace's probes from a mail
    return tuple(map(shlex.join, lines))


def of_series(
    cells: Iterable[Cell], record: RunRecord, series: Series
) -> tuple[tuple[str, ...], ...]:
    """Return the lines of cells of a series: of one that passed, one for each column."""
    found = tuple(dict.fromkeys(reproduce(cell, record) for cell in cells if cell.reproduce))
    if record.verdict is not Verdict.PASSED or series.work_tree:
        return found
    whole = f"--commits={series.base[:_HASH]}..{series.tip[:_HASH]}"
    return tuple(dict.fromkeys(tuple(_on_all(line, whole) for line in lines) for lines in found))


def applying(series: Series) -> str | None:
    """Return the line that makes the commits of a series from the mail; None for any other."""
    mail = series.mail
    if mail is None or mail.message_id is None or mail.message_id.startswith("-"):
        return None
    onto = ["--onto", series.base[:_HASH]] if mail.base_from == "--onto" else []
    return shlex.join(["mermapctl", "tree", "apply", mail.message_id, *onto, "-o", SERIES])


def _on_all(line: str, whole: str) -> str:
    """Return the line of mermapctl for one commit as that for all."""
    try:
        words = shlex.split(line)
    except ValueError:
        return line
    if words[:2] != ["mermapctl", "run"]:
        return line
    return shlex.join([whole if word.startswith("--commits=") else word for word in words])


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
