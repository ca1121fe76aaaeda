# SPDX-License-Identifier: GPL-2.0-only
"""Write a witness.log. `mermapctl.trace.witness_log` has its format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from mermapctl.trace import witness_log


class WitnessLog:
    """Writes the lines of a witness.log, and counts them."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.lines = 0

    def write(self, word: str, **values: int | str | Sequence[int]) -> None:
        """Write one event."""
        self._file.write(witness_log.line(word, **values) + "\n")
        self.lines += 1

    def sentence(self, word: str, why: str) -> None:
        """Write a line that contains a sentence; underscores replace its blanks."""
        plain = why.encode("ascii", "backslashreplace").decode()
        self.write(word, why="_".join(plain.replace("=", ":").split()))
