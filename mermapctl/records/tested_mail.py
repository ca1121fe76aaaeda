# SPDX-License-Identifier: GPL-2.0-only
"""A mail of a series -> what a stored run says of it.

A patch alone does not decide what its kernel does: those before it do as well. So the result of a
run counts for a mail only where the run's series is known to be that of the mail; everything else
that is alike is named, and is no result.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from mermapctl.errors import MermapctlError
from mermapctl.records import run_folders
from mermapctl.records.record import RunRecord, verdict_of
from mermapctl.records.record_kinds import series_of
from mermapctl.records.series_facts import Series, SeriesCommit
from mermapctl.records.store import Store
from mermapctl.system.inputs import read_regular
from mermapctl.tree import mail_message

RUNS = 2000
"""How many of the newest runs are looked through: these take a tenth of a second to read."""


@dataclass(frozen=True, slots=True)
class MailFacts:
    """What a mail says of itself: number, count and version are those of its subject.

    `tops` are the message ids that the first mail of its series may have: its own, and for a patch
    that of the mail that it answers. A second version may be an answer to the first one, so these
    do not decide. `subjects` are the patches that a cover letter lists. A patch has a `patch_id`.
    """

    tops: tuple[str, ...]
    title: str
    version: int
    number: int
    count: int
    patch_id: str | None = None
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TestedMail:
    """A run, reduced to what it says of a mail; `doubt` is why that is not the mail's result."""

    __test__ = False  # not a pytest class

    record: RunRecord
    doubt: str | None = None


def find(store: Store, mail: MailFacts) -> TestedMail | None:
    """Return the newest run of the mail's series, else the newest that is like it."""
    first = like = None
    for record in _candidates(store, mail):
        series = series_of(record)
        found = _matched(record, series, mail) if series else None
        if series is None or found is None:
            continue
        if found.doubt is not None:
            like = like or found
        elif _is_of(series, mail):
            return found
        else:
            first = first or found
    return first or like


def _candidates(store: Store, mail: MailFacts) -> Iterator[RunRecord]:
    """Yield the runs, newest first, whose records contain what a match needs."""
    words = [*mail.tops, *filter(None, (mail.patch_id,)), mail.title, *mail.subjects[:1]]
    needles = [json.dumps(each, ensure_ascii=False).encode("utf-8", "replace") for each in words]
    for run in store.ids()[:RUNS]:
        try:
            data = read_regular(store.folder(run).record, run_folders.LARGEST)
            if any(each in data for each in needles):
                yield store.read(run)
        except (OSError, MermapctlError):
            continue


def _matched(record: RunRecord, series: Series, mail: MailFacts) -> TestedMail | None:
    is_of_it = _is_of(series, mail)
    if mail.patch_id is None:
        if is_of_it:
            return TestedMail(record)
        alike = sorted(mail.subjects) == sorted(each.subject for each in series.commits)
        if not mail.subjects or not alike:
            return None
        return TestedMail(record, "a series with these subjects, perhaps another version of it")
    for place, commit in enumerate(series.commits, 1):
        if commit.patch_id == mail.patch_id:
            doubt = None
            if not (is_of_it and place == mail.number) and (place, mail.number) != (1, 1):
                doubt = "the same patch, in a series whose other patches may differ"
            return TestedMail(_of_commit(record, commit), doubt)
    for commit in series.commits:
        if commit.subject == mail.title:
            return TestedMail(_of_commit(record, commit), "another patch of this subject")
    return None


def _is_of(series: Series, mail: MailFacts) -> bool:
    """Return whether a mail belongs to the series that the run tested."""
    came = series.mail
    if came is None or came.message_id not in mail.tops:
        return False
    known = (mail_message.version_of(came.subject), came.patches)
    return known == (mail.version, mail.count)


def _of_commit(record: RunRecord, commit: SeriesCommit) -> RunRecord:
    """Return the record with the cells of one commit alone."""
    cells = tuple(cell for cell in record.cells if cell.commit == commit.commit)
    return replace(record, cells=cells, verdict=verdict_of(cells))


def listed(body: Iterable[str]) -> tuple[str, ...]:
    """Return the subjects that a cover letter lists, as `git shortlog` prints them."""
    found: list[str] = []
    within = False
    for line in body:
        if not line.startswith("  "):
            within = line.rstrip().endswith("):") and "(" in line
        elif within and line.startswith("    ") and found:
            found[-1] += f" {line.strip()}"
        elif within and line.strip():
            found.append(line.strip())
    return tuple(found)
