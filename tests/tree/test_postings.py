# SPDX-License-Identifier: GPL-2.0-only
"""The overlays that behave like the postings fit together, and differ as documented."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mermapctl.commands import tree as command
from mermapctl.errors import HarnessError
from mermapctl.render.terminal import tree as tree_status
from mermapctl.system.paths import shipped
from mermapctl.tree import edits, overlay, postings
from mermapctl.tree.postings import Posting
from tests.tree.test_overlay import LITTLE_TREE

CORE, TYPES = "mm/mermap.c", "include/linux/mermap.h"
SUITE, ARCH = "mm/tests/mermap_kunit.c", "arch/x86/include/asm/mermap.h"

MEMORY = """\
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>

static int apply_to_p4d_range(struct mm_struct *mm)
{
	return 0;
}

static int __apply_to_page_range(struct mm_struct *mm, unsigned long addr,
	bool create)
{
	return apply_to_p4d_range(mm);
}

int apply_to_page_range(struct mm_struct *mm, unsigned long addr)
{
	return __apply_to_page_range(mm, addr, true);
}
"""

each = pytest.mark.parametrize("posting", list(Posting))


def whole(posting: Posting | None) -> dict[str, str]:
    """Return the files of the overlay with those of a posting."""
    return overlay.load().contents | (postings.load(posting).contents if posting else {})


def reference_excerpt(place: Path) -> Path:
    """Make a small tree with the files of the reference mermap and those that it changes."""
    for name, text in {**LITTLE_TREE, "mm/memory.c": MEMORY}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    overlay.apply(place, overlay.plan(place, overlay.load()))
    return place


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return reference_excerpt(tmp_path / "tree")


@each
def test_a_posting_is_one_commit_on_the_reference(tree: Path, posting: Posting) -> None:
    assert postings.of(tree) is None
    (patch,) = overlay.plan(tree, postings.load(posting))
    assert str(posting) in patch.subject
    assert max(len(line) for line in (patch.subject, *patch.body.splitlines())) <= 75
    overlay.apply(tree, [patch])
    assert overlay.plan(tree, postings.load(posting)) == ()
    assert overlay.present(tree) is overlay.Mermap.REFERENCE
    assert postings.of(tree) is posting


@pytest.mark.parametrize("size", [4, 16, 32, 36, 40])
@each
def test_a_full_disk_is_no_damaged_posting(
    posting: Posting, size: int, small: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = small(size)
    monkeypatch.setattr("tempfile.tempdir", str(full))
    with pytest.raises(HarnessError, match=r"^the disk is full: ") as caught:
        postings.load(posting, shipped("kernel"))
    assert str(full) in caught.value.message
    assert "TMPDIR" in (caught.value.hint or "")
    assert not [*full.iterdir()]


@pytest.mark.parametrize("posting", [None, *Posting])
def test_the_status_of_a_tree_names_its_posting(
    fake_tree: Path, posting: Posting | None, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in whole(posting).items():
        (fake_tree / name).parent.mkdir(parents=True, exist_ok=True)
        (fake_tree / name).write_text(text)
    status = command.status(fake_tree)
    assert status.posting is posting
    tree_status.status(sys.stdout, status, "table")
    said = capsys.readouterr().out
    assert ("behave like the" in said) is (posting is not None)
    assert f"the {posting} posting" in said or posting is None


@each
def test_each_file_is_still_known_as_ours(posting: Posting) -> None:
    for name, text in whole(posting).items():
        assert overlay.MARKER in text, name
        assert [line for line in text.splitlines() if line != line.rstrip()] == []
        assert not re.search(r"#\s*ifn?def\s+CONFIG_(?:MERMAP_)?KUNIT", text)


@each
def test_each_posting_has_the_four_tests(posting: Posting) -> None:
    found = re.findall(r"KUNIT_CASE\((\w+)\)", whole(posting)[SUITE])
    assert found == ["test_basic_alloc", "test_size", "test_multiple_allocs", "test_tlb_flushed"]


@each
def test_the_callbacks_keep_their_names(posting: Posting) -> None:
    for callback in ("mermap_fill_pte", "mermap_empty_pte"):
        assert len(re.findall(rf"\b{callback}\b", whole(posting)[CORE])) == 2


def test_the_slots_of_a_posting() -> None:
    assert "struct mermap_alloc allocs[MERMAP_NR_ALLOCS];" in whole(Posting.FIRST)[TYPES]
    assert "reserve_alloc" not in whole(Posting.FIRST)[CORE] + whole(Posting.FIRST)[TYPES]
    for posting in (None, Posting.LATER, Posting.NEWEST):
        assert "struct mermap_alloc normal_allocs[MERMAP_NR_NORMAL];" in whole(posting)[TYPES]
        assert "struct mermap_alloc reserve_alloc;" in whole(posting)[TYPES]


@pytest.mark.parametrize(
    ("posting", "walks"),
    [
        (None, {"apply_to_existing_page_range", "apply_to_page_range"}),
        (Posting.FIRST, {"apply_to_existing_page_range", "apply_to_page_range"}),
        (Posting.LATER, {"__apply_to_page_range", "apply_to_page_range"}),
        (Posting.NEWEST, {"__apply_to_page_range", "apply_to_page_range"}),
    ],
)
def test_the_walks_of_a_posting(posting: Posting | None, walks: set[str]) -> None:
    """apply_to_page_range() prepares in all postings; in the first a put calls it too."""
    calls = re.findall(r"[=(n] ?(\w*apply_to\w+)\(mm", whole(posting)[CORE])
    assert set(calls) == walks
    assert calls.count("apply_to_page_range") == (2 if posting is Posting.FIRST else 1)


def test_an_unmapped_entry() -> None:
    for posting in (None, Posting.FIRST):
        assert "__pte(PTE_PFN_MASK | _PAGE_SOFTW1)" in whole(posting)[ARCH]
    for posting in (Posting.LATER, Posting.NEWEST):
        assert "__pte(0)" in whole(posting)[ARCH]


def test_the_assertions_of_the_suites() -> None:
    first, later, newest = (whole(posting)[SUITE] for posting in Posting)
    assert "ASSERT_NOT_NULL_MSG(test, args, " in first
    assert "reserved_alloc" not in first
    for suite in (later, newest):
        assert "ASSERT_NOT_NULL_MSG(test, args->alloc," in suite
        assert "KUNIT_EXPECT_NOT_NULL(test, reserved_alloc)" in suite
        assert "mermap_put(reserved_alloc)" in suite
    assert "KUNIT_ASSERT_NULL(test, __mermap_get(mm," in later
    assert "KUNIT_EXPECT_NULL(test, __mermap_get(mm," in newest


def test_migration_and_references() -> None:
    first, later, newest = (whole(posting)[SUITE] for posting in Posting)
    for suite in (first, later):
        assert (suite.count("migrate_disable();"), suite.count("migrate_enable();")) == (2, 1)
        assert "mmgrab" not in suite
    assert newest.count("guard(migrate)();") == 4
    assert "migrate_disable" not in newest
    assert (newest.count("mmgrab("), newest.count("mmdrop(")) == (1, 1)


def test_only_the_newest_put_is_part_of_its_caller() -> None:
    for posting in (None, Posting.FIRST, Posting.LATER):
        assert "__mermap_put(current->mm, alloc);" in whole(posting)[CORE]
    assert "__mermap_put(current->mm" not in whole(Posting.NEWEST)[CORE]


# The hook that makes a static function global


def test_a_static_function_becomes_global_and_is_not_inlined() -> None:
    made = edits.make_global(MEMORY, "__apply_to_page_range()")
    changed = zip(MEMORY.split("\n"), made.split("\n"), strict=True)
    assert [pair for pair in changed if pair[0] != pair[1]] == [
        (
            "static int __apply_to_page_range(struct mm_struct *mm, unsigned long addr,",
            "noinline int __apply_to_page_range(struct mm_struct *mm, unsigned long addr,",
        )
    ]
    assert edits.make_global(made, "__apply_to_page_range()") == made


def test_its_declaration_becomes_global_as_well() -> None:
    source = "static inline void *f(int a);\n\nstatic inline void *f(int a)\n{\n}\n"
    made = edits.make_global(source, "f()")
    assert made == "noinline void *f(int a);\n\nnoinline void *f(int a)\n{\n}\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("int g(void)\n{\n}\n", "no definition of `f()`"),
        ("static int f(void)\n{\n}\nint f(int a)\n{\n}\n", "2 definitions of `f()`"),
    ],
)
def test_a_function_that_is_not_there_once(source: str, message: str) -> None:
    with pytest.raises(edits.NoPlaceError, match=re.escape(message)):
        edits.make_global(source, "f()")


# Invalid combinations


def stale(root: Path) -> None:
    core = root / "files" / CORE
    core.write_text(core.read_text().replace("alloc->end > mermap_cpu_end", "alloc->end >"))


def missing(root: Path) -> None:
    shutil.rmtree(root / "postings/shared")


def misspelt(root: Path) -> None:
    (root / "postings/newest/posting.toml").write_text("[[hok]\n")


@pytest.mark.parametrize("damage", [stale, missing, misspelt])
def test_a_damaged_posting_is_a_harness_error(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    root = tmp_path / "kernel"
    shutil.copytree(shipped("kernel"), root)
    assert postings.load(Posting.NEWEST, root) == postings.load(Posting.NEWEST)
    damage(root)
    with pytest.raises(HarnessError, match=r"the posting newest in .* cannot be read"):
        postings.load(Posting.NEWEST, root)


def test_a_repository_around_the_temporary_directory_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/x\n")
    (tmp_path / ".git/objects").mkdir()
    (tmp_path / ".git/refs").mkdir()
    expected = postings.load(Posting.FIRST)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert postings.load(Posting.FIRST, shipped("kernel")) == expected
