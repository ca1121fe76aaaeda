# SPDX-License-Identifier: GPL-2.0-only
"""`config explain` on a real tree with the reference mermap agrees with Kconfig."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from mermapctl.config import (
    explain,
    explanation,
    fragment,
    kconfig,
    kconfig_parser,
    olddefconfig,
    target,
    toolchain,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mermapctl.config.explanation import Explanation

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True)
class Case:
    """A question and its answer. `blocking` are leaves, `given` lines of a fragment, by name."""

    symbol: str
    name: str
    given: str
    cause: str
    blocking: str = ""
    assignments: str | None = None
    also: str = ""
    """Texts that the explanation must contain. `assignments` may be one of several sets."""
    targets: str | None = None


MERMAP = "MERMAP_KUNIT_TEST"
CASES = [
    Case(
        MERMAP, "um", "KUNIT=y", "dependency", "ARCH_SUPPORTS_MERMAP",
        also="selected by X86_64 arch/x86/Kconfig:", targets="x86_64",
    ),
    Case(
        MERMAP, "arm64", "KUNIT=y", "dependency", "ARCH_SUPPORTS_MERMAP",
        also="arch/x86/Kconfig:", targets="x86_64",
    ),
    Case(MERMAP, "i386", "KUNIT=y", "dependency", "ARCH_SUPPORTS_MERMAP", targets="x86_64"),
    Case(MERMAP, "x86_64", "KUNIT=y", "satisfied", "", f"{MERMAP}=y", targets="x86_64"),
    Case(MERMAP, "x86_64", "KUNIT=y EXPERT=y PREEMPT_RT=y", "satisfied", "", f"{MERMAP}=y"),
    Case(
        "TRANSPARENT_HUGEPAGE", "x86_64", "KUNIT=y EXPERT=y PREEMPT_RT=y", "dependency",
        "!PREEMPT_RT",
        "PREEMPT_RT=n TRANSPARENT_HUGEPAGE=y or PREEMPT=y TRANSPARENT_HUGEPAGE=y",
        also="kernel/Kconfig.preempt: CONFIG_PREEMPT_RT=y (asked.kunitconfig:3)",
    ),
    Case(f"{MERMAP}S", "x86_64", "KUNIT=y", "undefined", also=MERMAP),
    Case(
        MERMAP, "x86_64", "MODULES=y KUNIT=m", "dependency", "KUNIT",
        f"KUNIT=y {MERMAP}=y", also="asks for m",
    ),
    Case(f"{MERMAP}=m", "x86_64", "KUNIT=y", "modules", "MODULES", f"MODULES=y {MERMAP}=m"),
    Case(
        "MERMAP=n", "x86_64", f"KUNIT=y {MERMAP}=y", "selected", "", f"{MERMAP}=n",
        also="mm/Kconfig:",
    ),
    Case(
        "LIST_KUNIT_TEST=n", "x86_64", "KUNIT=y KUNIT_ALL_TESTS=y", "hidden-prompt",
        "!KUNIT_ALL_TESTS", "KUNIT_ALL_TESTS=n", also="lib/kunit/Kconfig:",
    ),
    Case(
        "KASAN_OUTLINE", "x86_64", "KUNIT=y", "dependency", "choice",
        "KASAN=y KASAN_OUTLINE=y", also="lib/Kconfig.kasan:",
    ),
    Case("SYSFS=n", "x86_64", "KUNIT=y", "hidden-prompt", "EXPERT", "EXPERT=y SYSFS=n"),
    Case(
        "LOCKDEP", "x86_64", "KUNIT=y", "dependency", "DEBUG_KERNEL",
        "DEBUG_KERNEL=y DEBUG_LOCK_ALLOC=y",
    ),
    Case("CC_IS_CLANG", "x86_64", "KUNIT=y", "no-prompt", also="test of the compiler"),
    Case("NR_CPUS=1000000", "x86_64", "KUNIT=y SMP=y", "range", also="2 to "),
    Case("ARM64_64K_PAGES", "x86_64", "KUNIT=y", "other-architecture", targets="arm64"),
]  # fmt: skip


READ = kconfig.read


@pytest.fixture(scope="module", autouse=True)
def one_reading() -> Iterator[None]:
    """Parse the files once for all cases of a target; each case resets the assignments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kconfig, "read", functools.lru_cache(maxsize=1)(READ))
        yield


def asked(given: str) -> fragment.Fragment:
    lines = "".join(f"CONFIG_{line}\n" for line in given.split())
    return fragment.parse(lines, "asked.kunitconfig")


