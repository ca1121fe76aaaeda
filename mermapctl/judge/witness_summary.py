# SPDX-License-Identifier: GPL-2.0-only
"""What a record keeps of the witness. Apart from its findings: a list of runs needs no judge."""

from __future__ import annotations

from dataclasses import dataclass

from mermapctl.judge.verdict import Boot, Verdict

LOG = "witness.log"
"""The name of the witness's log in a cell's folder."""


@dataclass(frozen=True, slots=True)
class WitnessSummary:
    """What the witness saw in a boot of its own, as a record keeps it.

    `entries_checked` page table entries were held against the rules, in `gets` mappings. `agrees`
    says whether the trace found the same things wrong, null where one of them cannot tell. `words`
    is all that in a sentence; `boot` and `verdict` are of the boot under the witness.
    """

    gets: int = 0
    entries_checked: int = 0
    agrees: bool | None = None
    words: str = ""
    verdict: Verdict = Verdict.NO_VERDICT
    seconds: float = 0.0
    boot: Boot | None = None
