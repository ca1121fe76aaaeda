# SPDX-License-Identifier: GPL-2.0-only
"""The solver finds the smallest set of assignments for a Kconfig and a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mermapctl.config import kconfig, target
from mermapctl.config.solver import solve
from tests.minikconfig import tree_of

if TYPE_CHECKING:
    from pathlib import Path

    from mermapctl.config.kconfig import Setting

KCONFIG = """
config A
    bool "a"
config B
    bool "b"
config T
    tristate "t"
config AND
    bool "and"
    depends on A && B
config OR
    bool "or"
    depends on (A && B) || T
config NOT
    bool "not"
    depends on !A
config CHAIN
    bool "chain"
    depends on AND
config HIDDEN
    bool
config PROVIDER
    bool "provider"
    depends on B
    select HIDDEN
config USER
    bool "user"
    depends on HIDDEN
config FOLLOWS
    def_bool A && B
config NEVER
    bool "never"
    depends on NO_SUCH
config ARCH_ONLY
    bool
config WISH
    bool "wish"
    depends on ARCH_ONLY
config FORCED
    bool "forced"
config FORCER
    bool "forcer"
    default y
    select FORCED
config EXPERT
    bool "expert"
config QUIET
    bool "quiet" if EXPERT
    default y
config IMPLIED
    bool
config IMPLIER
    bool "implier"
    imply IMPLIED
config N
    int "n"
    range 1 9
    depends on A
config S
    string "s"
    depends on B
config MANY
    bool "many"
    depends on N > 3
config EXACT
    bool "exact"
    depends on S = "on" && T = m
config DIFFERENT
    bool "different"
    depends on T != n
choice
    prompt "one of"
config ONE
    bool "one"
config TWO
    bool "two"
    depends on A
endchoice
config LOOP1
    bool "loop1"
    depends on LOOP2
config LOOP2
    bool
    default y if LOOP3
config LOOP3
    bool
config ALL
    bool "all"
config TEST
    tristate "test" if !ALL
    depends on A
    default ALL
config UPSET
    bool "upset"
    depends on !FORCED && B
config B_FORCES
    def_bool B
    select FORCED2
config FORCED2
    bool
config CLASH
    bool "clash"
    depends on B && !FORCED2
config DEEP
    bool "deep"
    depends on CHAIN && USER && MANY && T
"""


@pytest.mark.parametrize(
    ("given", "goal", "expected"),
    [
        ("", "A=y", "A=y"),
        ("A=y", "A=y", ""),
        ("", "AND=y", "A=y B=y AND=y"),
        ("B=y", "AND=y", "A=y AND=y"),
        ("", "OR=y", "T=y OR=y"),
        ("A=y", "NOT=y", "A=n NOT=y"),
        ("", "CHAIN=y", "A=y AND=y B=y CHAIN=y"),
        ("", "HIDDEN=y", "B=y PROVIDER=y"),
        ("", "USER=y", "B=y PROVIDER=y USER=y"),
        ("", "FOLLOWS=y", "A=y B=y"),
        ("A=y B=y", "FOLLOWS=n", "A=n"),
        ("", "NEVER=y", None),
        ("", "WISH=y", None),
        ("", "NO_SUCH=y", None),
        ("", "FORCED=n", "FORCER=n"),
        ("", "QUIET=n", "EXPERT=y QUIET=n"),
        ("EXPERT=y", "QUIET=n", "QUIET=n"),
        ("", "IMPLIED=y", "IMPLIER=y"),
        ("", "T=m", "MODULES=y T=m"),
        ("MODULES=y", "T=m", "T=m"),
        ("", "A=m", None),
        ("", "N=5", "A=y N=5"),
        ("A=y", "N=12", None),
        ("", "S=text", "B=y S=text"),
        ("", "MANY=y", "A=y N=4 MANY=y"),
        ("A=y N=7", "MANY=y", "MANY=y"),
        ("", "EXACT=y", "B=y MODULES=y S=on T=m EXACT=y"),
        ("", "DIFFERENT=y", "T=y DIFFERENT=y"),
        ("", "TWO=y", "A=y TWO=y"),
        ("A=y", "ONE=n", "TWO=y"),
        ("", "ONE=n", "A=y TWO=y"),
        ("", "LOOP1=y", None),
        ("ALL=y A=y", "TEST=n", "A=n"),
        ("ALL=y", "TEST=y", "A=y"),
        ("", "UPSET=y", "B=y FORCER=n UPSET=y"),
        ("", "CLASH=y", None),
        ("", "DEEP=y", "A=y AND=y B=y CHAIN=y N=4 MANY=y PROVIDER=y T=y USER=y DEEP=y"),
    ],
)
def test_the_smallest_set(tmp_path: Path, given: str, goal: str, expected: str | None) -> None:
    model = kconfig.read(tree := tree_of(tmp_path, KCONFIG), target.read(tree).find("um"))
    before = pairs(given)
    found = solve(model, before, pairs(goal)[0])
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert set(found) == set(pairs(expected))
    model.assign((*before, *found))
    name, value = pairs(goal)[0]
    assert model.value(name) == value


def test_of_equals_the_nearer_then_the_gentler(tmp_path: Path) -> None:
    text = KCONFIG + "config ALSO\n    bool 'also'\n    depends on A\n"
    model = kconfig.read(tree := tree_of(tmp_path, text), target.read(tree).find("um"))
    given = pairs("ALL=y A=y ALSO=y")
    assert solve(model, given, ("TEST", "n")) == (("ALL", "n"),), "A=n would undo two wishes"
    assert solve(model, given, ("TEST", "n"), frozenset({"A"})) == (("A", "n"),)


def test_the_model_is_as_given_afterwards(tmp_path: Path) -> None:
    model = kconfig.read(tree := tree_of(tmp_path, KCONFIG), target.read(tree).find("um"))
    solve(model, pairs("B=y"), ("AND", "y"))
    assert (model.value("B"), model.value("A"), model.value("AND")) == ("y", "n", "n")


def test_a_symbol_that_thousands_select(tmp_path: Path) -> None:
    text = 'config LIB\n    bool\nconfig PLAIN\n    bool "plain"\n    depends on !LIB\n'
    text += "".join(f'config U{number}\n    bool "u"\n    select LIB\n' for number in range(2000))
    model = kconfig.read(tree := tree_of(tmp_path, text), target.read(tree).find("um"))
    assert solve(model, pairs("U7=y U1999=y"), ("LIB", "n")) == (("U1999", "n"), ("U7", "n"))
    assert solve(model, [], ("LIB", "y")) is not None
    assert solve(model, pairs("U7=y"), ("PLAIN", "y")) == (("U7", "n"), ("PLAIN", "y"))


def pairs(text: str) -> list[Setting]:
    return [(name, value) for name, _, value in (each.partition("=") for each in text.split())]
