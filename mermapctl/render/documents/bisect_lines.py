# SPDX-License-Identifier: GPL-2.0-only
"""A bisect as lists of Markdown and of a mail: what it says, then the boots of each commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mermapctl.records.bisect_facts import Bisect, BisectCommit
from mermapctl.render import series_words

_SUBJECT = 40


def markdown(bisect: Bisect, code: Callable[..., str]) -> Iterator[str]:
    """Yield the lines; `code` makes a code span."""
    yield from (f"- {code(each, limit=1000)}" for each in bisect.words)
    yield ""
    if bisect.commits:
        yield "| commit | bad | good | other | subject |"
        yield "| :-- | --: | --: | --: | :-- |"
        for each in bisect.commits:
            numbers = " | ".join(_numbers(each))
            short = code(series_words.short(each.commit), row=True)
            subject = code(each.subject, row=True)
            yield f"| {short} | {numbers} | {subject} |"
        yield ""


def mail(
    bisect: Bisect, flat: Callable[[str, int], str], wrap: Callable[[str, str, str], list[str]]
) -> Iterator[str]:
    """Yield the lines; `flat` makes ASCII, `wrap` folds at 72 columns."""
    for sentence in bisect.words:
        yield from wrap(flat(sentence, 1000), "* ", "  ")
    yield ""
    for each in bisect.commits:
        bad, good, other = _numbers(each)
        said = f"bad {bad:>3} good {good:>3}" + (f" other {other}" if each.other else "")
        short = flat(series_words.short(each.commit), series_words.SHORT)
        yield f"  {short}  {said}  {flat(each.subject, _SUBJECT)}"[:72].rstrip()
    yield ""


def _numbers(commit: BisectCommit) -> list[str]:
    numbers = (commit.bad, commit.good, commit.other)
    return ["-" if commit.skipped and not any(numbers) else str(each) for each in numbers]
