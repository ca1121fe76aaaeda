# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report follow`: read the console of a run in another process as it grows."""

from __future__ import annotations

import codecs
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.records.folder import is_inside
from mermapctl.records.record import RunRecord, State
from mermapctl.system.inputs import open_regular

if TYPE_CHECKING:
    from mermapctl.records.store import Store

POLL_SECONDS = 0.1
BLOCK_BYTES = 1 << 16
LONGEST_LINE = 1 << 14


@dataclass(slots=True)
class Tail:
    """Read a growing console line by line; cut a long line into pieces.

    `grew` is true if the last read returned any bytes.
    """

    path: Path
    inode: int = 0
    offset: int = 0
    partial: str = ""
    grew: bool = False
    decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("surrogateescape")
    )

    def lines(self, *, final: bool = False) -> list[str]:
        """Return the lines since the last call; with `final`, also one without a newline.

        Start again at the first byte if the file was replaced or shortened (a repeated boot).
        """
        try:
            with open_regular(self.path) as file:
                facts = os.fstat(file.fileno())
                if facts.st_ino != self.inode or facts.st_size < self.offset:
                    self.inode, self.offset, self.partial = facts.st_ino, 0, ""
                    self.decoder.reset()
                file.seek(self.offset)
                data = file.read(BLOCK_BYTES)
        except OSError:
            data = b""
        self.grew = bool(data)
        self.offset += len(data)
        *whole, self.partial = (self.partial + self.decoder.decode(data)).split("\n")
        if self.partial and ((final and not data) or len(self.partial) > LONGEST_LINE):
            whole.append(self.partial)
            self.partial = ""
        return [line.rstrip("\r") for line in whole]


def follow(
    store: Store,
    key: str | None,
    line: Callable[[str], None],
    note: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> RunRecord:
    """Pass each console line to `line` until the run has ended; return its record.

    `note` gets a sentence when a stage of a cell begins. No lines are passed if the run had ended
    before.
    """
    run_id = store.resolve(key)
    folder = store.folder(run_id).path
    root = os.path.realpath(folder)
    tails: dict[Path, Tail] = {}
    noted: set[Path] = set()
    first = True
    while True:
        # Read the record before the consoles, so that their last lines are not missed.
        record = store.read(run_id)
        ended = record.run.state is not State.RUNNING
        if first and ended:
            return record
        first = False
        _announce(folder, noted, note)
        for path in sorted(folder.glob("cells/*/console.log")):
            if path not in tails and is_inside(str(path), root):
                tails[path] = Tail(path)
        texts = [text for tail in tails.values() for text in tail.lines(final=ended)]
        for text in texts:
            line(text)
        if texts or any(tail.grew for tail in tails.values()):
            continue
        if ended:
            return record
        sleep(POLL_SECONDS)


def _announce(folder: Path, noted: set[Path], note: Callable[[str], None]) -> None:
    """Report each stage once its first file exists in the cell's directory."""
    for name, doing in (
        ("kunitconfig", "configuring"),
        ("build.log", "building"),
        ("console.log", "booting"),
    ):
        for path in sorted(folder.glob(f"cells/*/{name}")):
            if path not in noted:
                noted.add(path)
                note(f"{path.parent.name}: {doing}")
