# SPDX-License-Identifier: GPL-2.0-only
"""The manifest of suites: the shipped one, filters, and invalid files."""

from __future__ import annotations

from pathlib import Path

import pytest

from mermapctl.errors import HarnessError
from mermapctl.judge import suites
from tests.tables import NAMES

SHIPPED = suites.load()


def test_the_manifest_has_the_mermaps_tests() -> None:
    suite = SHIPPED.suites["mermap"]
    assert suite.names == NAMES
    assert {test.name: test.flushes for test in suite.tests} == dict(
        zip(NAMES, (0, 1, 0, 1), strict=True)
    )
    assert [test.name for test in suite.tests if test.counter] == ["test_tlb_flushed"]
    assert all(test.proves for test in suite.tests)


@pytest.mark.parametrize(
    ("glob", "required", "tests"),
    [
        (None, (), NAMES),
        ("mermap", ("mermap",), NAMES),
        ("mermap.*", ("mermap",), NAMES),
        ("mermap.test_size", ("mermap",), ("test_size",)),
        ("mermap.test_*alloc*", ("mermap",), ("test_basic_alloc", "test_multiple_allocs")),
        ("mer*", (), NAMES),
        ("example", ("example",), NAMES),
        ("*", (), NAMES),
    ],
)
def test_the_tests_of_a_filter(
    glob: str | None, required: tuple[str, ...], tests: tuple[str, ...]
) -> None:
    assert SHIPPED.required(glob) == required
    assert tuple(test.name for test in SHIPPED.tests("mermap", glob)) == tests
    assert SHIPPED.tests("no_such_suite", glob) == ()


@pytest.mark.parametrize(
    ("frame", "own"),
    [
        ("__mermap_get+0x1/0x2", True),
        ("mermap_mm_teardown+0x1/0x2", True),
        ("test_size+0x1/0x2", True),
        ("kunit_try_run_case+0x1/0x2", False),
        ("mmput+0x1/0x2", False),
    ],
)
def test_frames_of_the_code_under_test(frame: str, own: bool) -> None:
    assert SHIPPED.suites["mermap"].owns(frame) is own


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        "[suites.x]\ntests = 3\n",
        "[suites.x]\n[[suites.x.tests]]\nproves = 'a test without a name'\n",
        "[[suites.x.rules]]\ncode = 'a'\nsummary = 'b'\nadvice = 'c'\nexpected = '('\n",
    ],
)
def test_a_broken_manifest_names_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "suites.toml"
    path.write_text(text)
    with pytest.raises(HarnessError, match=r"suites\.toml"):
        suites.load(path)


def test_a_missing_manifest_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="nowhere"):
        suites.load(tmp_path / "nowhere.toml")


def test_a_suite_that_grows_needs_no_code(tmp_path: Path) -> None:
    path = tmp_path / "suites.toml"
    path.write_text("[suites.mine]\n[[suites.mine.tests]]\nname = 'test_new'\n")
    grown = suites.load(path)
    assert grown.suites["mine"].names == ("test_new",)
