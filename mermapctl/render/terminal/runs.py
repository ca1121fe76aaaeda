# SPDX-License-Identifier: GPL-2.0-only
"""Lists for a terminal: stored runs, a test over time, flaky tests, changes by a rejudging."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.console.ktap import Status
from mermapctl.judge.leaf_tests import COMPLAINT
from mermapctl.judge.result_types import Verdict
from mermapctl.render.terminal.columns import Field, columns, sparkline
from mermapctl.render.terminal.plain import PlainLook, count, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mermapctl.commands.rejudge import Rejudged
    from mermapctl.records.history import Flaky, Occurrence
    from mermapctl.records.rows import CellSummary, RunSummary


@dataclass(frozen=True, slots=True)
class Sheet:
    """The output of a list; `width` is None for a pipe or a file, where all columns are printed."""

    look: PlainLook
    color: bool = False
    width: int | None = None

    def columns(
        self,
        heads: Sequence[str],
        rows: Sequence[Sequence[Field]],
        optional: Sequence[str],
        right: Sequence[str] = (),
    ) -> str:
        """Return the table in the sheet's width."""
        return columns(
            heads, rows, color=self.color, right=right, width=self.width, optional=optional
        )


def runs(rows: Sequence[RunSummary], total: int, sheet: Sheet) -> str:
    """List the stored runs, newest first, and their total number."""
    look = sheet.look
    made = [
        (
            (look.plain(run.id), ""),
            (when(run.started), ""),
            _verdict(run, look),
            (_cells(run.cells, look), ""),
            (look.plain(run.kernel or "-", limit=20), ""),
            (look.plain((run.commit or "-")[:12] + ("+" if run.dirty else "")), ""),
            (_phases(run.cells), ""),
        )
        for run in rows
    ]
    heads = ("Run", "When", "Verdict", "Cells", "Kernel", "Commit", "Config+build+boot")
    text = sheet.columns(heads, made, ("When", "Kernel", "Config+build+boot"))
    problems = [f"{run.id}: {look.plain(run.problem, limit=400)}\n" for run in rows if run.problem]
    more = f"{len(rows):,} of {count(total, 'run')}\n" if len(rows) != total else ""
    return (text if rows else "") + "".join(problems) + (more or (count(total, "run") + "\n"))


def when(started: str) -> str:
    """Return local time to the minute."""
    try:
        return dt.datetime.fromisoformat(started).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):  # the first or last day of the calendar, elsewhere
        return "-"


def _verdict(run: RunSummary, look: PlainLook) -> Field:
    verdict = Verdict(run.verdict)
    word = run.verdict
    if run.outcome and run.state == "finished":  # that a kernel failed is no failure of a bisect
        return look.plain(run.outcome, limit=40), ""
    if run.state != "finished":
        word = run.state if verdict is not Verdict.FAILED else f"failed, {run.state}"
    elif verdict is Verdict.NO_VERDICT and len(run.cells) == 1 and run.cells[0].reason:
        word = run.cells[0].reason
    if run.former and run.former != run.verdict:
        word += f" (was {run.former})"
    return f"{look.glyph(verdict)} {word}", look.style(verdict)


def _cells(cells: Sequence[CellSummary], look: PlainLook) -> str:
    names = [f"{cell.target or '?'}/{cell.variant or '?'}" for cell in cells]
    if not names:
        return "-"
    commits = len({cell.commit for cell in cells})
    if commits > 1:  # a series
        names = list(dict.fromkeys(names))
    of = f", {count(commits, 'commit')}" if commits > 1 else ""
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    return look.plain(names[0], limit=40) + more + of


def _phases(cells: Sequence[CellSummary]) -> str:
    """Sum the phases over the cells: `1.2+101+1.4 s`; a dash for a missing phase."""
    sums = []
    for name in ("config", "build", "boot"):
        spent = [value for cell in cells if (value := getattr(cell.phases, name)) is not None]
        sums.append(seconds(sum(spent)) if spent else "-")
    return "-" if sums == ["-"] * 3 else "+".join(sums).replace(" s+", "+")


