# SPDX-License-Identifier: GPL-2.0-only
"""The module flavour: a suite built =m, and what only that shows.

`#ifdef CONFIG_X` is false where X is =m (the compiler is told CONFIG_X_MODULE instead), so what it
guards is missing; `IS_ENABLED(CONFIG_X)` is true for both.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mermapctl.config import fragment as fragments
from mermapctl.config import variants
from mermapctl.judge.verdict import Finding, Severity
from mermapctl.runner.initramfs import NOLIBC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mermapctl.config.fragment import Fragment
    from mermapctl.config.target import Target
    from mermapctl.judge.verdict import Flush

FRAGMENT = "module"
CODE = "counter-not-in-module"


class Modular(enum.StrEnum):
    """What is built as a module: the suite, or KUnit itself with it."""

    SUITE = "suite"
    ALL = "all"

    @property
    def flavour(self) -> str:
        """As the record and the build directory call it."""
        return "module" if self is Modular.SUITE else "module-all"


@dataclass(frozen=True, slots=True)
class Guard:
    """A line of the tree that is false where the suite is a module; `where` is FILE:LINE."""

    where: str
    text: str


_BASE = re.compile(rf"configs/{variants.BASE}(?:-\w+)?{re.escape(fragments.SUFFIX)}:")
"""The origin of a line of the shipped fragments that give way."""
_TEST = re.compile(r"(?:\w+_)?KUNIT(?:_(?:\w+_)?TEST)?")
"""How a suite's own symbol is called (Documentation/dev-tools/kunit/style.rst)."""
_KUNIT = "KUNIT"

# Where a mermap and its state live, in the series' versions and in the reference mermap.
_PLACES = ("mm", "include/linux", "arch/{srcarch}/mm", "arch/{srcarch}/include")
_NO_MEMBER = re.compile(
    r"^\S+:\d+:\d+: error: .*no member named \W(?P<member>\w*tlb_flushes)\W", re.MULTILINE
)
"""gcc's and clang's words; gcc's quotes depend on the locale."""
_UNCOUNTED = ("missing-flush", "counter-mismatch")


def obstacle(tree: Path, target: Target) -> str | None:
    """Why a target has no module flavour, in a sentence; None where it may have one."""
    if target.qemu is None:
        return (
            f"--as-module inserts the suite from an initramfs that QEMU boots; {target.name} "
            "has no QEMU"
        )
    if not target.userspace:
        return (
            f"--as-module needs an init for {target.name}, and its compiler, left to itself, "
            "makes programs for another machine"
        )
    if not (tree / NOLIBC / "nolibc.h").is_file():
        return f"--as-module compiles its init with {NOLIBC}, which this tree does not have"
    return None


def symbols(fragment: Fragment) -> tuple[str, ...]:
    """The symbols of suites that a fragment builds in, by KUnit's naming rule."""
    return tuple(
        each.symbol
        for each in fragment.assignments
        if each.value in {"y", "m"} and each.symbol != _KUNIT and _TEST.fullmatch(each.symbol)
    )


def fragment_of(fragment: Fragment, modular: Modular) -> Fragment:
    """The same kernel with its suites as modules.

    What a base fragment leaves out gives way. Raises UserError for a conflict with another one.
    """
    tests = {*symbols(fragment), *((_KUNIT,) if modular is Modular.ALL else ())}
    switched = [
        replace(each, value="m") if each.symbol in tests else each for each in fragment.assignments
    ]
    yielding = tuple(each for each in switched if _BASE.match(each.origin))
    firm = tuple(each for each in switched if not _BASE.match(each.origin))
    wanted = variants.load_fragment(FRAGMENT)
    asked = fragments.merge(fragment.name, [replace(fragment, assignments=firm), wanted])
    return fragments.overlay(replace(fragment, assignments=yielding), asked)


