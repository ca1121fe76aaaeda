# SPDX-License-Identifier: GPL-2.0-only
"""The end of a process frees everything: a thousand address spaces leave no more than a hundred.

The suite of lifetime/ goes into the tree for this; the reference suite keeps its four tests.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import git
from tests.e2e.conftest import Ran, Run
from tests.tables import NAMES

pytestmark = [pytest.mark.e2e, pytest.mark.nightly]

SUITE = Path(__file__).with_name("lifetime")
LIFETIME = {
    "test_mermap_alone",
    "test_ldt_before_mermap",
    "test_mermap_before_ldt",
    "test_forked_processes",
    "test_out_of_memory",
}
CHECKED = "--variant=kasan+debug+smp"
USED = re.compile(r"after (\d+): (\d+) pages of tables, (\d+) percpu, (\d+) free")


@pytest.fixture
def lifetime_tree(reference_tree: Path) -> Iterator[Path]:
    """Add a suite to the tree, built wherever the mermap's own is."""
    source = reference_tree / "mm/tests/mermap_lifetime_kunit.c"
    makefile = reference_tree / "mm/Makefile"
    shutil.copy(SUITE / source.name, source)
    line = f"obj-$(CONFIG_MERMAP_KUNIT_TEST) += tests/{source.stem}.o\n"
    makefile.write_text(makefile.read_text() + line)
    yield reference_tree
    source.unlink()
    git(reference_tree, "checkout", "-q", "HEAD", "--", "mm")


def boot(run: Run, *argv: str) -> Ran:
    """Boot once with the four tests and the suite of lifetime/."""
    config = f"--config={SUITE / 'lifetime.kunitconfig'}"
    return run("--suite=mermap*", config, "--timeout=1200", "--silence=600", *argv)


@pytest.mark.usefixtures("lifetime_tree")
@pytest.mark.parametrize(
    ("argv", "isolation"),
    [
        ((), True),
        ((CHECKED,), True),
        ((CHECKED, "--smp=1"), True),
        (("--variant=nopti",), False),
    ],
    ids=["isolation", "checked", "checked-one-cpu", "no-isolation"],
)
def test_a_thousand_address_spaces_leave_no_more_than_a_hundred(
    run: Run, argv: tuple[str, ...], *, isolation: bool
) -> None:
    ran = boot(run, *argv)
    assert ran.code == 0, ran.document
    assert ran.statuses == dict.fromkeys((*LIFETIME, *NAMES), "passed")
    assert ran.cell["splats"] == []
    console = Path(ran.cell["artifacts"]["console"]).read_text(errors="replace")
    assert ("page tables isolation: enabled" in console) is isolation
    assert [found[0] for found in USED.findall(console)] == ["100", "1000"] * len(LIFETIME)


@pytest.mark.usefixtures("lifetime_tree")
@pytest.mark.parametrize(
    ("statement", "argv", "failed"),
    [
        ("free_percpu(mm->mermap.cpu);", (CHECKED,), LIFETIME),
        ("mermap_free_tables(mm);", ("--variant=nopti",), LIFETIME),
    ],
    ids=["state", "tables"],
)
def test_a_missing_free_is_found(
    run: Run, reference_tree: Path, statement: str, argv: tuple[str, ...], failed: set[str]
) -> None:
    """Remove a statement of the teardown; the fixture restores it."""
    source = reference_tree / "mm/mermap.c"
    text = source.read_text()
    assert text.count(f"\t{statement}\n") == 1
    source.write_text(text.replace(f"\t{statement}\n", "\t;\n"))
    ran = boot(run, *argv)
    assert ran.code == 1
    assert {name for name, status in ran.statuses.items() if status != "passed"} == failed
