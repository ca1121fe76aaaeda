# SPDX-License-Identifier: GPL-2.0-only
"""Suites as modules on real kernels: facts that a built-in suite never shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import git
from tests.e2e.conftest import Ran, Run
from tests.tables import NAMES

pytestmark = [pytest.mark.e2e, pytest.mark.nightly]

RIGHT = "#if IS_ENABLED(CONFIG_MERMAP_KUNIT_TEST)"
WRONG = "#ifdef CONFIG_MERMAP_KUNIT_TEST"
Guard = Callable[[str], str]


@pytest.fixture
def guard(reference_tree: Path) -> Iterator[Guard]:
    """Break the counter's guard in a file for one test; return its FILE:LINE."""

    def change(name: str) -> str:
        text = (reference_tree / name).read_text()
        assert text.count(RIGHT) == 1
        (reference_tree / name).write_text(text.replace(RIGHT, WRONG))
        return f"{name}:{text[: text.index(RIGHT)].count(chr(10)) + 1}"

    yield change
    git(reference_tree, "checkout", "-q", "--", "mm", "include")


def console(ran: Ran) -> str:
    return Path(ran.cell["artifacts"]["console"]).read_text(errors="replace")


@pytest.mark.parametrize(
    ("argv", "flavour", "inserted"),
    [
        (("--as-module",), "module", ["mermap_kunit"]),
        (("--as-module=all",), "module-all", ["kunit", "mermap_kunit"]),
    ],
    ids=["suite", "all"],
)
def test_the_suite_passes_as_a_module(
    run: Run, argv: tuple[str, ...], flavour: str, inserted: list[str]
) -> None:
    ran = run(*argv)
    assert ran.code == 0, ran.document
    assert ran.statuses == dict.fromkeys(NAMES, "passed")
    assert ran.codes == []
    assert ran.cell["flavour"] == flavour
    assert ran.cell["splats"] == []
    said = console(ran)
    assert re.findall(r"mermapctl-init: inserted /(\w+)\.ko", said) == inserted
    assert said.rstrip().endswith("reboot: machine restart") or "Restarting system" in said
    assert "CONFIG_MERMAP_KUNIT_TEST=m" in Path(ran.cell["artifacts"]["config"]).read_text()


def test_one_test_of_a_module_runs_alone(run: Run) -> None:
    ran = run("--as-module", "--suite=mermap.test_size")
    assert ran.code == 0, ran.document
    assert ran.statuses == {"test_size": "passed"}


def test_a_count_behind_ifdef_is_named_with_file_and_line(run: Run, guard: Guard) -> None:
    where = guard("mm/mermap.c")
    ran = run("--as-module")
    assert ran.code == 1
    assert ran.codes == ["counter-not-in-module"]
    (found,) = ran.cell["findings"]
    assert found["where"] == where
    assert found["evidence"]["guard"] == WRONG
    assert ran.statuses == {**dict.fromkeys(NAMES, "passed"), "test_tlb_flushed": "failed"}


def test_a_field_behind_ifdef_is_named_with_file_and_line(run: Run, guard: Guard) -> None:
    where = guard("include/linux/mermap.h")
    ran = run("--as-module")
    assert ran.code == 3
    assert ran.cell["reason"] == "build-failed"
    assert "no member named 'tlb_flushes'" in ran.cell["detail"]
    assert ran.codes == ["counter-not-in-module"]
    assert ran.cell["findings"][0]["where"] == where
