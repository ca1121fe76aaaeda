# SPDX-License-Identifier: GPL-2.0-only
"""The compiler that goes through ccache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from mermapctl.runner import compiler_cache
from tests.forkserver import command
from tests.runner.test_path_shims import program


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a compiler behind ccache; both print their arguments."""
    for name in ("ccache", "x-gcc"):
        program(tmp_path / name, name)
    (tmp_path / "masquerade").mkdir()
    (tmp_path / "masquerade/x-gcc").symlink_to(tmp_path / "ccache/ccache")
    path = (str(tmp_path / name) for name in ("masquerade", "ccache", "x-gcc"))
    monkeypatch.setenv("PATH", ":".join([*path, os.environ["PATH"]]))
    assert compiler_cache.write(tmp_path / "bin", "x-gcc", tmp_path)
    assert compiler_cache.write(tmp_path / "bin", "x-gcc", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "text", "through_ccache"),
    [
        ("fork.c", "int fork;", True),
        ("a dir's.c", "int x;", True),
        ("configs.c", 'asm(".incbin \\"config_data\\"");', False),
        ("piggy.S", '.incbin "vmlinux.bin.gz"', False),
        ("entry.S", "nop", False),
        ("fork.o", "", False),
    ],
)
def test_a_compiler_goes_through_ccache_unless_what_it_reads_may_be_unseen(
    cached: Path, source: str, text: str, through_ccache: bool
) -> None:
    (cached / source).write_text(text)
    argv = ["-Wp,-MMD,x.d", "-DX=a b", "-c", "-o", "x.o", str(cached / source)]
    done = subprocess.run([cached / "bin/x-gcc", *argv], capture_output=True, text=True, check=True)
    itself = [str(cached / "x-gcc/x-gcc")] if through_ccache else []
    assert json.loads(done.stdout) == [*itself, *argv]


def test_no_ccache_no_detour(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(cached / "x-gcc"))
    assert not compiler_cache.write(cached / "bin", "x-gcc", cached)
    assert not (cached / "bin/x-gcc").exists()


