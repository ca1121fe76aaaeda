# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from mermapctl.errors import HarnessError, UserError
from mermapctl.tree import build_dir

HOLD = """
import sys, time
from pathlib import Path
from mermapctl.tree import build_dir as builddir
with builddir.locked(Path(sys.argv[1]), "mermapctl run --other", wait=True, waiting=print):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(directory: Path, seconds: float) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_trees_of_one_name_do_not_share_a_directory() -> None:
    here = build_dir.locate(Path("/a/linux"), "x86_64", "base")
    there = build_dir.locate(Path("/b/linux"), "x86_64", "base")
    assert here != there
    assert here.parts[-2:] == ("x86_64", "base")
    assert here.parts[-3].startswith("linux-")


def test_no_name_leaves_the_cache() -> None:
    path = build_dir.locate(Path("/a/linux"), "../..", "kasan+smp/../../x")
    assert path.parts[-2:] == ("..-..", "kasan+smp-..-..-x")


def test_a_second_user_waits_and_sees_the_holder(tmp_path: Path) -> None:
    directory = tmp_path / "build"
    told: list[str] = []
    with (
        hold(directory, 0.7) as holder,
        build_dir.locked(directory, "mine", wait=True, waiting=told.append),
    ):
        assert holder.wait(5) == 0
    assert len(told) == 1
    assert f"process {holder.pid} (mermapctl run --other)" in told[0]


def test_no_wait_fails_at_once_and_names_the_holder(tmp_path: Path) -> None:
    directory = tmp_path / "build"
    with hold(directory, 30) as holder:
        began = time.monotonic()
        with (
            pytest.raises(UserError, match=f"in use by process {holder.pid}"),
            build_dir.locked(directory, "mine", wait=False, waiting=pytest.fail),
        ):
            pytest.fail("two hold one lock")
        assert time.monotonic() - began < 15
        holder.kill()
    with build_dir.locked(directory, "mine", wait=False, waiting=pytest.fail):
        pass  # a killed holder leaves no lock


def test_an_unwritable_cache_is_reported(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with (
        pytest.raises(HarnessError, match="cannot make the build directory"),
        build_dir.locked(blocked / "build", "mine", wait=True, waiting=pytest.fail),
    ):
        pytest.fail("locked nothing")


def test_objects_are_counted_in_makes_own_words(tmp_path: Path) -> None:
    log = (
        b"  SYNC    include/config/auto.conf\n  CC      mm/mermap.o\n  CC [M]  mm/x.o\n"
        b"  AS      arch/x86/entry.o\n  AR      mm/built-in.a\n  HOSTCC  scripts/x.o\n"
        b"mm/a.c:3: warning: CC of a kind\n"
    )
    assert build_dir.objects_in(log) == 4
    assert build_dir.expected_objects(tmp_path) is None
    build_dir.remember_objects(tmp_path, 1175)
    build_dir.remember_objects(tmp_path, 3)
    assert build_dir.expected_objects(tmp_path) == 1175


@pytest.mark.parametrize("char", [*"$`\"'\\;&|<>(){}*?[]#%"])
def test_a_path_that_make_or_a_shell_would_obey_is_refused(tmp_path: Path, char: str) -> None:
    with pytest.raises(UserError, match="would obey") as caught:
        build_dir.require_plain(tmp_path, tmp_path / f"a{char}b")
    assert repr(str(tmp_path / f"a{char}b")) in caught.value.message


@pytest.mark.parametrize("name", ["linux-6.12+~rc1", "lnx_1@x,y=z", "\u4e16\u754c", "a!b^c"])
def test_other_paths_are_built_in(tmp_path: Path, name: str) -> None:
    build_dir.require_plain(tmp_path / name)


def test_a_first_build_is_estimated_by_the_nearest_other_one(tmp_path: Path) -> None:
    first = tmp_path / "linux-1" / "x86_64" / "base"
    assert build_dir.guessed_objects(first) is None
    assert build_dir.guessed_objects(first, 600) == 600
    elsewhere = tmp_path / "linux-2" / "x86_64" / "kasan"
    elsewhere.mkdir(parents=True)
    build_dir.remember_objects(elsewhere, 640)
    assert build_dir.guessed_objects(first, 600) == 640
    (first / "init").mkdir(parents=True)
    (first / "init/main.o").touch()
    assert build_dir.guessed_objects(first, 600) is None, "it only goes on"
