# SPDX-License-Identifier: GPL-2.0-only
"""The fault corpus as values: kernel/faults/*.patch and good.toml, each with what must come of it.

A fault is one patch, led by lines in the manner of a mail's header and by a sentence or two:

    Subject         what is broken
    Verdict         passed, failed, or "no-verdict REASON": what `mermapctl run` must say
    Findings        the codes of the findings of severity error that it must have, and no others
    Trace-Verdict   the same two of `run`, which traces;
    Trace-Findings  left out where there is nothing that a trace could show
    Kunit           what the tree's own kunit.py makes of the same console
    On              the mermaps that it is put into: reference (the default), first, later, newest
    Run             options of `mermapctl run`, beside tree and format
    Environment     what is wrong around the kernel: a name that tests/faults/environment.py knows

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
        "Kunit",
        "On",
        "Run",
        "Environment",
    }
)
SLOW = ("--variant", "--as-module", "--config")
"""Options that take a kernel other than the one most faults share."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A verdict, the reason of one that there is none, and the codes of all error findings."""

    verdict: str
    reason: str | None
    codes: frozenset[str]

    def __str__(self) -> str:
        verdict = f"{self.verdict} ({self.reason})" if self.reason else self.verdict
        return ": ".join(filter(None, [verdict, ", ".join(sorted(self.codes))]))


@dataclass(frozen=True, slots=True)
class Case:
    """A fault or a good configuration; `patch` is null where the source is not touched.

    `posting` is null where the mermap is the reference as it is; `mermaps` are all that the fault
    is put into, null standing for the reference.
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

    @property
    def slow(self) -> bool:
        """Whether it needs a kernel of its own."""
        return any(option.startswith(SLOW) for option in self.run)


def _expected(verdict: str, codes: str) -> Expected:
    word, _, reason = verdict.partition(" ")
    return Expected(word, reason or None, frozenset(codes.replace(",", " ").split()))


def _mermaps(names: str) -> tuple[Posting | None, ...]:
    """The mermaps of a header `On`. Raises ValueError for one that is unknown."""
    return tuple(
        None if name == "reference" else Posting(name) for name in names.replace(",", " ").split()
    )


def parse(path: Path) -> Case:
    """Read one fault. Raises ValueError for a header that is missing or that nobody knows."""
    head, found, diff = path.read_text(encoding="utf-8").partition("\n---\n")
    if not found:
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
    )


def faults() -> tuple[Case, ...]:
    """All of them, in the order of their numbers, each once."""
    return tuple(parse(path) for path in sorted(FAULTS.glob("*.patch")))


def put_into_mermaps(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Each fault once for each mermap that it is put into; the mermaps one after another."""
    return tuple(
        replace(case, name=f"{posting}/{case.name}" if posting else case.name, posting=posting)
        for posting in (None, *Posting)
        for case in cases
        if posting in case.mermaps
    )


def good() -> tuple[Case, ...]:
    """The configurations in which a mermap is right, from good.toml."""
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