@dataclass(frozen=True, slots=True)
class Built:
    """A tree and its build directory, with the compiler that `compile` runs there."""

    tree: Path
    build: Path
    compiler: Path

    def compile(self, name: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Compile a file of the tree as Kbuild does."""
        argv = [
            *("-Wp,-MMD,.x.d", f"-I{self.tree}/include", "-I./include", f"-I{self.tree}"),
            *("-include", f"{self.tree}/include/kconfig.h"),
            *(f"-fmacro-prefix-map={self.tree}/=", "-Wall", *more),
            *("-c", "-o", "x.o", f"{self.tree}/{name}"),
        ]
        env = {**os.environ, "LC_ALL": "C"}
        return subprocess.run(
            [self.compiler, *argv],
            cwd=self.build,
            env=env,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Built, Built]:
    """Two trees with the same files; a ccache that compiles, and lists what it is asked."""
    cc = shutil.which("gcc")
    if not cc:
        pytest.skip("needs gcc")
    (tmp_path / "bin").mkdir()
    ccache = tmp_path / "bin/ccache"
    ccache.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\nexec "$@"\n')
    ccache.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    made = []
    for tree, build in (("one", "build/1"), ("far/away/tw\udcffo", "elsewhere/2")):
        at = Built(tmp_path / tree, tmp_path / build, tmp_path / f"{build}.bin/gcc")
        (at.tree / "include").mkdir(parents=True)
        (at.build / "include").mkdir(parents=True)
        (at.build / "source").symlink_to(at.tree)
        (at.tree / "include/kconfig.h").write_text("#define ON 1\n")
        (at.tree / "include/x.h").write_text(
            "static inline const char *h(void) { return __FILE__; }\n"
        )
        (at.tree / "x.c").write_text(
            "#include <x.h>\nconst char *f(void) { return ON ? __FILE__ : h(); }\n"
            "int over(int by) { int i = by; return i << by; }\n"
        )
        (at.tree / "warns.c").write_text(
            "#include <w.h>\nint f(void) { int resource; return 0; }\n"
        )
        (at.tree / "include/w.h").write_text("static int unused_one(void) { return 1; }\n")
        (at.tree / "fails.c").write_text("#include <fails.h>\n")
        (at.tree / "include/fails.h").write_text("#include <gone.h>\n")
        assert compiler_cache.write(at.compiler.parent, "gcc", at.tree)
        made.append(at)
    return made[0], made[1]


def test_two_trees_ask_the_cache_for_the_same_and_get_the_same_object(
    two: tuple[Built, Built], tmp_path: Path
) -> None:
    objects = []
    for at in two:
        done = at.compile("x.c", "-fsanitize=shift")  # its reports name the file in data
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        objects.append((at.build / "x.o").read_bytes())
        listed = (at.build / ".x.d").read_text().split()
        assert {"source/x.c", "source/include/kconfig.h", "source/include/x.h"} <= {*listed}
    one, other = objects
    assert one == other
    assert str(tmp_path).encode() not in one
    assert b"\0x.c\0" in one  # __FILE__ as ever
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == asked[1]


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
@pytest.mark.parametrize(
    "odd",
    [
        ["", "a b", "*", "[x]", "?", "", "-DX='\"y\"'", "$HOME", "`id`", "\\n", "\n", " "],
        ["-DX=\x1f"],
        ["", ""],
    ],
)
def test_arguments_arrive_as_they_are(cached: Path, shell: str, odd: list[str]) -> None:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    (cached / "source").symlink_to(cached)
    (cached / "y.c").write_text("")
    argv = [*odd, f"-I{cached}/include", "-c", "y.c", *odd, "y.c"]
    done = subprocess.run(
        [str(shutil.which(shell)), str(cached / "bin/x-gcc"), *argv],
        cwd=cached, capture_output=True, text=True, check=True,
    )  # fmt: skip
    itself, *got = json.loads(done.stdout)
    assert itself == str(cached / "x-gcc/x-gcc")
    apart = any("\x1f" in each for each in odd)
    where = f"-I{cached}/include" if apart else "-Isource/include"
    assert got == [*odd, where, "-c", "y.c", *odd, "y.c"]


def test_messages_name_the_file_where_the_user_has_it(two: tuple[Built, Built]) -> None:
    for at in two:
        warned, failed = at.compile("warns.c"), at.compile("fails.c")
        assert warned.returncode == 0
        assert f"{at.tree}/warns.c:2:19: warning: unused variable" in warned.stderr
        assert f"In file included from {at.tree}/warns.c:1:" in warned.stderr
        assert f"{at.tree}/include/w.h:1:12: warning: " in warned.stderr
        assert failed.returncode == 1
        assert f"{at.tree}/include/fails.h:1:10: fatal error: gone.h" in failed.stderr


def test_elsewhere_than_in_a_build_directory_the_command_is_kept(
    two: tuple[Built, Built], tmp_path: Path
) -> None:
    """The tools' Makefiles compile in a directory of the tree."""
    (two[0].build / "source").unlink()
    assert two[0].compile("x.c").returncode == 0
    assert f"-I{two[0].tree}/include" in (tmp_path / "asked").read_text()


REFUSES = "#!/bin/sh\necho 'ccache: error: Read-only file system' >&2\nexit 1\n"
CRASHES = "#!/bin/sh\nkill -SEGV $$\n"


@pytest.mark.parametrize("ccache", [REFUSES, CRASHES, "\x7fELF", "#!/gone\n"])
@pytest.mark.parametrize("inside", [True, False])
def test_what_ccache_fails_to_compile_is_compiled_without_it(
    two: tuple[Built, Built], tmp_path: Path, ccache: str, *, inside: bool
) -> None:
    """Its cache may have become read-only since the build began."""
    (tmp_path / "bin/ccache").write_text(ccache)
    at = two[0]
    if not inside:
        (at.build / "source").unlink()
    warned, failed = at.compile("warns.c"), at.compile("fails.c")
    assert warned.returncode == 0
    assert (at.build / "x.o").is_file()
    assert f"{at.tree}/warns.c:2:19: warning: unused variable" in warned.stderr
    assert failed.returncode == 1
    assert f"{at.tree}/include/fails.h:1:10: fatal error: gone.h" in failed.stderr
    said = warned.stderr + failed.stderr
    assert not [each for each in ("bin/ccache", "ccache: error") if each in said]


@pytest.mark.parametrize(
    ("ccache", "why"),
    [
        ('#!/bin/sh\nexec "$@"\n', None),
        (REFUSES, "ccache: error: Read-only file system"),
        (CRASHES, "it was ended by signal 11"),
        ("#!/bin/sh\n", "it made no object"),
        ("", "Exec format error"),
        ("\x7fELF", "Exec format error"),
        ("#!/gone\n", "does not exist"),
        ("#!/bin/sh\nexec sleep 60\n", "did not end within"),
    ],
)
def test_a_ccache_that_does_not_work_is_noticed(
    two: tuple[Built, Built],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ccache: str,
    why: str | None,
) -> None:
    monkeypatch.setattr(compiler_cache, "_SECONDS", 2.0)
    (tmp_path / "bin/ccache").write_text(ccache)
    assert two
    found = compiler_cache.flaw("gcc", os.environ)
    assert (found is None) if why is None else (found is not None and why in found)


def test_a_compiler_that_does_not_work_is_no_flaw_of_ccache(
    cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compiler_cache.flaw("x-gcc", os.environ) is None  # neither makes an object
    monkeypatch.setenv("PATH", str(cached / "x-gcc"))
    assert compiler_cache.flaw("x-gcc", os.environ) is None


def test_a_run_goes_on_without_a_broken_ccache(
    fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    ccache = tmp_path / "bin/ccache"
    ccache.write_text(REFUSES)
    ccache.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    done = command("run", f"--tree={fake_tree}", "--accel=tcg", "--no-trace", seconds=60)
    assert done.returncode == 0, done.stderr
    said = "ccache does not work, built without it: ccache: error: Read-only file system"
    assert said in done.stderr
