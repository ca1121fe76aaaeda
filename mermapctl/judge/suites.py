# SPDX-License-Identifier: GPL-2.0-only
"""The manifest of suites: their tests, and the meaning of their assertions.

It is data (`configs/suites.toml`): a new test needs no code.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from mermapctl.console.splat import SplatKind, function
from mermapctl.errors import HarnessError
from mermapctl.system import paths


@dataclass(frozen=True, slots=True)
class ExpectedTest:
    """One test; it needs `flushes`, and asserts their number with the expression `counter`.

    `provokes` are the kinds of splats that it triggers on purpose.
    """

    name: str
    proves: str = ""
    flushes: int | None = None
    counter: str | None = None
    provokes: tuple[SplatKind, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A failed assertion -> a finding. The keys are explained in configs/suites.toml."""

    code: str
    summary: str
    advice: str
    test: str | None = None
    expected: str | None = None
    message: str | None = None
    when: dict[str, int] = field(default_factory=dict)
    evidence: dict[str, str] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)
    values: bool = False
    pages_from: int | None = None
    follows: tuple[str, ...] = ()
    row: str = ""


@dataclass(frozen=True, slots=True)
class ExpectedSuite:
    """The expected form of a suite; `tests` in the order they run."""

    source: str = ""
    symbols: tuple[str, ...] = ()
    tests: tuple[ExpectedTest, ...] = ()
    rules: tuple[Rule, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the tests' names."""
        return tuple(test.name for test in self.tests)

    def owns(self, frame: str) -> bool:
        """Return whether a call trace's entry is in the code under test or in its tests."""
        symbol = function(frame)
        return symbol in self.names or any(fnmatchcase(symbol, glob) for glob in self.symbols)


@dataclass(frozen=True, slots=True)
class Manifest:
    """All known suites, by name."""

    suites: dict[str, ExpectedSuite] = field(default_factory=dict)

    def required(self, glob: str | None) -> tuple[str, ...]:
        """List suites that a run with this filter (kunit.py's `SUITE[.TEST]` glob) must run."""
        name = (glob or "").partition(".")[0]
        return (name,) if name and not re.search(r"[*?\[]", name) else ()

    def tests(self, suite: str, glob: str | None) -> tuple[ExpectedTest, ...]:
        """List the tests of `suite` that a run with this filter must run; () for unknown suites."""
        expected = self.suites.get(suite)
        if expected is None:
            return ()
        wanted = (glob or "").partition(".")[2] or "*"
        return tuple(test for test in expected.tests if fnmatchcase(test.name, wanted))


def load(path: Path | None = None) -> Manifest:
    """Read `path`, by default the packaged file."""
    source = path or paths.shipped("configs") / "suites.toml"
    try:
        manifest = msgspec.convert(tomllib.loads(source.read_text(encoding="utf-8")), Manifest)
        for rule in (rule for suite in manifest.suites.values() for rule in suite.rules):
            for pattern in (rule.expected, rule.message):
                re.compile(pattern or "")
    except (OSError, ValueError, re.error) as error:
        raise HarnessError(
            f"{source}: {error}", "the file is part of mermapctl; install mermapctl again"
        ) from error
    return manifest
