# SPDX-License-Identifier: GPL-2.0-only
"""The hooks on excerpts of kernel files, and the plan as a whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mermapctl.errors import HarnessError, UserError
from mermapctl.system.paths import shipped as shipped_directory
from mermapctl.tree import edits, overlay

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

C_FILE = """\
// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>

#include <linux/mm.h>
#include <linux/slab.h>	/* kmalloc() */
#include <linux/zlib.h>

#include <asm/tlb.h>
#include <linux/late.h>

int first(struct mm *mm);

/* f(mm) { third(mm); } */
static int __init
f(struct mm *mm, int (*cb)(int))
{
	const char *s = "third(mm); {";

	second(mm); /* not third(mm); */
	if (cb('{'))
		third( mm );
	fourth(mm,
		s);
	return 0;
}

void g(struct mm *mm)
{
	if (f(mm, NULL)) {
		second(mm);
		second(mm);
	}
}

struct s {
	struct {
		int a;
	} __randomize_layout;
	char tail[];
};
"""


def after(within: str, *anchors: str, text: str = "added(mm);") -> str:
    return edits.add_after(C_FILE, within, anchors, text)


def line_after(text: str, before: str) -> str:
    """Return the line after the only line with `before`, and check that C_FILE got nothing else."""
    lines = text.split("\n")
    (number,) = (number for number, line in enumerate(lines) if before in line)
    return lines[number + 1]


@pytest.mark.parametrize(
    ("anchor", "line", "added"),
    [
        ("second(mm);", "	second(mm); /* not third(mm); */", "	added(mm);"),
        ("third(mm);", "		third( mm );", "		added(mm);"),
        ("fourth(mm, s);", "		s);", "	added(mm);"),
    ],
)
def test_a_line_goes_after_a_statement_of_a_function(anchor: str, line: str, added: str) -> None:
    result = after("f()", anchor)
    assert line_after(result, line) == added
    assert result.replace(added + "\n", "", 1) == C_FILE


def test_the_first_anchor_that_is_there_is_taken() -> None:
    assert after("f()", "older(mm);", "third(mm);", "second(mm);") == after("f()", "third(mm);")


def test_a_member_goes_before_the_end_of_a_nested_struct_one_deeper() -> None:
    text = "#ifdef CONFIG_X\n/* Why */\nint x;\n#endif\n"
    result = edits.add_before(C_FILE, "struct s", ("} __randomize_layout;",), text)
    assert "int a;\n#ifdef CONFIG_X\n\t\t/* Why */\n\t\tint x;\n#endif\n\t} __rand" in result
    assert edits.add_before(result, "struct s", ("} __randomize_layout;",), text) == result


def test_a_statement_is_replaced_where_it_stands() -> None:
    result = edits.replace(C_FILE, "f()", ("third(mm);",), "/* Why. */\nthird(mm, 1);\n")
    assert "\t\t/* Why. */\n\t\tthird(mm, 1);\n" in result
    assert "\t\tthird( mm );\n" not in result
    assert len(result.split("\n")) == len(C_FILE.split("\n")) + 1


@pytest.mark.parametrize(
    ("within", "anchor", "message"),
    [
        ("f()", "gone(mm);", "no `gone(mm);` in `f()`"),
        ("h()", "second(mm);", "no definition of `h()`"),
        ("first()", "second(mm);", "no definition of `first()`"),
        ("g()", "second(mm);", "2 times `second(mm);` in `g()`"),
        ("struct t", "int a;", "no definition of `struct t`"),
    ],
)
def test_a_missing_place_is_never_guessed(within: str, anchor: str, message: str) -> None:
    for edit in (edits.add_after, edits.add_before, edits.replace):
        with pytest.raises(edits.NoPlaceError) as caught:
            edit(C_FILE, within, (anchor,), "added(mm);")
        assert str(caught.value) == message


def test_two_definitions_are_one_too_many() -> None:
    twice = C_FILE + "int g(struct mm *mm)\n{\n}\n"
    with pytest.raises(edits.NoPlaceError, match=r"2 definitions of `g\(\)`"):
        edits.add_after(twice, "g()", ("second(mm);",), "added(mm);")


def test_a_statement_that_shares_its_line_is_not_replaced() -> None:
    source = "void f(void)\n{\n\tif (x) g();\n}\n"
    with pytest.raises(edits.NoPlaceError, match="more than the statement"):
        edits.replace(source, "f()", ("g();",), "h();")


def test_an_include_goes_to_the_longest_run_of_its_kind() -> None:
    result = edits.add_include(C_FILE, "linux/mermap.h")
    assert line_after(result, "<linux/zlib.h>") == "#include <linux/mermap.h>"
    assert edits.add_include(result, "linux/mermap.h") == result


def test_an_include_needs_others() -> None:
    with pytest.raises(edits.NoPlaceError, match="no #include"):
        edits.add_include('#include "own.h"\n#include <asm/tlb.h>\n', "linux/mermap.h")


KCONFIG = """\
menu "Memory Management options"