def history(rows: Sequence[Occurrence], sheet: Sheet) -> str:
    """List a test over time, newest first; below, outcomes and seconds from old to new."""
    look = sheet.look
    several = len({(row.suite, row.test) for row in rows}) > 1
    complained = any(row.complaint for row in rows)
    made = [
        (
            (look.plain(row.run), ""),
            (when(row.started), ""),
            (look.plain((row.commit or "-")[:12] + ("+" if row.dirty else "")), ""),
            (look.plain(f"{row.target or '?'}/{row.variant or '?'}"), ""),
            *([(look.plain(row.suite), "")] if several else []),
            _status(row, look),
            (_flushes(row), ""),
            ("-" if row.seconds is None else f"{row.seconds:.3f}", ""),
            *([(look.plain((row.complaint or "").replace(" ", ", ")), "")] if complained else []),
        )
        for row in rows
    ]
    suite = ["Suite"] if several else []
    said = ["Complaint"] if complained else []
    heads = ("Run", "When", "Commit", "Cell", *suite, "Status", "Flushes", "Seconds", *said)
    text = sheet.columns(heads, made, ("When", *said, "Cell", "Commit"), ("Seconds",))
    last = rows[: (sheet.width or 80) - 12][::-1]
    outcomes = "".join(look.glyph(_outcome(row)) for row in last)
    line = sparkline([row.seconds for row in last], unicode=look.unicode)
    known = [row.seconds for row in last if row.seconds is not None]
    text += f"\noutcomes  {outcomes}\n"
    if known:
        text += f"seconds   {line}  {min(known):.3f} to {max(known):.3f}\n"
    return text


def _outcome(row: Occurrence) -> Status:
    """Return the status that counts: a test with a complaint failed."""
    return Status.FAILED if row.complaint else Status(row.status)


def _status(row: Occurrence, look: PlainLook) -> Field:
    known = _outcome(row)
    return f"{look.glyph(known)} {COMPLAINT if row.complaint else known}", look.style(known)


def _flushes(row: Occurrence) -> str:
    if row.expected is None and row.counted is None:
        return "-"
    counted = "?" if row.counted is None else str(row.counted)
    expected = "?" if row.expected is None else str(row.expected)
    seen = "" if row.observed is None else f", {row.observed} observed"
    return f"{counted} of {expected}{seen}"


def flaky(rows: Sequence[Flaky], sheet: Sheet) -> str:
    """List the tests that both passed and failed, with the rate of not passing."""
    if not rows:
        return "no test both passed and failed on one commit in one configuration\n"
    look = sheet.look
    made = [
        (
            (look.plain(f"{row.suite}.{row.test}"), ""),
            (f"{row.bad} of {row.runs}", ""),
            (f"{row.rate:.1%}", "bold"),
            (f"{row.low:.1%} to {row.high:.1%}", ""),
            (look.plain((row.commit or "-")[:12]), ""),
            (look.plain(f"{row.target or '?'}/{row.variant or '?'}"), ""),
            (look.plain(f"{row.accelerator or '-'} {row.setup}", limit=60), ""),
            (look.plain(row.latest), ""),
        )
        for row in rows
    ]
    heads = ("Test", "Not passed", "Rate", "95 % interval", "Commit", "Cell", "Setup", "Latest run")
    optional = ("Setup", "Latest run", "Commit", "Cell")
    return sheet.columns(heads, made, optional, ("Not passed", "Rate"))


def rejudged(outcomes: Iterable[Rejudged], sheet: Sheet) -> str:
    """List the changes by run, then the number of unchanged runs."""
    look = sheet.look
    lines = []
    same = 0
    for one in outcomes:
        if one.problem:
            lines.append(f"{look.plain(one.run)}  not judged again: {look.plain(one.problem)}\n")
        elif not one.changes:
            same += 1
        lines += [f"{look.plain(one.run)}  {look.plain(change)}\n" for change in one.changes]
    return "".join(lines) + f"{count(same, 'run')} unchanged\n"
