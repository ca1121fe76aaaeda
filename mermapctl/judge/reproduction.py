# SPDX-License-Identifier: GPL-2.0-only
"""Whether a failed boot, repeated with its seed, printed the same console again. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

from mermapctl.judge.result_types import Finding, Severity, Verdict

CODE = "not-reproduced"
_HARNESS = re.compile(rb"\[\d\d:\d\d:\d\d\]|\$ qemu-system-")
"""How a line of kunit.py's own begins: the host's time, or the command line of QEMU."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A second boot of a failed kernel with the seed and the shift of the first.

    `identical`: it printed the same console, byte for byte, but for kunit.py's own lines; `lines`
    is how many that is. Else `differs` counts the guest's lines to the first that differs, and
    `console` is the path of the second console. `seconds` is what the boot took.
    """

    identical: bool
    verdict: Verdict
    seed: int
    shift: int
    seconds: float
    lines: int
    differs: int | None = None
    console: str | None = None
    words: str = ""


def guest_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Leave out kunit.py's own lines: the host's time, and QEMU's command line."""
    return (line for line in lines if not _HARNESS.match(line))


def differing(first: Iterable[bytes], second: Iterable[bytes]) -> tuple[int | None, int]:
    """Return the number of the first line that differs, from 1, or None; and the lines read."""
    number = 0
    pairs = zip_longest(guest_lines(first), guest_lines(second))
    for number, (one, other) in enumerate(pairs, 1):
        if one != other:
            return number, number
    return None, number


def worded(again: Reproduction) -> str:
    """Return the result as a sentence."""
    booted = f"booted again with seed {again.seed}"
    if again.identical:
        return f"{booted}: the same console, byte for byte ({again.lines:,} lines)"
    result = "it failed" if again.verdict is Verdict.FAILED else f"its verdict: {again.verdict}"
    return f"{booted}: not the same console from line {again.differs:,} of the guest's on; {result}"


def finding(again: Reproduction) -> Finding | None:
    """Return the warning of a console that did not come again; None if it did."""
    if again.identical:
        return None
    return Finding(
        CODE,
        Severity.WARNING,
        worded(again),
        evidence={"seed": again.seed, "shift": again.shift, "line": again.differs},
        advice="compare the two consoles: the guest read something of the host's",
    )