config SWAP
	bool "Support for paging"
	help
		endmenu is a word here.

source "mm/damon/Kconfig"

endmenu
"""
ENTRY = "config MERMAP\n\tbool\n"


def test_a_kconfig_entry_goes_before_the_last_endmenu_and_its_sources() -> None:
    result = edits.add_kconfig_entry(KCONFIG, ENTRY)
    assert result == KCONFIG.replace("source", "config MERMAP\n\tbool\n\nsource")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("endmenu\n", "\nconfig MERMAP\n\tbool\n\nendmenu\n"),
        ("menu A\nendmenu # A\n", "menu A\n\nconfig MERMAP\n\tbool\n\nendmenu # A\n"),
        (KCONFIG + ENTRY, KCONFIG + ENTRY),
        (KCONFIG + "menuconfig MERMAP\n", KCONFIG + "menuconfig MERMAP\n"),
    ],
    ids=["only-endmenu", "comment", "made", "made-otherwise"],
)
def test_kconfig_entries(source: str, expected: str) -> None:
    assert edits.add_kconfig_entry(source, ENTRY) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [("config SWAP\n\tbool\n", "no `endmenu`"), ("config B\nendmenu\n", "without `config A`")],
)
def test_kconfig_entries_without_a_place(source: str, message: str) -> None:
    with pytest.raises(edits.NoPlaceError, match=message):
        edits.add_kconfig_entry(source, "config A\n\tbool\n\nconfig B\n\tbool\n")


SELECTS = """\
config X86_64
	def_bool y
	# Options that are inherently 64-bit kernel only:
	select ARCH_HAS_GIGANTIC_PAGE
	select ARCH_SUPPORTS_PER_VMA_LOCK if A
	select ZONE_DMA32

config X86
	def_bool y
	select ACPI