def guards(tree: Path, srcarch: str, names: Iterable[str]) -> tuple[Guard, ...]:
    """Every line around the mermap that a suite as a module makes false; headers come first.

    `names` are the suites' symbols. A line that names CONFIG_X_MODULE too is right.
    """
    known = "|".join(map(re.escape, names))
    if not known:
        return ()
    wrong = re.compile(
        rb"^[ \t]*#[ \t]*(?:ifn?def[ \t]+CONFIG_(?:%(x)s)\b"
        rb"|(?:el)?if\b(?!.*CONFIG_(?:%(x)s)_MODULE)"
        rb".*defined[ \t]*\(?[ \t]*CONFIG_(?:%(x)s)\b).*"
        rb"|^.*\bIS_BUILTIN\(CONFIG_(?:%(x)s)\).*"
        % {b"x": known.encode()},
        re.MULTILINE,
    )
    found = []
    for path, text in _sources(tree, srcarch):
        for match in wrong.finditer(text):
            line = text.count(b"\n", 0, match.start()) + 1
            found.append(Guard(f"{path.relative_to(tree)}:{line}", _shown(match[0])))
    return tuple(sorted(found, key=lambda guard: (".h:" not in guard.where, guard.where)))


def _sources(tree: Path, srcarch: str) -> Iterator[tuple[Path, bytes]]:
    for place in _PLACES:
        root = tree / place.format(srcarch=srcarch)
        for pattern in ("*.h", "*.c"):
            for path in sorted(root.rglob(pattern)):
                if path.is_file():
                    yield path, path.read_bytes()


def _shown(line: bytes) -> str:
    return " ".join(line.decode(errors="backslashreplace").split())


def without_member(build_log: str, found: tuple[Guard, ...]) -> Finding | None:
    """The finding for a build that stopped because the counter is not in the module's view."""
    failed = _NO_MEMBER.search(build_log)
    if failed is None or not found:
        return None
    summary = (
        f"the suite cannot be built as a module: `{found[0].text}` hides {failed['member']} from it"
    )
    evidence = {"build": failed[0].strip(), "member": failed["member"]}
    return _finding(summary, evidence, found, None)


def explained(
    findings: tuple[Finding, ...], found: tuple[Guard, ...], flushes: Iterable[Flush] = ()
) -> tuple[Finding, ...]:
    """Findings of a module's boot; a counter that stayed 0 is explained by its guard.

    Unless a trace saw (`flushes`) that there was nothing to count.
    """
    undone = {row.test for row in flushes if row.observed == 0}
    effects = [
        each
        for each in findings
        if each.code in _UNCOUNTED and _counted(each) == 0 and each.test not in undone
    ]
    if not effects or not found:
        return findings
    # What counts is code: the guard of a .c file, if there is one.
    ordered = sorted(found, key=lambda guard: ".c:" not in guard.where)
    first = effects[0]
    summary = (
        f"no flush is counted when the suite is a module: `{ordered[0].text}` is false there"
    )
    cause = replace(
        _finding(summary, {"counted": 0}, tuple(ordered), first.test),
        console_line=first.console_line,
        consequences=tuple(
            sentence for each in effects for sentence in (each.summary, *each.consequences)
        ),
    )
    at = findings.index(first)
    rest = [each for each in findings if each not in effects]
    return (*rest[:at], cause, *rest[at:])


def _counted(finding: Finding) -> object:
    return finding.evidence.get("flushes", finding.evidence.get("counted"))


def _finding(
    summary: str, evidence: dict[str, str | int], found: tuple[Guard, ...], test: str | None
) -> Finding:
    others = ", ".join(guard.where for guard in found[1:])
    return Finding(
        code=CODE,
        severity=Severity.ERROR,
        summary=summary,
        test=test,
        evidence={"guard": found[0].text, **evidence, **({"also": others} if others else {})},
        where=found[0].where,
        advice=f"write `#if IS_ENABLED({_symbol(found[0].text)})`, which is true for =y and =m; "
        "a suite that is built in never shows the difference",
    )


def _symbol(text: str) -> str:
    named = re.search(r"CONFIG_\w+", text)
    return named[0] if named else "CONFIG_…"
