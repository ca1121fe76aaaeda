# SPDX-License-Identifier: GPL-2.0-only
"""A bisect on a terminal: the commit that is named, the evidence, the boots by commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mermapctl.records.bisect_facts import BisectOutcome
from mermapctl.render import series_words
from mermapctl.render.terminal.columns import columns, paint
from mermapctl.render.terminal.plain import count, seconds
from mermapctl.render.terminal.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mermapctl.records.bisect_facts import Bisect, BisectCommit
    from mermapctl.records.record import RunRecord
    from mermapctl.render.terminal.brief_tables import Page
    from mermapctl.render.terminal.columns import Field

_HEADS = ("Commit", "Bad", "Good", "Other", "Chance", "Subject")
_LINE = 1000


def render(record: RunRecord, bisect: Bisect, page: Page) -> str:
    """Return the report."""
    return "".join(f"{line}\n" for line in _lines(record, bisect, page))


def last_line(record: RunRecord, bisect: Bisect, page: Page) -> str:
    """Return the answer alone, on one line."""
    said = bisect.words[0] if bisect.words else _unfinished(record)
    return page.look.plain(said, limit=_LINE)


def _unfinished(record: RunRecord) -> str:
    return f"{record.run.id} has not ended: the same command goes on where it was"


def _lines(record: RunRecord, bisect: Bisect, page: Page) -> Iterator[str]:
    look = page.look
    if bisect.commits:
        rows = [_row(each, page) for each in bisect.commits]
        table = columns(
            _HEADS, rows, color=page.color, right=_HEADS[1:5], width=page.width, optional=("Other",)
        )
        yield from table.splitlines()
        yield ""
    answer = last_line(record, bisect, page)
    style = "bold red" if bisect.outcome is BisectOutcome.FOUND else "bold yellow"
    for line in wrapped(answer, page.width):
        yield paint(line, style) if page.color else line
    for sentence in bisect.words[1:]:
        yield from wrapped(look.plain(sentence, limit=_LINE), page.width, label="  ")
    for line in bisect.reproduce:
        yield f"  {look.verbatim(line)}"
    known = f" and {bisect.known_boots} of earlier runs" if bisect.known_boots else ""
    yield (
        f"{count(bisect.range, 'commit')}, {count(bisect.builds, 'build')}, "
        f"{count(bisect.boots, 'boot')}{known}, {seconds(record.run.seconds)}; "
        f"mermapctl report show {look.plain(record.run.id)}"
    )


def _row(commit: BisectCommit, page: Page) -> list[Field]:
    numbers = [str(each) for each in (commit.bad, commit.good, commit.other)]
    if commit.skipped:
        numbers = ["-", "-", "-"]
    chance = "" if commit.chance is None else f"{commit.chance:.1%}"
    if commit.chance is not None and commit.chance < 0.0005:
        chance = "0"
    twin = f"  (same kernel as {series_words.short(commit.same_as)})" if commit.same_as else ""
    why = f"  (skipped: {commit.skipped})" if commit.skipped else ""
    room = max(20, page.width - 60)
    subject = page.look.plain(commit.subject, limit=_LINE)
    subject = subject if len(subject) <= room else f"{subject[: room - 1]}…"
    return [
        (page.look.plain(series_words.short(commit.commit)), ""),
        *((number, "") for number in numbers),
        (chance, "bold" if (commit.chance or 0) > 0.5 else "dim"),
        (page.look.plain(f"{subject}{twin}{why}", limit=_LINE), ""),
    ]
