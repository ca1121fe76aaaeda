# SPDX-License-Identifier: GPL-2.0-only
"""Render what the witness found as a section of docs/faults.md; `make faults` keeps it."""

from __future__ import annotations

from collections.abc import Sequence

from mermapctl.tree.postings import Posting
from tests.faults.witnessed import GOOD, MACHINES, Witnessed

HEADING = "\n## Under the witness\n"
_HEAD = """
The faults that have a page table entry or a CPU in them, and every mermap without a fault, each
booted without probes and read from outside ([witness.md](witness.md)), by
`python -m tests.faults --witness`. A fault must be named by its findings, with the entry where one
is wrong; a right mermap must be read whole and have no finding. What an empty
place would show was not tried. The last two machines have the reference mermap alone.

{machines}

{totals}

| fault | what is broken | findings | an entry, as read | reference | {postings} |
| --- | --- | --- | --- | --- | {rules} |
"""


def totals(results: Sequence[Witnessed]) -> str:
    """Summarize the results in a paragraph."""
    faults = [each for each in results if each.case.patch]
    good = [each for each in results if not each.case.patch]
    return (
        f"{len(faults)} boots of {len({each.case.subject for each in faults})} faults: "
        f"{sum(bool(each.wrong) for each in faults)} judged wrongly. "
        f"{len(good)} boots without a fault: {sum(bool(each.wrong) for each in good)} judged "
        "wrongly."
    )


def section(results: Sequence[Witnessed]) -> str:
    """Render the section, with its heading."""
    rows: dict[str, list[Witnessed]] = {}
    for each in results:
        rows.setdefault(each.case.name.rpartition("/")[2], []).append(each)
    head = _HEAD.format(
        machines="\n".join(f"- *{each.name}*: {each.words}" for each in MACHINES),
        totals=totals(results),
        postings=" | ".join(Posting),
        rules=" | ".join("---" for _ in Posting),
    )
    return HEADING + head + "".join(_row(name, row) for name, row in rows.items())


def _row(name: str, row: Sequence[Witnessed]) -> str:
    codes = dict.fromkeys(code for each in row for code in sorted(each.codes))
    entry = next((each.entry for each in row if each.entry), "")
    fault = name if name == GOOD.name else f"[{name}](../kernel/faults/{name}.patch)"
    cells = (
        fault,
        row[0].case.subject,
        ", ".join(f"`{code}`" for code in codes) or "none",
        f"`{entry}`" if entry else "",
        *(
            _machines([each for each in row if each.case.posting is posting])
            for posting in (None, *Posting)
        ),
    )
    return f"| {' | '.join(cells)} |\n"


def _machines(boots: Sequence[Witnessed]) -> str:
    right = ", ".join(each.machine.name for each in boots if not each.wrong)
    wrong = (
        f"**wrong** on {each.machine.name}: {'; '.join(each.wrong)}" for each in boots if each.wrong
    )
    return "; ".join(filter(None, [right, *wrong]))
