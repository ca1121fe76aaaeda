# SPDX-License-Identifier: GPL-2.0-only
"""The module flavour: a suite built =m, and the faults that only it shows.

`#ifdef CONFIG_X` is false where X is =m (the compiler gets CONFIG_X_MODULE instead), so code inside
it is missing; `IS_ENABLED(CONFIG_X)` is true for both.
"""

from __future__ import annotations

import contextlib
import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from mermapctl.config import variants
from mermapctl.config.fragment import SUFFIX, Fragment, merge, overlay
from mermapctl.config.module_guard import Guard
from mermapctl.config.target import Target
from mermapctl.system.inputs import read_regular

FRAGMENT = "module"
NOLIBC = "tools/include/nolibc"
"""Headers, below the tree, that a guest's init is compiled with."""


class Modular(enum.StrEnum):
    """What is built as a module: the suite, or KUnit itself with it."""

    SUITE = "suite"
    ALL = "all"

    @property
    def flavour(self) -> str:
        """Its name in the record and the build directory."""
        return "module" if self is Modular.SUITE else "module-all"


_BASE = re.compile(rf"configs/{variants.BASE}(?:-\w+)?{re.escape(SUFFIX)}:")
"""The origin of a line of the shipped fragments that give way."""
_TEST = re.compile(r"(?:\w+_)?KUNIT(?:_(?:\w+_)?TEST)?")
"""The name of a suite's own symbol (Documentation/dev-tools/kunit/style.rst)."""
_KUNIT = "KUNIT"

# Where a mermap and its state are, in the series' versions and in the reference mermap.
_PLACES = ("mm", "include/linux", "arch/{srcarch}/mm", "arch/{srcarch}/include")


def obstacle(tree: Path, target: Target, option: str, what: str) -> str | None:
    """Return why a target's guest can insert no modules, in a sentence; None where it can.

    `option` is the one that needs them, `what` is in the modules.
    """
    if target.qemu is None:
        return (
            f"{option} inserts {what} from an initramfs that QEMU boots; {target.name} has no QEMU"
        )
    if not target.userspace:
        return (
            f"{option} needs an init for {target.name}, and its compiler, left to itself, "
            "makes programs for another machine"
        )
    if not (tree / NOLIBC / "nolibc.h").is_file():
        return f"{option} compiles its init with {NOLIBC}, which this tree does not have"
    return None


def symbols(fragment: Fragment) -> tuple[str, ...]:
    """Return the symbols of suites that a fragment builds in, by KUnit's naming rule."""
    return tuple(
        each.symbol
        for each in fragment.assignments
        if each.value in {"y", "m"} and each.symbol != _KUNIT and _TEST.fullmatch(each.symbol)
    )


def fragment_of(fragment: Fragment, modular: Modular) -> Fragment:
    """Return the fragment with its suites as modules.

    Lines that base turns off give way. Raises UserError for a conflict with another fragment.
    """
    tests = {*symbols(fragment), *((_KUNIT,) if modular is Modular.ALL else ())}
    switched = tuple(
        replace(each, value="m") if each.symbol in tests else each for each in fragment.assignments
    )
    return with_modules(replace(fragment, assignments=switched))


def with_modules(fragment: Fragment) -> Fragment:
    """Return the fragment with what inserting modules needs, its suites as they are.

    Lines that base turns off give way. Raises UserError for a conflict with another fragment.
    """
    return above_base(fragment, variants.load_fragment(FRAGMENT))


def above_base(fragment: Fragment, wanted: Fragment) -> Fragment:
    """Return the fragment with the lines of another; lines that base turns off give way.

    Raises UserError for a conflict with another fragment.
    """
    yielding = tuple(each for each in fragment.assignments if _BASE.match(each.origin))
    firm = tuple(each for each in fragment.assignments if not _BASE.match(each.origin))
    asked = merge(fragment.name, [replace(fragment, assignments=firm), wanted])
    return overlay(replace(fragment, assignments=yielding), asked)


def guards(tree: Path, srcarch: str, names: Iterable[str]) -> tuple[Guard, ...]:
    """Return every line around the mermap that a modular suite makes false, headers first.

    `names` are the suites' symbols. A line that names CONFIG_X_MODULE too is correct.
    """
    known = "|".join(map(re.escape, names)).encode()
    if not known:
        return ()
    named = re.compile(rb"CONFIG_(?:%s)(?!\w)" % known)
    wrong = re.compile(
        rb"# ?ifn?def CONFIG_(?:%(x)s)\b"
        rb"|# ?(?:el)?if\b(?!.*CONFIG_(?:%(x)s)_MODULE).*defined ?\(? ?CONFIG_(?:%(x)s)\b"
        rb"|.*\bIS_BUILTIN\(CONFIG_(?:%(x)s)\)" % {b"x": known}
    )
    found = []
    for path, text in _sources(tree, srcarch):
        for number, line in _lines(named, text):
            if wrong.match(line):
                shown = line.decode(errors="backslashreplace")
                found.append(Guard(f"{path.relative_to(tree)}:{number}", shown))
    return tuple(sorted(found, key=lambda guard: (".h:" not in guard.where, guard.where)))


def _lines(named: re.Pattern[bytes], text: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each line that has a match, with its number; of blanks in a row it keeps one."""
    number, at = 1, 0
    for match in named.finditer(text):
        if match.start() < at:
            continue
        start = max(at, text.rfind(b"\n", at, match.start()) + 1)
        number += text.count(b"\n", at, start)
        end = text.find(b"\n", match.end())
        at = len(text) if end < 0 else end
        yield number, b" ".join(text[start:at].split())


def _sources(tree: Path, srcarch: str) -> Iterator[tuple[Path, bytes]]:
    for place in _PLACES:
        root = tree / place.format(srcarch=srcarch)
        for pattern in ("*.h", "*.c"):
            for path in sorted(root.rglob(pattern)):
                with contextlib.suppress(OSError):  # no regular file
                    yield path, read_regular(path)
