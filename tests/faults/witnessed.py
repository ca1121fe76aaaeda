# SPDX-License-Identifier: GPL-2.0-only
"""Boot faults and right mermaps under the witness: `python -m tests.faults --witness`.

A fault must be named by the codes of its header, with the page table entry that proves it; a right
mermap must be read whole and give no finding.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from mermapctl.tree.postings import Posting
from tests.faults import seeded, trial
from tests.faults.corpus import Case, Expected

SMP = "--variant=smp"
"""What a fault that needs two CPUs has in its header `Run`."""
KASLR = Path(__file__).with_name("kaslr.kunitconfig")
READS = (
    "wrong-page", "wrong-range-mapped", "wrong-protection", "not-unmapped", "outside-region",
    "region-too-small", "stale-reuse",
)  # fmt: skip
"""Codes whose evidence must contain an entry."""
ENTRY = re.compile(
    r"PTE 0x[0-9a-f]+ at 0x[0-9a-f]+, (page 0x[0-9a-f]+(, asked .*)?|asked .*|not present)"
)
WHOLE = re.compile(r"witnessed: (\d+) mappings, (\d+) page table entries read: all correct")
MAPPINGS = 500
"""All postings' suites make more."""


class Machine(NamedTuple):
    """A kernel and its guest. `everywhere`: tried with every mermap, not the reference alone."""

    name: str
    words: str
    options: tuple[str, ...]
    cpus: int
    everywhere: bool = False


MACHINES = (
    Machine("1", "an SMP kernel on one CPU", (SMP, "--smp=1"), 1, everywhere=True),
    Machine("2", "an SMP kernel on two CPUs", (SMP, "--smp=2"), 2, everywhere=True),
    Machine("up", "a kernel without SMP", (), 1),
    Machine(
        "moved", "five levels of page tables and KASLR, two CPUs",
        ("--variant=la57+smp", "--smp=2", f"--config={KASLR}"), 2,
    ),
)  # fmt: skip
GOOD = Case(
    "no-fault", "no fault", "", Expected("passed", None, frozenset()), None, None,
    witnessed=frozenset(),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Witnessed:
    """One boot under the witness; `entry` is the first one named, `words` the witness's own note.

    `error` is the reason why there was no boot.
    """

    case: Case
    machine: Machine
    codes: frozenset[str] = frozenset()
    entries: tuple[tuple[str, str], ...] = ()
    verdict: str = ""
    words: str = ""
    seconds: float = 0.0
    error: str | None = None

    @property
    def entry(self) -> str:
        """Return the first entry named, "" if there is none."""
        return next((entry for _, entry in self.entries), "")

    @property
    def wrong(self) -> tuple[str, ...]:
        """Return what is wrong with this judgement; empty if it is right."""
        if self.error:
            return (self.error,)
        expected = self.case.witnessed or frozenset()
        found = []
        if self.verdict != ("failed" if expected else "passed"):
            found.append(f"{self.verdict}")
        if self.codes != expected:
            found.append(f"found {_list(self.codes)}, not {_list(expected)}")
        shown = {code for code, entry in self.entries if ENTRY.fullmatch(entry)}
        found += [f"{code} without an entry" for code in READS if code in expected - shown]
        whole = WHOLE.fullmatch(self.words)
        read = self.words.startswith("witnessed: ") if expected else whole
        if not read or (whole and int(whole[1]) < MAPPINGS):
            found.append(self.words or "not witnessed")
        return tuple(found)


def _list(codes: frozenset[str]) -> str:
    return ", ".join(sorted(codes)) or "nothing"


def cases(faults: Sequence[Case]) -> tuple[Case, ...]:
    """Return what is tried: each mermap without a fault, and with each fault that is witnessed."""
    tried = (GOOD, *(case for case in faults if case.witnessed is not None))
    return tuple(
        replace(case, name=f"{posting}/{case.name}" if posting else case.name, posting=posting)
        for posting in (None, *Posting)
        for case in tried
    )


def machines(case: Case) -> tuple[Machine, ...]:
    """Return the machines on which a case is tried."""
    cpus = 2 if SMP in case.run else 1
    return tuple(
        each for each in MACHINES
        if each.cpus >= cpus and (each.everywhere or case.posting is None)
    )  # fmt: skip


def judge(tree: Path, case: Case, tried: Sequence[Machine] = ()) -> Iterator[Witnessed]:
    """Build a case, and boot it on each machine (default: all of `machines`)."""
    tried = tried or machines(case)
    try:
        with seeded.seeded(tree, case):
            for machine in tried:
                yield _judged(tree, case, machine)
    except RuntimeError as error:
        yield Witnessed(case, tried[0], error=str(error))


def _judged(tree: Path, case: Case, machine: Machine) -> Witnessed:
    began = time.monotonic()
    _, cell = trial.documented(tree, case, "--no-trace", "--witness", *machine.options)
    errors = [each for each in cell["findings"] if each["severity"] == "error"]
    return Witnessed(
        case,
        machine,
        codes=frozenset(each["code"] for each in errors),
        entries=tuple(_entries(errors)),
        verdict=cell["verdict"],
        words=(cell["witness"] or {}).get("words") or "; ".join(cell["notes"]),
        seconds=time.monotonic() - began,
    )


def _entries(findings: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for each in findings:
        if "entry" in each["evidence"]:
            yield each["code"], each["evidence"]["entry"]