def told(tree: Path, case: Case) -> Explanation:
    """Return the explanation of a case, checked with the tree's olddefconfig."""
    where = target.read(tree).find(case.name)
    (found,) = explain.why(tree, where, [case.symbol], asked(case.given))
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.symbol}-{case.name}")
def test_real_cases(reference_tree: Path, case: Case) -> None:
    found = told(reference_tree, case)
    leaves = [leaf for blocker in found.blockers for leaf in blocker.leaves]
    assert found.cause.value == case.cause
    assert {leaf.expression.split()[0] for leaf in leaves} >= set(case.blocking.split())
    assert found.verified is True, found.verdict
    shown = [f"{name}={value}" for name, value in found.assignments or ()]
    if case.assignments is None:
        assert found.assignments is None
    else:
        assert sorted(shown) in [sorted(each.split()) for each in case.assignments.split(" or ")]
    if case.targets is not None:
        assert set(found.targets) == set(case.targets.split())
    assert all(word in explanation.full_text(found) for word in case.also.split())
    for place in (*found.defined, *(place for leaf in leaves for place in leaf.defined)):
        assert_defined_at(reference_tree, place)
    for selector in (each for leaf in leaves for each in leaf.selectors):
        name, _, number = selector.where.partition(":")
        line = (reference_tree / name).read_text(errors="replace").splitlines()[int(number) - 1]
        assert line.split()[0] == "select"


def assert_defined_at(tree: Path, place: str) -> None:
    name, _, number = place.partition(":")
    line = (tree / name).read_text(errors="replace").splitlines()[int(number) - 1]
    assert line.startswith(("config ", "menuconfig ", "choice")), place


def test_lazy_mmu_mode_where_the_tree_has_it(reference_tree: Path) -> None:
    names = ("LAZY_MMU_MODE", "LAZY_MMU_MODE_KUNIT_TEST")
    where = target.read(reference_tree).find("um")
    model = kconfig.read(reference_tree, where)
    there = [name for name in names if model.symbol(name)]
    found = explain.why(reference_tree, where, names, asked("KUNIT=y"))
    for each in found:
        assert (each.cause.value == "undefined") == (each.symbol not in there)
        assert each.verified is True
    if "LAZY_MMU_MODE_KUNIT_TEST" in there:
        (test,) = [each for each in found if each.symbol == "LAZY_MMU_MODE_KUNIT_TEST"]
        leaves = [leaf.expression for blocker in test.blockers for leaf in blocker.leaves]
        assert leaves == ["ARCH_HAS_LAZY_MMU_MODE"]
        assert {"arm64", "x86_64"} <= set(test.targets)


MANY = (
    "KUNIT=y KUNIT_ALL_TESTS=y MODULES=y EXPERT=y DEBUG_KERNEL=y PROVE_LOCKING=y KASAN=y NET=y "
    "PCI=y USB=m DRM=m SOUND=m SND=m"
)


@pytest.mark.parametrize("name", ["x86_64", "um", "arm64"])
def test_the_parser_computes_what_olddefconfig_does(reference_tree: Path, name: str) -> None:
    where = target.read(reference_tree).find(name)
    question = explain.Question(reference_tree, where, asked(MANY))
    chain = toolchain.of(where)
    given = olddefconfig.resolve(reference_tree, where, chain, question.lines(()))
    model = kconfig.read(reference_tree, where)
    model.assign(question.assigned())
    assert len(given) > 1000
    different = {
        symbol.name: (symbol.str_value, given.get(symbol.name))
        for symbol in model.kconf.unique_defined_syms
        if explain.bare(given.get(symbol.name, _absent(symbol))) != symbol.str_value
    }
    # 7.3 compares an undefined symbol with "": to kconfiglib its value is its name.
    different.pop("PAGE_BLOCK_MAX_ORDER", None)
    assert different == {}


def _absent(symbol: Any) -> str:
    """Return the value of a symbol; n if .config does not have it."""
    return "n" if kconfig.is_tri(symbol) else str(symbol.str_value)


@pytest.mark.parametrize("name", ["x86_64", "um", "arm64"])
def test_a_second_parse_asks_neither_the_compiler_nor_a_script(
    reference_tree: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERMAPCTL_HOME", str(tmp_path))
    run = kconfig_parser.Shell.run
    asked: list[str] = []

    def noted(shell: kconfig_parser.Shell, command: str) -> str:
        asked.append(command)
        return run(shell, command)

    monkeypatch.setattr(kconfig_parser.Shell, "run", noted)
    where = target.read(reference_tree).find(name)
    compiler = toolchain.kconfig_environment(reference_tree, where, toolchain.of(where))["CC"]
    costly = re.compile(rf"(?<![\w./-]){re.escape(compiler)} (?!-print-)|/scripts/")
    READ(reference_tree, where)
    first = asked.copy()
    asked.clear()
    READ(reference_tree, where)
    assert len([command for command in first if costly.search(command)]) > 40
    assert [command for command in asked if costly.search(command)] == []
    assert set(asked) < set(first)
    assert len(asked) < len(first) / 3, "what the shell alone answers is asked each time"
