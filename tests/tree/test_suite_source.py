# SPDX-License-Identifier: GPL-2.0-only
"""The tests that a tree's source lists for a suite, in the work tree and in a commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from mermapctl.tree import suite_source
from tests.conftest import git

FILE = "mm/tests/mermap_kunit.c"
NAME = '\t.name = "mermap",\n'
TWO = "\tKUNIT_CASE(test_a),\n\tKUNIT_CASE_SLOW( test_b ),\n\t{}\n"


@pytest.mark.parametrize(
    ("path", "text", "tests"),
    [
        (FILE, TWO + NAME, {"test_a", "test_b"}),
        ("mm/mermap_kunit.c", TWO + NAME, {"test_a", "test_b"}),
        ("mm/unit_test.c", "\tKUNIT_CASE_PARAM(test_p, gen),\n" + NAME, {"test_p"}),
        (FILE, TWO, set()),  # another suite's
        (FILE, TWO + '\t.name = "mermaps",\n', set()),
        ("lib/tests/mermap_kunit.c", TWO + NAME, set()),
        ("mm/tests/notes.txt", TWO + NAME, set()),
        (FILE, "\tKUNIT_CASE(\n\t\ttest_a),\n" + NAME, None),
        (FILE, "#define T(n) KUNIT_CASE(n)\n" + TWO + NAME, None),
        (FILE, "#define T(n) \\\n\tKUNIT_CASE(n), \\\n\n" + NAME, None),
        (FILE, "\tKUNIT_CASE(test_##n),\n" + NAME, None),
        (FILE, '\t{ .run_case = test_a, .name = "test_a" },\n' + NAME, None),
    ],
)
def test_the_source_lists_its_tests_or_is_undecided(
    path: str, text: str, tests: set[str] | None, fake_tree: Path
) -> None:
    file = fake_tree / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    assert suite_source.in_tree(fake_tree, "mm", "mermap") == tests
    git(fake_tree, "add", path)
    git(fake_tree, "commit", "-q", "-m", "a suite")
    assert suite_source.in_commit(fake_tree, "HEAD", "mm", "mermap") == tests
    before = suite_source.in_commit(fake_tree, "HEAD^", "mm", "mermap")
    assert before is not None
    assert not before


def test_a_file_that_cannot_be_read_decides_nothing(fake_tree: Path) -> None:
    (fake_tree / "mm/tests").mkdir()
    (fake_tree / FILE).symlink_to("/dev/zero")
    assert suite_source.in_tree(fake_tree, "mm", "mermap") is None
