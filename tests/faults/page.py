# SPDX-License-Identifier: GPL-2.0-only
"""Render the results as tables, for a terminal and for docs/faults.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from tests.faults.trial import Trial
from tests.faults.verdicts import Judged

NOT_RUN = "—"


def _says(trial: Trial | None) -> str:
    if trial is None:
        return NOT_RUN
    got = trial.got
    return f"{got.verdict} ({got.reason})" if got.reason else got.verdict


def _codes(trial: Trial | None) -> str:
    if trial is None:
        return NOT_RUN
    return ", ".join(sorted(trial.got.codes)) or "none"


def _stress(judged: Judged) -> str:
    if judged.stressed is None:
        return NOT_RUN
    return judged.stressed.found or judged.stressed.verdict


def _history(judged: Judged) -> str:
    """Render the finding of the stress suite with the smallest history that shows it."""
    under = judged.stressed
    if under is None or under.found is None:
        return _stress(judged)
    shrunk = f": {_marks(_cell(under.shrunk))}" if under.shrunk else ""
    return _marks(under.found) + shrunk


def _kunit(judged: Judged) -> str:
    ran = judged.plain or judged.traced
    return ran.kunit if ran else NOT_RUN


def table(results: Sequence[Judged], title: str) -> Table:
    """Render a table for the terminal."""
    made = Table(title=title, box=box.SIMPLE, title_justify="left", pad_edge=False)
    columns = ("fault", "kunit.py", "mermapctl", "findings", "untraced", "stress", "s", "")
    for column in columns:
        made.add_column(column, justify="right" if column == "s" else "left", overflow="fold")
    for judged in results:
        right = Text("wrong", "bold red") if judged.wrong else Text("right", "green")
        made.add_row(
            judged.case.name,
            _kunit(judged),
            _says(judged.run),
            _codes(judged.run),
            _codes(judged.untraced),
            _stress(judged),
            f"{judged.seconds:.0f}",
            right,
        )
    return made


def totals(faults: Sequence[Judged], good: Sequence[Judged]) -> str:
    """Summarize the results in a paragraph."""
    wrong = sum(bool(judged.wrong) for judged in faults)
    missed = sum(judged.missed_by_kunit for judged in faults)
    alarms = sum(bool(judged.wrong) for judged in good)
    return (
        f"{len(faults)} faults: mermapctl judges {len(faults) - wrong} rightly, {wrong} wrongly; "
        f"kunit.py passes {missed} of them and names none. "
        f"{len(good)} good configurations: {alarms} judged wrongly."
    )


_HEAD = """\
<!-- Written by `make faults` from what it measured. Do not edit. -->
# Faults that mermapctl is proved on

Each line is a kernel that was built and booted: the reference mermap with one fault in it
([kernel/faults](../kernel/faults/), one patch each), or a configuration in which it is right.
After `first/`, `later/` or `newest/` the mermap behaves like that posting of the real series
([kernel/postings](../kernel/README.md#postings)).
*kunit.py* is what the tree's own kunit.py makes of the same console. *Run* is `mermapctl run`,
which traces ([trace.md](trace.md)); *untraced* is `run --no-trace`. *Stress* is what
`run --stress` finds in random histories ([stress](howto/stress.md)), with the smallest one that
shows it. A dash: not run, since a trace, or histories, could show nothing more.

{totals}

Linux {kernel}, x86_64 under {accelerator}; the faults took {seconds:.0f} seconds, {each:.0f} each.

## Faults

| fault | what is broken | kunit.py | run | findings | untraced: findings | stress | |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""

_GOOD = """
## Good configurations

| configuration | options | kunit.py | run | findings of severity error | |
| --- | --- | --- | --- | --- | --- |
"""


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _marks(codes: str) -> str:
    return codes if codes in (NOT_RUN, "none") else f"`{codes}`".replace(", ", "`, `")


def _right(judged: Judged) -> str:
    return "**wrong**: " + "; ".join(judged.wrong) if judged.wrong else "right"


def markdown(faults: Sequence[Judged], good: Sequence[Judged]) -> str:
    """Render docs/faults.md."""
    seconds = sum(judged.seconds for judged in faults)
    trials = [judged.run for judged in (*faults, *good) if judged.run]
    accelerators = {trial.accelerator for trial in trials if trial.got.reason is None}
    lines = [
        _HEAD.format(
            totals=totals(faults, good),
            kernel=" and ".join(sorted({trial.kernel for trial in trials})),
            accelerator=" and ".join(sorted(filter(None, accelerators))),
            seconds=seconds,
            each=seconds / max(len(faults), 1),
        )
    ]
    for judged in faults:
        case = judged.case
        row: tuple[str, ...] = (
            f"[{case.name}](../kernel/faults/{case.name.rpartition('/')[2]}.patch)",
            _cell(case.subject),
            _kunit(judged),
            _says(judged.run),
            _marks(_codes(judged.run)),
            _marks(_codes(judged.untraced)),
            _history(judged),
            _right(judged),
        )
        lines.append(f"| {' | '.join(row)} |\n")
    lines.append(_GOOD)
    for judged in good:
        case = judged.case
        row = (
            _cell(case.subject),
            f"`{' '.join(case.run)}`" if case.run else "",
            _kunit(judged),
            _says(judged.run),
            _marks(_codes(judged.run)),
            _right(judged),
        )
        lines.append(f"| {' | '.join(row)} |\n")
    return "".join(lines)


def kept(path: Path, heading: str) -> str:
    """Return what a page that was written before has from a heading on; "" if it lacks it."""
    if not path.is_file():
        return ""
    _, found, rest = path.read_text("utf-8").partition(heading)
    return found + rest


def replaced(path: Path, new: str, heading: str) -> str:
    """Return a page with a new section in place of all that it has from its heading on."""
    before = path.read_text("utf-8").partition(heading)[0] if path.is_file() else ""
    return before + new
