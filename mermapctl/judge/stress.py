# SPDX-License-Identifier: GPL-2.0-only
"""The stress suite's histories: their text, their C table, and what a record keeps of them. Pure.

kernel/stress/history.h has the meaning of each step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from mermapctl.judge.result_types import Boot, Reason, Verdict

SUITE = "mermap_stress"
PLACE = "mermapctl-stress"
"""The directory in the build directory in which its module is built."""
ONE, TWO = "test_histories", "test_two_cpus"
"""Its tests: histories of one thread, and of two on two CPUs."""
LONGEST = 1000
"""Characters of a history; a module parameter has 1,023 (kernel/params.c)."""
_SHOWN = re.compile(rb"mermap_stress: (history|pair) (\d{1,10}): ([\w.,|]{1,1000})")
_FIELDS = {**dict.fromkeys("gftGFT", "mhfn"), "p": "mh", "r": "mf", "x": "m", "c": "n", "d": "n"}
STEPS = 40
"""The most steps of a thread (kernel/stress/history.h)."""
_MMS, _HANDLES, _MOST = 3, 5, 0xFFFF
_WORDS = {
    "g": "process {m} gets {n} pages",
    "f": "process {m} gets what fits behind its highest live mapping, {n} pages more, less one",
    "t": "process {m} gets what is left behind its last address, {n} pages more, less one",
    "p": "and puts them",
    "r": "process {m} uses the reserve",
    "x": "process {m} ends, another takes its place",
    "c": "go to CPU {n}",
    "d": "wait {n} us",
}


class HistoryStep(NamedTuple):
    """One step of a thread; `n` pages, microseconds or a CPU (kernel/stress/history.h)."""

    thread: int
    what: str
    m: int = 0
    h: int = 0
    f: int = 0
    n: int = 0

    def __str__(self) -> str:
        numbers = (str(getattr(self, field)) for field in _FIELDS[self.what])
        return self.what + ".".join(numbers)

    @property
    def words(self) -> str:
        """Return the step as a phrase."""
        if self.what == "p":
            return f"process {self.m} puts mapping {self.h}"
        said = _WORDS[self.what.lower()].format(m=self.m, n=self.n)
        if self.what.lower() in "gft":
            said = f"{said} as mapping {self.h}{', to read' if self.what.isupper() else ''}"
        return said


History = tuple[HistoryStep, ...]


@dataclass(frozen=True, slots=True)
class StressSummary:
    """What the boot with the stress suite showed, as stored in a record.

    `histories` of the `rounds` asked for ran, from `seed`. `verdict`, `reason` and `detail` are
    those of that boot alone, `traced` whether its flushes were observed; its console is the path
    `console`. `code` is the finding that was made
    smaller: `history` is the one in which it came first, `shrunk` the smallest one with the same
    finding, found in `boots` boots; null if no history alone has it. `table` is `shrunk` in C, and
    `command` the line that runs it again. `words` is all of this in a sentence.
    """

    seed: int
    rounds: int
    given: str | None = None
    verdict: Verdict = Verdict.NO_VERDICT
    reason: Reason | None = None
    detail: str | None = None
    seconds: float = 0.0
    histories: int = 0
    traced: bool = False
    code: str | None = None
    history: str | None = None
    shrunk: str | None = None
    boots: int = 0
    table: str | None = None
    command: str | None = None
    console: str | None = None
    boot: Boot | None = None
    words: str = ""


def parsed(text: str) -> History:
    """Read a history. Raises ValueError that names the step that is none."""
    if len(text) > LONGEST:
        raise ValueError(f"it has more than {LONGEST} characters")
    threads = text.split("|")
    if len(threads) > 2:
        raise ValueError("it has more than two threads")
    steps = tuple(
        _step(thread, each)
        for thread, part in enumerate(threads)
        for each in part.split(",")
        if each
    )
    if not steps:
        raise ValueError("it has no step")
    if any(sum(each.thread == thread for each in steps) > STEPS for thread in (0, 1)):
        raise ValueError(f"a thread has more than {STEPS} steps")
    return steps


def _step(thread: int, text: str) -> HistoryStep:
    fields = _FIELDS.get(text[:1])
    numbers = text[1:].split(".")
    right = fields is not None and len(numbers) == len(fields)
    if not right or not all(each.isascii() and each.isdecimal() for each in numbers):
        raise ValueError(f"{text[:40]!r} is no step")
    values = {field: int(each) for field, each in zip(fields or "", numbers, strict=True)}
    step = HistoryStep(thread, text[0], **values)
    if step.m >= _MMS or step.h >= _HANDLES or max(step.f, step.n) > _MOST:
        raise ValueError(f"{text[:40]!r} has a number that is too large")
    return step


def spelled(steps: History) -> str:
    """Return a history as text."""
    first = ",".join(str(each) for each in steps if each.thread == 0)
    if not is_pair(steps):
        return first
    return f"{first}|{','.join(str(each) for each in steps if each.thread == 1)}"


def is_pair(steps: History) -> bool:
    """Return whether a history has two threads."""
    return any(each.thread for each in steps)


def table(steps: History) -> str:
    """Return a history as the table in C that kernel/stress/given.h takes."""
    lines = ["static const struct given_step given[] = {"]
    for each in steps:
        row = f"{{ {each.thread}, '{each.what}', {each.m}, {each.h}, {each.f}, {each.n} }},"
        lines.append(f"\t{row}\t/* {each.words} */")
    return "\n".join([*lines, "};"]) + "\n"


class ShownHistory(NamedTuple):
    """A history that a console printed before it ran, at line `line`."""

    line: int
    text: str


def shown(lines: Iterable[bytes]) -> tuple[ShownHistory, ...]:
    """Return the histories of a console, in order."""
    return tuple(
        ShownHistory(number, match[3].decode("ascii"))
        for number, line in enumerate(lines, 1)
        if b"mermap_stress: " in line and (match := _SHOWN.search(line))
    )


def at(histories: tuple[ShownHistory, ...], line: int | None) -> str | None:
    """Return the history that was running at a line of the console; the last one for None.

    Return None also for one that is torn: two CPUs may print into one line.
    """
    before = [each for each in histories if line is None or each.line <= line]
    if not before:
        return None
    try:
        parsed(before[-1].text)
    except ValueError:
        return None
    return before[-1].text


def worded(summary: StressSummary) -> str:
    """Return the result as a sentence."""
    many = f"{summary.histories:,} {'history' if summary.histories == 1 else 'histories'}"
    origin = "given" if summary.given else f"from seed {summary.seed}"
    if summary.verdict is Verdict.PASSED:
        unseen = "" if summary.traced else "; no flush of it was observed"
        return f"stress: {many} {origin}, nothing wrong{unseen}"
    if summary.verdict is Verdict.NO_VERDICT:
        why = summary.detail or summary.reason or "its boot decides nothing"
        return f"stress: no verdict: {why}"
    if summary.shrunk is None:
        said = " (no history of it fails alone)" if summary.boots else ""
        return f"stress: {summary.code} in {many} {origin}{said}"
    count = sum(1 for each in re.split(r"[,|]", summary.shrunk) if each)  # a record may be wrong
    steps = "1 step" if count == 1 else f"{count} steps"
    return f"stress: {summary.code} after {many} {origin}; {steps} show it: {summary.shrunk}"


def with_words(summary: StressSummary) -> StressSummary:
    """Return the summary with its sentence."""
    return replace(summary, words=worded(summary))
