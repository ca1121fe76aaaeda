# SPDX-License-Identifier: GPL-2.0-only
"""The part of the witness's result that a record keeps. A separate module: it imports no rules."""

from __future__ import annotations

from dataclasses import dataclass

from mermapctl.judge.result_types import Boot, Verdict
from mermapctl.trace.timeline import Timeline

LOG = "witness.log"
"""The name of the witness's log in a cell's folder."""


@dataclass(frozen=True, slots=True)
class WitnessSummary:
    """The witness's result in a boot of its own, as stored in a record.

    It compared `entries_checked` page table entries with the rules, in `gets` mappings. `agrees` is
    whether the trace found the same faults, null if either is inconclusive. `words` is all of this
    in a sentence; `boot` and `verdict` are those of the boot under the witness. `timelines` are
    those of that boot, with page table entries; events and lines count in its log.
    """

    gets: int = 0
    entries_checked: int = 0
    agrees: bool | None = None
    words: str = ""
    verdict: Verdict = Verdict.NO_VERDICT
    seconds: float = 0.0
    boot: Boot | None = None
    timelines: tuple[Timeline, ...] = ()
