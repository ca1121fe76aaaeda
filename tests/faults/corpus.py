# SPDX-License-Identifier: GPL-2.0-only
"""The fault corpus as values: kernel/faults/*.patch and good.toml, each with its expected result.

A fault is one patch, which begins with headers like those of a mail and a sentence or two:

    Subject           what is broken
    Verdict           passed, failed, or "no-verdict REASON", expected of `mermapctl run`
    Findings          the codes of all expected findings of severity error
    Trace-Verdict     the same two for a traced run;
    Trace-Findings    left out where a trace can show nothing more
    Witness-Findings  the codes of `run --no-trace --witness`, for a fault in an entry or a CPU
    Stress-Findings   codes of `run --stress`, one of which is the first finding of a history
    Kunit             the result of the tree's own kunit.py for the same console
    On                the mermaps that it is applied to: reference (default), first, later, newest
    Run               further options of `mermapctl run`
    Environment       a fault outside the kernel: a name in tests/faults/environment.py

A fault in the environment has no diff.
"""

from __future__ import annotations

import email.parser
import email.policy
import shlex
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mermapctl.tree.postings import Posting

ROOT = Path(__file__).parents[2]
FAULTS = ROOT / "kernel/faults"
GOOD = Path(__file__).with_name("good.toml")
HEADERS = frozenset(
    {
        "SPDX-License-Identifier",
        "Subject",
        "Verdict",
        "Findings",
        "Trace-Verdict",
        "Trace-Findings",
        "Witness-Findings",
        "Stress-Findings",
        "Kunit",
        "On",
        "Run",
        "Environment",
    }
)
SLOW = ("--variant", "--as-module", "--config")
"""Options that need another kernel than the one that most faults share."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A verdict, the reason of a missing one, and the codes of all error findings."""

    verdict: str
    reason: str | None
    codes: frozenset[str]

    def __str__(self) -> str:
        verdict = f"{self.verdict} ({self.reason})" if self.reason else self.verdict
        return ": ".join(filter(None, [verdict, ", ".join(sorted(self.codes))]))


@dataclass(frozen=True, slots=True)
class Case:
    """A fault or a good configuration; `patch` is None where the source is not changed.

    `posting` is None for the reference mermap; `mermaps` are all mermaps that the fault is applied
    to, None for the reference. `witnessed` are the codes of its findings under the witness,
    `stressed` those of which the stress suite must find one; None where it is not tried there.
    """

    name: str
    subject: str
    body: str
    plain: Expected
    traced: Expected | None
    kunit: str | None
    run: tuple[str, ...] = ()
    environment: str | None = None
    patch: Path | None = None
    posting: Posting | None = None
    mermaps: tuple[Posting | None, ...] = (None,)
    witnessed: frozenset[str] | None = None
    stressed: frozenset[str] | None = None

    @property
    def slow(self) -> bool:
        """Tell whether it needs a kernel of its own."""
        return any(option.startswith(SLOW) for option in self.run)


def _expected(verdict: str, codes: str) -> Expected:
    word, _, reason = verdict.partition(" ")
    return Expected(word, reason or None, _codes(codes))


def _codes(listed: str) -> frozenset[str]:
    return frozenset(listed.replace(",", " ").split())


def _mermaps(names: str) -> tuple[Posting | None, ...]:
    """Parse a header `On` into mermaps. Raises ValueError for an unknown one."""
    return tuple(
        None if name == "reference" else Posting(name) for name in names.replace(",", " ").split()
    )


def parse(path: Path) -> Case:
    """Read one fault. Raises ValueError for a missing or unknown header."""
    head, line, diff = path.read_text(encoding="utf-8").partition("\n---\n")
    if not line:
        raise ValueError(f"{path.name}: no line `---` between its header and its diff")
    message = email.parser.Parser(policy=email.policy.default).parsestr(head)
    if unknown := set(message.keys()) - HEADERS:
        raise ValueError(f"{path.name}: unknown header {min(unknown)}")
    if lacking := {"Subject", "Verdict", "Kunit"} - set(message.keys()):
        raise ValueError(f"{path.name}: no header {min(lacking)}")
    traced = None
    if "Trace-Verdict" in message:
        traced = _expected(message["Trace-Verdict"], message.get("Trace-Findings", ""))
    return Case(
        name=path.stem,
        subject=message["Subject"],
        body=str(message.get_payload()).strip(),
        plain=_expected(message["Verdict"], message.get("Findings", "")),
        traced=traced,
        kunit=message["Kunit"],
        run=tuple(shlex.split(message.get("Run", ""))),
        environment=message.get("Environment"),
        patch=path if diff.strip() else None,
        mermaps=_mermaps(message.get("On", "reference")),
        witnessed=_codes(found) if (found := message.get("Witness-Findings")) else None,
        stressed=_codes(under) if (under := message.get("Stress-Findings")) else None,
    )


def faults() -> tuple[Case, ...]:
    """Return all faults in the order of their numbers, each once."""
    return tuple(parse(path) for path in sorted(FAULTS.glob("*.patch")))


def put_into_mermaps(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Return each fault once per mermap that it is applied to, mermap by mermap."""
    return tuple(
        replace(case, name=f"{posting}/{case.name}" if posting else case.name, posting=posting)
        for posting in (None, *Posting)
        for case in cases
        if posting in case.mermaps
    )


def good() -> tuple[Case, ...]:
    """Read the good configurations from good.toml."""
    tables = tomllib.loads(GOOD.read_text(encoding="utf-8"))["good"]
    return tuple(
        Case(
            name=table["name"],
            subject=table["subject"],
            body=table.get("body", ""),
            plain=_expected(table.get("verdict", "passed"), table.get("findings", "")),
            traced=None,
            kunit=None,
            run=tuple(table.get("run", ())),
            posting=Posting(table["posting"]) if "posting" in table else None,
        )
        for table in tables
    )