"""


@pytest.mark.parametrize(
    ("select", "before"),
    [
        ("select ARCH_SUPPORTS_MERMAP", "\tselect ARCH_SUPPORTS_PER_VMA_LOCK"),
        ("select AAA", "\tselect ARCH_HAS_GIGANTIC_PAGE"),
        ("select ZZZ", "\nconfig X86\n"),
    ],
)
def test_a_select_goes_where_the_alphabet_puts_it(select: str, before: str) -> None:
    result = edits.add_kconfig_select(SELECTS, "X86_64", select)
    assert result == SELECTS.replace(before, f"\t{select}\n{before}", 1)
    assert edits.add_kconfig_select(result, "X86_64", select) == result


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("config Y\n\tselect A\n", "no `config X86`"),
        ("config X86\n\tbool\nconfig Y\n\tselect A\n", "no `select` in `config X86`"),
    ],
)
def test_selects_without_a_place(source: str, message: str) -> None:
    with pytest.raises(edits.NoPlaceError, match=message):
        edits.add_kconfig_select(source, "X86", "select MERMAP")


LINE = "obj-$(CONFIG_MERMAP) += mermap.o"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("obj-$(CONFIG_A) += a.o\nrest:\n", f"obj-$(CONFIG_A) += a.o\n{LINE}\nrest:\n"),
        ("obj-$(CONFIG_A) += a.o \\\n\tb.o\n", f"obj-$(CONFIG_A) += a.o \\\n\tb.o\n{LINE}\n"),
        ("obj-$(CONFIG_A)\t+= a.o", f"obj-$(CONFIG_A)\t+= a.o\n{LINE}\n"),
        ("obj-$(CONFIG_MERMAP)\t+= mermap.o\n", "obj-$(CONFIG_MERMAP)\t+= mermap.o\n"),
    ],
    ids=["last", "continued", "no-newline", "made"],
)
def test_a_makefile_line_goes_after_the_last_object(source: str, expected: str) -> None:
    assert edits.add_makefile_line(source, LINE) == expected


def test_a_makefile_without_objects_is_none() -> None:
    with pytest.raises(edits.NoPlaceError, match="obj-"):
        edits.add_makefile_line("obj-y += a.o\n", LINE)


def inert(source: str) -> str:
    return edits.without_inert(source)


@pytest.mark.parametrize(
    "source",
    ["/* a\n{ */", "// { '", '"\\"{"', "'{'", "'\\''", '"unterminated {\n', "", "/* open {"],
)
def test_blanking_keeps_every_line_and_column(source: str) -> None:
    blanked = inert(source)
    assert len(blanked) == len(source)
    assert [len(line) for line in blanked.split("\n")] == [len(line) for line in source.split("\n")]


# --- the overlay as a whole, on a small tree with all places ---

LITTLE_TREE = {
    "mm/Kconfig": KCONFIG,
    "mm/Makefile": "obj-$(CONFIG_SWAP) += swap.o\n",
    "mm/mmap.c": "#include <linux/mm.h>\nvoid exit_mmap(struct mm_struct *mm)\n{\n"
    "\tarch_exit_mmap(mm);\n}\n",
    "kernel/fork.c": "#include <linux/mm.h>\nstatic struct mm_struct *mm_init(struct mm_struct *mm,"
    "\n\tstruct task_struct *p)\n{\n\thugetlb_count_init(mm);\n\treturn mm;\n}\n",
    "include/linux/mm_types.h": "#include <linux/list.h>\nstruct mm_struct {\n\tstruct {\n"
    "\t\tint a;\n\t} __randomize_layout;\n\tunsigned long cpu_bitmap[];\n};\n",
    "arch/x86/kernel/ldt.c": "static void do_sanity_check(struct mm_struct *mm)\n{\n"
    "\tWARN_ON(had_kernel_mapping);\n}\nstatic int write_ldt(void)\n{\n"
    "\tif (!WARN_ON_ONCE(old_ldt))\n\t\tfree_ldt_pgtables(mm);\n}\n",
    "arch/x86/Kconfig": SELECTS,
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in LITTLE_TREE.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "tree"


def snapshot(tree: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()
    }


def test_the_whole_overlay_once_and_not_twice(tree: Path) -> None:
    shipped = overlay.load()
    assert overlay.present(tree) is None
    before = snapshot(tree)
    patches = overlay.plan(tree, shipped)
    assert snapshot(tree) == before, "planning only reads"
    overlay.apply(tree, patches)
    assert overlay.present(tree) == "reference"
    assert overlay.plan(tree, shipped) == ()
    changed = snapshot(tree)
    assert set(changed) - set(before) == set(shipped.contents)
    assert {name for name in before if changed[name] != before[name]} == set(LITTLE_TREE)


def test_patches_are_few_named_and_each_has_something(tree: Path) -> None:
    patches = overlay.plan(tree, overlay.load())
    assert 3 <= len(patches) <= 5
    assert [patch.subject for patch in patches if len(patch.subject) > 75] == []
    assert all(patch.files and patch.body for patch in patches)
    assert max(len(line) for patch in patches for line in patch.body.split("\n")) <= 75


def test_an_older_reference_is_brought_up_to_date(tree: Path) -> None:
    shipped = overlay.load()
    overlay.apply(tree, overlay.plan(tree, shipped))
    core = tree / "mm/mermap.c"
    core.write_text(core.read_text() + "/* older */\n")
    (patch,) = overlay.plan(tree, shipped)
    assert patch.files == {"mm/mermap.c": shipped.contents["mm/mermap.c"]}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mm/mermap.c", "// SPDX-License-Identifier: GPL-2.0\n"),
        ("include/linux/mermap.h", "#pragma once\n"),
        ("mm/Kconfig", KCONFIG + "\nconfig MERMAP_KUNIT_TEST\n\ttristate\n"),
    ],
)
def test_the_real_series_is_never_touched(tree: Path, name: str, text: str) -> None:
    (tree / name).write_text(text)
    before = snapshot(tree)
    assert overlay.present(tree) == "series"
    with pytest.raises(UserError, match="mermap of its own"):
        overlay.plan(tree, overlay.load())
    assert snapshot(tree) == before


@pytest.mark.parametrize("hook", overlay.load().hooks, ids=lambda hook: hook.name)
def test_each_hook_that_finds_no_place_is_named(tree: Path, hook: overlay.Hook) -> None:
    (tree / hook.file).write_text("\n")
    before = snapshot(tree)
    with pytest.raises(UserError) as caught:
        overlay.plan(tree, overlay.load())
    assert hook.file in caught.value.message
    assert any(
        other.name in caught.value.message
        for other in overlay.load().hooks
        if other.file == hook.file
    )
    assert "nothing was changed" in str(caught.value.hint)
    (tree / hook.file).unlink()
    with pytest.raises(UserError, match=r"hook [a-z0-9-]+: .* does not exist"):
        overlay.plan(tree, overlay.load())
    assert snapshot(tree) == {name: text for name, text in before.items() if name != hook.file}


def test_a_failure_while_writing_leaves_the_tree_as_it_was(tree: Path) -> None:
    before = snapshot(tree)
    good = overlay.Patch("s", "b", {"mm/Kconfig": "new\n", "mm/new.c": "new\n"})
    bad = overlay.Patch("s", "b", {"mm/Makefile/x": "a file is not a directory\n"})
    with pytest.raises(HarnessError, match="mm/Makefile/x cannot be written"):
        overlay.apply(tree, [good, bad])
    assert snapshot(tree) == before


def test_bytes_that_are_no_utf8_and_modes_survive(tree: Path) -> None:
    fork = tree / "kernel/fork.c"
    fork.write_bytes(fork.read_bytes() + b"/* J\xf6rg */\n")
    fork.chmod(0o640)
    overlay.apply(tree, overlay.plan(tree, overlay.load()))
    assert fork.read_bytes().endswith(b"/* J\xf6rg */\n")
    assert b"mermap_mm_init(mm);" in fork.read_bytes()
    assert fork.stat().st_mode & 0o777 == 0o640


def without(directory: Path) -> None:
    (directory / "files/mm/mermap.c").unlink()


def misspelt(directory: Path) -> None:
    hooks = directory / "hooks.toml"
    hooks.write_text(hooks.read_text().replace('kind = "include"', 'kind = "inclde"'))


def broken(directory: Path) -> None:
    (directory / "hooks.toml").write_text("[[patch]\n")


@pytest.mark.parametrize("damage", [without, misspelt, broken])
def test_a_damaged_overlay_is_a_harness_error(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    shipped = overlay.load()
    for name, text in shipped.contents.items():
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "hooks.toml").write_text((shipped_directory("kernel") / "hooks.toml").read_text())
    assert overlay.load(tmp_path) == shipped
    damage(tmp_path)
    with pytest.raises(HarnessError, match="cannot be read"):
        overlay.load(tmp_path)


def test_every_hook_belongs_to_a_patch_and_has_a_reason() -> None:
    shipped = overlay.load()
    ids = [part.id for part in shipped.parts]
    assert sorted(set(ids)) == sorted(ids)
    assert {hook.patch for hook in shipped.hooks} <= set(ids)
    assert len({hook.name for hook in shipped.hooks}) == len(shipped.hooks)
    assert all(hook.why for hook in shipped.hooks)


def test_a_hook_text_that_is_only_a_comment_is_no_edit() -> None:
    hook = next(hook for hook in overlay.load().hooks if hook.kind is overlay.HookKind.AFTER)
    with pytest.raises(edits.NoPlaceError, match="without a statement"):
        edits.add_after(C_FILE, "f()", ("second(mm);",), replace(hook, text="/* x */").text)
