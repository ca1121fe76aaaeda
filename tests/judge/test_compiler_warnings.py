# SPDX-License-Identifier: GPL-2.0-only
"""Warnings in logs of make, as gcc 12, clang 14 and objtool of 6.12 print them."""

from __future__ import annotations

from mermapctl.judge.compiler_warnings import (
    CompilerWarning,
    added,
    sources_made,
    warnings_in,
)
from mermapctl.tree.build_dir import objects_in

LOG = b"""  CC      mm/mermap.o
  AS      arch/x86/lib/copy_page_64.o
  CC [M]  lib/kunit/test.o
  LD      vmlinux.o
In file included from /lane1/linux/mm/mermap.c:5:
/lane1/linux/include/linux/mermap.h:3:21: warning: 'f' defined but not used [-Wunused-function]
/lane1/linux/mm/mermap.c: In function 'mermap_get':
/lane1/linux/mm/mermap.c:12:13: warning: unused variable 'x' [-Wunused-variable]
   12 |         int x;
/lane1/linux/include/linux/mermap.h:3:21: warning: 'f' defined but not used [-Wunused-function]
mm/mermap.o: warning: objtool: mermap_get+0x1f: call to x() leaves .noinstr.text section
/lane1/linux/mm/mermap.c:14:1: error: expected ';'
.config:12:warning: symbol value 'm' invalid for MERMAP
WARNING: modpost: vmlinux: section mismatch
"""


def test_a_log_s_warnings_are_listed_once_with_the_tree_s_paths() -> None:
    assert list(warnings_in(LOG, ["/lane1/linux"])) == [
        CompilerWarning(
            "include/linux/mermap.h", 3, "'f' defined but not used [-Wunused-function]"
        ),
        CompilerWarning("mm/mermap.c", 12, "unused variable 'x' [-Wunused-variable]"),
        CompilerWarning(
            "mm/mermap.c", None, "objtool: mermap_get: call to x() leaves .noinstr.text section"
        ),
    ]
    assert {"mm/mermap.c", "lib/kunit/test.c", "arch/x86/lib/copy_page_64.S"} <= sources_made(LOG)
    assert not any("vmlinux" in each for each in sources_made(LOG))


def test_a_warning_that_moved_is_not_new_and_a_second_one_is() -> None:
    old = CompilerWarning("mm/a.c", 10, "unused variable 'i'")
    moved = CompilerWarning("mm/a.c", 12, "unused variable 'i'")
    second = CompilerWarning("mm/a.c", 40, "unused variable 'i'")
    elsewhere = CompilerWarning("mm/b.c", 1, "unused variable 'j'")
    assert added([old], [moved], ["mm/a.c"]) == ()
    assert added([old], [second, elsewhere, moved], ["mm/a.c"]) == (second,)
    assert added([], [elsewhere], ["mm/a.c"]) == ()
    assert added([old, second], [moved], ["mm/a.c"]) == ()


def test_a_log_of_blank_lines_is_read_in_one_pass() -> None:
    blank = b"\n" * 1_000_000
    assert sources_made(blank + b"  CC      mm/a.o\n") == {"mm/a.c", "mm/a.S"}
    assert objects_in(blank + b"  CC      mm/a.o\n") == 1
    assert list(warnings_in(blank + b"mm/a.c:1:2: warning: w\n", ["/x"])) == [
        CompilerWarning("mm/a.c", 1, "w")
    ]


def test_a_name_that_is_not_utf_8_can_be_stored() -> None:
    (found,) = warnings_in(b"mm/\xff.c:1:2: warning: w\n", ["/x"])
    assert found.file.encode() == rb"mm/\xff.c"
