# SPDX-License-Identifier: GPL-2.0-only
"""What is counted of a tree, and what make is told; real make chooses the objects."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mermapctl.config import coverage, target, variants
from mermapctl.config.coverage import Profile
from mermapctl.config.target import Target
from mermapctl.errors import CommitError, UserError

X86, UM = (target.without_tree(name, qemu) for name, qemu in (("x86_64", "qemu"), ("um", None)))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        *("mm/mermap.c", "mm/other.c", "include/linux/mermap.h", "mm/Makefile"),
        *("arch/x86/mm/mermap.c", "lib/kunit/test.c", "lib/kunit/sub/deep.c"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def test_the_mermap_and_its_parts_are_counted_by_default(tree: Path) -> None:
    made = coverage.profile(tree, X86, (), "mermap.test_size")
    assert made == Profile(("mm/mermap.c", "arch/x86/mm/mermap.c", "include/linux/mermap.h"))
    assert made.objects == ("mm/mermap.o", "arch/x86/mm/mermap.o")
    assert made.has("mm/mermap.gcda")
    assert made.has("include/linux/mermap.h")
    assert not made.has("mm/other.c")


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        (("mm/other.c",), Profile(("mm/other.c",))),
        (("mm/other.o", "mm/other.c"), Profile(("mm/other.c", "mm/other.c"))),
        (("lib/kunit/",), Profile((), ("lib/kunit",))),
        (("mm/other.c", "lib/kunit"), Profile(("mm/other.c",), ("lib/kunit",))),
    ],
)
def test_paths_may_be_files_objects_and_directories(
    tree: Path, asked: tuple[str, ...], made: Profile
) -> None:
    assert coverage.profile(tree, UM, asked, "example") == made
    assert coverage.profile(tree, UM, [str(tree / each) for each in asked], "example") == made


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ("mm/gone.c", CommitError, "no such file"),
        ("mm/Makefile", UserError, r"only \.c and \.h"),
        ("../mm/mermap.c", UserError, "not a path below the tree"),
        (".", UserError, "not a path below the tree"),
        ("mm/%.c", UserError, "not a path below the tree"),
        ("mm/$(shell id).c", UserError, "not a path below the tree"),
        ("/etc/passwd", UserError, "outside of"),
        ("include/linux/mermap.h", UserError, "where it is compiled"),
    ],
)
def test_what_cannot_be_counted_is_refused(
    tree: Path, asked: str, error: type[UserError], says: str
) -> None:
    with pytest.raises(error, match=says):
        coverage.profile(tree, X86, (asked,), "mermap")


def test_another_suite_has_to_name_its_files(tree: Path) -> None:
    with pytest.raises(UserError, match="the suite is example") as caught:
        coverage.profile(tree, UM, (), "example")
    assert "--coverage-of" in (caught.value.hint or "")


def test_other_targets_are_refused(tree: Path) -> None:
    with pytest.raises(UserError, match="x86_64 and um, not arm64"):
        coverage.profile(tree, replace(X86, name="arm64"), (), "mermap")


MAKEFILE = """
CFLAGS_KERNEL =
GCOV_PROFILE := n
GCOV_PROFILE_kept.o := n
target-stem = $(basename $(notdir $@))
profile = $(GCOV_PROFILE_$(target-stem).o)$(GCOV_PROFILE)
flags = $(if $(patsubst n%,,$(profile)),-fprofile-arcs) $(CFLAGS_KERNEL)
ifeq ($(MAKELEVEL),0)
all:
	@$(MAKE) --no-print-directory again
else
again: mm/mermap.o mm/other.o arch/x86/mm/mermap.o
again: lib/kunit/test.o lib/kunit/sub/deep.o lib/kunit/kept.o
	@:
%.o:
	@echo '$@' $(flags)
endif
"""


def made(tree: Path, files: Profile, of: Target) -> dict[str, str]:
    """Return the flags of each object, as a make below a make expands them."""
    (tree / "Makefile").write_text(MAKEFILE)
    argv = ["make", "-s", *coverage.make_variables(files, of)]
    said = subprocess.run(argv, cwd=tree, check=True, capture_output=True, text=True).stdout
    lines = (line.partition(" ") for line in said.splitlines())
    return {name: flags.strip() for name, _, flags in lines}


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (Profile(("mm/mermap.c",)), {"mm/mermap.o"}),
        (Profile(("arch/x86/mm/mermap.c",)), {"arch/x86/mm/mermap.o"}),
        (Profile((), ("lib/kunit",)), {"lib/kunit/test.o", "lib/kunit/sub/deep.o"}),
        (Profile(("mm/other.c",), ("lib/kunit/sub",)), {"mm/other.o", "lib/kunit/sub/deep.o"}),
    ],
)
def test_make_chooses_objects_by_their_whole_path(
    tmp_path: Path, files: Profile, chosen: set[str]
) -> None:
    flags = made(tmp_path, files, X86)
    assert len(flags) == 6
    assert {name for name, flag in flags.items() if "-fprofile-arcs" in flag} == chosen
    taken_back = {name for name, flag in made(tmp_path, files, UM).items() if "-fno" not in flag}
    assert taken_back - {"lib/kunit/kept.o"} == chosen


@pytest.mark.parametrize("of", [X86, UM], ids=["x86_64", "um"])
def test_the_fragment_is_merged_above_base(of: Target) -> None:
    base = variants.resolve("base", target=of.name, suite="mermap" if of is X86 else "example")
    lines = coverage.fragment_of(base.fragment, of).text().splitlines()
    assert ("CONFIG_GCOV_KERNEL=y" if of is X86 else "CONFIG_GCOV=y") in lines
    assert "# CONFIG_DEBUG_FS is not set" not in lines or of is UM
    assert "# CONFIG_BLK_DEV_INITRD is not set" not in lines or of is UM
