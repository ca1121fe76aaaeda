# SPDX-License-Identifier: GPL-2.0-only
"""What builds have read, by records as Kbuild writes them, and refs that move."""

from __future__ import annotations

from pathlib import Path

import pytest

from mermapctl.system import inputs
from mermapctl.tree import refs
from mermapctl.tree.build_inputs import ReadFiles, lacking
from tests.conftest import git


def record(build: Path, tree: Path, name: str, *headers: str) -> None:
    """Write the record of an object, as scripts/basic/fixdep does."""
    path = build / f"{Path(name).parent}/.{Path(name).name}.o.cmd"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"  {tree}/{each} \\\n" for each in headers)
    path.write_text(
        f"savedcmd_{name}.o := gcc -I{tree}/never -c -o {name}.o {tree}/{name}.c ; objtool\n\n"
        f"source_{name}.o := {tree}/{name}.c\n\n"
        f"deps_{name}.o := \\\n    $(wildcard include/config/SMP) \\\n  include/generated/x.h \\\n"
        f"{lines}  /usr/lib/gcc/include/stdarg.h \\\n\n{name}.o: $(deps_{name}.o)\n\n"
        f"$(deps_{name}.o):\n"
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "linux"
    (made / "mm").mkdir(parents=True)
    for name in ("mm/a.c", "mm/other.c", "mm/Kconfig.debug", "mm/notes.txt"):
        (made / name).write_text("")
    return made


def names(read: ReadFiles, tree: Path, *, all_sources: bool = False) -> set[str]:
    return {str(each.relative_to(tree)) for each in read.files(all_sources=all_sources)}


def test_the_records_name_what_was_read_and_what_it_costs(tree: Path, tmp_path: Path) -> None:
    build = tmp_path / "build"
    record(build, tree, "mm/a", "include/linux/m.h", "include/linux/../linux/n.h")
    record(build, Path("source"), "mm/b", "include/linux/m.h")  # as ccache lets it be written
    (build / ".vmlinux.o.cmd").write_text("savedcmd_vmlinux.o := ld -r -o vmlinux.o\n")
    (build / "mm/.torn.o.cmd").write_text("source_x := ")
    read = ReadFiles(tree)
    read.update([(build, tree), (tmp_path / "missing", tree)])
    assert read.objects == 2
    assert read.cost(["include/linux/m.h"]) == 2
    assert read.cost(["mm/a.c", "include/linux/n.h"]) == 1
    assert read.cost(["mm/other.c"]) == 0
    found = names(read, tree)
    assert {"mm/a.c", "mm/b.c", "include/linux/m.h", "include/linux/n.h"} <= found
    assert {"Makefile", "Kconfig", "mm/Makefile", "mm/Kconfig.debug"} <= found
    assert not {"mm/other.c", "mm/notes.txt", "never", "include/generated/x.h"} & found
    assert "mm/other.c" in names(read, tree, all_sources=True)


def test_before_the_first_build_the_mermap_s_directories_count(tree: Path) -> None:
    found = names(ReadFiles(tree), tree)
    assert {"mm/a.c", "mm/other.c", "include/linux/Makefile"} <= found
    assert "mm/notes.txt" not in found


@pytest.mark.parametrize(
    "said",
    [
        "{tree}/mm/a.c:5:10: fatal error: linux/new.h: No such file or directory",  # gcc 12
        "{tree}/mm/a.c:5:10: fatal error: 'linux/new.h' file not found\n    5 | #in",  # clang 14
        "mm/a.c:5:10: fatal error: linux/new.h: No such file or directory",
    ],
)
def test_a_header_that_is_lacking_is_waited_for(tree: Path, said: str) -> None:
    (tree / "arch/x86/include").mkdir(parents=True)
    assert list(lacking(tree, said.format(tree=tree))) == [
        tree / "mm/linux/new.h",
        tree / "include/linux/new.h",
        tree / "arch/x86/include/linux/new.h",
    ]
    assert list(lacking(tree, "mm/a.c:1:2: error: expected ';'")) == []


def test_a_lane_s_records_name_the_user_s_files(tree: Path, tmp_path: Path) -> None:
    lane = tmp_path / "lane1/linux"
    lane.mkdir(parents=True)
    record(tmp_path / "build", lane, "mm/a")
    read = ReadFiles(tree)
    read.update([(tmp_path / "build", lane)])
    assert "mm/a.c" in names(read, tree)


def test_only_new_records_are_read_again(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = tmp_path / "build"
    record(build, tree, "mm/a")
    record(build, tree, "mm/b")
    read = ReadFiles(tree)
    read.update([(build, tree)])
    record(build, tree, "mm/a", "include/linux/new.h")
    again: list[Path] = []
    whole = inputs.read_regular

    def counted(path: Path, most: int) -> bytes:
        again.append(path)
        return whole(path, most)

    monkeypatch.setattr(inputs, "read_regular", counted)
    read.update([(build, tree)])
    assert [each.name for each in again] == [".a.o.cmd"]
    assert read.cost(["include/linux/new.h"]) == 1
    (build / "mm/.b.o.cmd").unlink()
    read.update([(build, tree)])
    assert read.cost(["mm/b.c"]) == 0


def test_a_ref_that_moves_is_seen_and_a_read_is_not(fake_tree: Path, tmp_path: Path) -> None:
    places = refs.of(fake_tree)
    marks = [places.mark()]
    git(fake_tree, "log", "-1")
    git(fake_tree, "rev-parse", "HEAD")
    assert places.mark() == marks[0]
    for argv in (
        ("commit", "-q", "--allow-empty", "-m", "one"),
        ("branch", "other"),
        ("pack-refs", "--all"),
        ("checkout", "-q", "--detach"),
    ):
        git(fake_tree, *argv)
        marks.append(places.mark())
    assert len(set(marks)) == 5
    git(fake_tree, "worktree", "add", "-q", str(tmp_path / "linked"))
    linked = refs.of(tmp_path / "linked")
    before = linked.mark()
    git(tmp_path / "linked", "commit", "-q", "--allow-empty", "-m", "two")
    assert linked.mark() != before
