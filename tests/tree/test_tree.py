# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from mermapctl.errors import UserError
from mermapctl.tree import clone, find, source, state
from mermapctl.tree import git as tree_git

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAKEFILE = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\nNAME = x\n"
AUTHOR = ("-c", "user.name=T", "-c", "user.email=t@example.org")


def git(cwd: Path, *argv: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd)}
    done = subprocess.run(
        ["git", *AUTHOR, *argv], cwd=cwd, env=environment, check=True, capture_output=True
    )
    return done.stdout.decode().strip()


def kernel(path: Path, makefile: str = MAKEFILE, *, kunit: bool = True) -> Path:
    (path / "mm").mkdir(parents=True)
    (path / "Makefile").write_text(makefile)
    (path / "Kconfig").write_text("mainmenu x\n")
    (path / "mm/mermap.c").write_text("int x;\n")
    if kunit:
        (path / find.KUNIT).parent.mkdir(parents=True)
        (path / find.KUNIT).write_text("#!/usr/bin/env python3\n")
    return path


def committed(path: Path) -> Path:
    git(path, "init", "-q")
    git(path, "add", "-f", ".")
    git(path, "commit", "-q", "-m", "base")
    return path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up a machine without any tree."""
    monkeypatch.setenv("MERMAPCTL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MERMAPCTL_TREE", raising=False)
    empty = tmp_path / "elsewhere"
    empty.mkdir()
    monkeypatch.chdir(empty)
    return tmp_path


@pytest.mark.parametrize(
    ("makefile", "version"),
    [
        (MAKEFILE, "6.12.117"),
        ("VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 0\nEXTRAVERSION = -rc2\n", "7.3.0-rc2"),
        ("VERSION=3\nPATCHLEVEL=0\n", "3.0"),
        ("all:\n\techo VERSION = 6\n", None),
        ("VERSION =\nPATCHLEVEL = 3\n", None),
        ("", None),
        ("\x00\xff", None),
    ],
)
def test_kernel_version(tmp_path: Path, makefile: str, version: str | None) -> None:
    (tmp_path / "Makefile").write_text(makefile)
    assert find.kernel_version(tmp_path) == version


def test_inspect_without_git_has_no_commit(tmp_path: Path) -> None:
    path = kernel(tmp_path / "k")
    assert state.inspect(path) == state.Tree(path, "6.12.117")


def test_inspect_is_not_fooled_by_a_git_repository_around_the_tree(tmp_path: Path) -> None:
    path = kernel(tmp_path / "around/k")
    committed(tmp_path / "around")
    assert state.inspect(path).commit is None


def test_inspect_git(tmp_path: Path) -> None:
    path = committed(kernel(tmp_path / "k"))
    head = git(path, "rev-parse", "HEAD")
    assert state.inspect(path) == state.Tree(path, "6.12.117", head, None, dirty=False)

    git(path, "tag", "v6.12.117")
    git(path, "commit", "-q", "--allow-empty", "-m", "more")
    head = git(path, "rev-parse", "HEAD")
    assert state.inspect(path).describe == f"v6.12.117-1-g{head[:12]}"

    (path / "untracked.o").write_text("x")
    assert state.inspect(path).dirty is False
    (path / "mm/mermap.c").write_text("int y;\n")
    assert state.inspect(path).dirty is True


def test_inspect_before_the_first_commit_and_in_a_linked_worktree(tmp_path: Path) -> None:
    path = kernel(tmp_path / "k")
    git(path, "init", "-q")
    assert state.inspect(path).commit is None
    committed(path)
    git(path, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    assert state.inspect(tmp_path / "linked").commit == git(path, "rev-parse", "HEAD")


def test_inspect_writes_nothing_into_the_tree(tmp_path: Path) -> None:
    path = committed(kernel(tmp_path / "k"))
    os.utime(path / "Makefile", (0, 0))  # git would refresh its index now
    before = {p: p.stat().st_mtime_ns for p in path.rglob("*")}
    state.inspect(path)
    with contextlib.closing(state.look(path)) as looking:
        assert looking.state() is not None
    assert {p: p.stat().st_mtime_ns for p in path.rglob("*")} == before


def test_inspect_inside_a_hook_reads_the_tree_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = committed(kernel(tmp_path / "k")), committed(kernel(tmp_path / "other"))
    git(other, "commit", "-q", "--allow-empty", "-m", "more")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert state.inspect(path).commit == git(path, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("make", "message", "hint"),
    [
        (lambda _: None, "does not exist", "tree prepare"),
        (lambda p: p.write_text(""), "is not a directory", "tree prepare"),
        (lambda p: p.mkdir(), "is not a kernel tree", "a Kconfig"),
        (lambda p: kernel(p, "all:\n"), "is not a kernel tree", "a Kconfig"),
        (lambda p: kernel(p, kunit=False), "6.12.117 without tools/testing/kunit", "5.5"),
    ],
)
def test_wrong_directories(
    tmp_path: Path, make: Callable[[Path], object], message: str, hint: str
) -> None:
    make(tmp_path / "k")
    with pytest.raises(UserError, match=message) as caught:
        find.resolve(tmp_path / "k")
    assert hint in (caught.value.hint or "")


def test_a_directory_inside_a_kernel_names_its_tree(tmp_path: Path) -> None:
    path = kernel(tmp_path / "k")
    with pytest.raises(UserError) as caught:
        find.resolve(path / "mm")
    assert caught.value.hint == f"its kernel tree is {path}"


def test_a_broken_git_directory_is_reported(tmp_path: Path) -> None:
    path = kernel(tmp_path / "k")
    (path / ".git").write_text("gitdir: nowhere\n")
    with pytest.raises(UserError, match=r"\.git|git cannot read"):
        state.inspect(path)


def test_a_machine_without_git_is_reported(tmp_path: Path) -> None:
    path = committed(kernel(tmp_path / "k"))
    bare = tmp_path / "bin"
    bare.mkdir()
    code = (
        "import sys; from pathlib import Path; from mermapctl import errors\n"
        "from mermapctl.tree import state\n"
        "try: state.inspect(Path(sys.argv[1]))\n"
        "except errors.HarnessError as e: print(e.message, '|', e.hint, '|', int(e.exit))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env={"PATH": str(bare)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "there is no git" in done.stdout
    assert "install git" in done.stdout
    assert done.stdout.endswith("| 3\n")


def test_resolve_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--tree, MERMAPCTL_TREE, the current directory's git top level, the tree prepared last."""
    option, variable, prepared = (kernel(tmp_path / n) for n in ("option", "variable", "prepared"))
    here = committed(kernel(tmp_path / "here"))

    with pytest.raises(UserError, match="no kernel tree") as caught:
        find.resolve(None)
    for way in ("--tree", "MERMAPCTL_TREE", "git tree", "tree prepare"):
        assert way in (caught.value.hint or "")

    find.remember(prepared)
    assert find.resolve(None) == prepared
    monkeypatch.chdir(here / "mm")
    assert find.resolve(None) == here
    monkeypatch.setenv("MERMAPCTL_TREE", str(variable))
    assert find.resolve(None) == variable
    assert find.resolve(option) == option


def test_resolve_takes_no_kernel_without_git_from_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(kernel(tmp_path / "k"))
    with pytest.raises(UserError, match="no kernel tree"):
        find.resolve(None)


def test_resolve_follows_links(tmp_path: Path) -> None:
    path = kernel(tmp_path / "k")
    (tmp_path / "link").symlink_to(path)
    assert find.resolve(tmp_path / "link") == path


def test_resolve_names_the_origin_of_a_wrong_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find.remember(tmp_path / "gone")
    with pytest.raises(UserError, match=r"tree prepare` made last: .*gone does not exist"):
        find.resolve(None)
    monkeypatch.setenv("MERMAPCTL_TREE", str(tmp_path / "typo"))
    with pytest.raises(UserError, match=r"^MERMAPCTL_TREE: .*typo does not exist"):
        find.resolve(None)


def test_a_damaged_note_of_the_last_tree_is_no_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("MERMAPCTL_HOME", str(home))
    (home / "state").mkdir(parents=True)
    (home / "state/last-tree").write_bytes(b"/a\0b\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        find.resolve(None)


@pytest.mark.parametrize(
    "name",
    [
        *(".git/config", ".git/HEAD", ".git/index", ".git/packed-refs", ".git/commondir"),
        *(".git/info/exclude", ".gitattributes", ".git/refs/heads/main", ".git/refs/tags/v6"),
        *(".git/objects/info/commit-graph", ".git/objects/pack/pack-1.idx"),
    ],
)
def test_a_fifo_that_git_would_wait_for_is_named(home: Path, name: str) -> None:
    path = committed(kernel(home / "linux"))
    (path / name).unlink(missing_ok=True)
    (path / name).parent.mkdir(exist_ok=True)
    os.mkfifo(path / name)
    with pytest.raises(UserError) as caught:
        state.inspect(path)
    assert f"{name} is a FIFO" in caught.value.message
    with pytest.raises(UserError) as caught:  # and clone opens the same files
        clone.clone(source.identify(str(path)), made(home / "new"), lambda _: None)
    assert f"{name} is a FIFO" in caught.value.message


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def test_a_fifo_is_found_wherever_the_repository_is(home: Path) -> None:
    path = committed(kernel(home / "linux"))
    git(path, "branch", "other")
    git(path, "worktree", "add", "-q", "../linked", "other")
    bare = home / "bare.git"
    git(path, "clone", "-q", "--bare", ".", str(bare))
    shared = home / "shared"
    git(path, "clone", "-q", "--shared", ".", str(shared))
    os.mkfifo(path / ".git/objects/info/commit-graph")
    (bare / "packed-refs").unlink()
    (bare / "packed-refs").symlink_to("/dev/zero")
    for tree in (home / "linked", shared):
        with pytest.raises(UserError, match="commit-graph is a FIFO"):
            state.inspect(tree)
    with pytest.raises(UserError, match="packed-refs is a device"):
        clone.clone(source.identify(str(bare)), made(home / "new"), lambda _: None)


def test_a_git_that_does_not_end_is_not_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mermapctl.tree.git.LONGEST", 1)
    path = committed(kernel(home / "linux"))
    (path / "mm/mermap.c").write_text("int y;\n")  # as long as before: git compares the contents
    os.mkfifo(path / "mm/.gitattributes")
    with pytest.raises(UserError, match="did not end within 1 s") as caught:
        state.inspect(path)
    assert "mm/.gitattributes is a FIFO" in caught.value.message


@pytest.mark.parametrize("name", ["mm/.gitattributes", "commit", "tree"])
def test_a_git_that_sleeps_is_not_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("mermapctl.tree.git.IDLE", 1)
    path = committed(kernel(home / "linux"))
    base = number = git(path, "rev-parse", "HEAD")
    if name == "mm/.gitattributes":
        (path / "mm/mermap.c").write_text("int y;\n")
    else:
        number = git(path, "rev-parse", f"HEAD^{{{name}}}")
        name = f".git/objects/{number[:2]}/{number[2:]}"
        (path / name).unlink()
    os.mkfifo(path / name)
    looks: list[Callable[[], object]] = [lambda: state.inspect(path)]
    if number == base and ".git/" in name:
        looks.append(lambda: state.subjects(path, base))
    looks.append(
        lambda: clone.clone(source.identify(str(path)), made(home / "new"), lambda _: None)
    )
    for look in looks:
        began = time.monotonic()
        with pytest.raises(UserError, match="waits for something") as caught:
            look()
        assert f"{name} is a FIFO" in caught.value.message
        assert time.monotonic() - began < 30


def test_a_fifo_that_a_configuration_includes_is_not_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mermapctl.tree.git_files.SECONDS", 1)
    path = committed(kernel(home / "linux"))
    os.mkfifo(path / "fifo")
    git(path, "config", "include.path", "../fifo")
    with pytest.raises(UserError, match="cannot read the configuration"):
        state.inspect(path)


def test_a_device_that_a_configuration_includes_is_never_read(home: Path) -> None:
    path = committed(kernel(home / "linux"))
    git(path, "config", "mermapctl.base", "a" * 40)
    config = path / ".git/config"
    plain = config.read_text()
    limited = {"RLIMIT_AS": 1 << 30, "RLIMIT_CPU": 20}
    program = (
        "import resource, sys; from pathlib import Path; from mermapctl.tree import state;"
        f"[resource.setrlimit(getattr(resource, n), (v, v)) for n, v in {limited}.items()];"
        "print(state.origin(Path(sys.argv[1])).base)"
    )

    def run() -> tuple[str, str]:
        command = [sys.executable, "-c", program, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout, done.stderr

    # To git a star matches no slash, so that it reads no device here; to GitPython it does.
    config.write_text(f'{plain}[includeIf "gitdir:/*/.git"]\n\tpath = /dev/zero\n')
    assert run() == ("a" * 40 + "\n", "")
    config.write_text(f"{plain}[include]\n\tpath = /dev/zero\n")
    assert "cannot read the configuration" in run()[1]


def test_a_git_that_does_not_run_is_no_broken_installation(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = committed(kernel(home / "linux"))
    for name in ("loop", "git"):
        (home / name).mkdir()
    (home / "loop/git").symlink_to("git")
    script = home / "git/git"
    script.write_text('#!/bin/sh\n[ "$1" = config ] && exit 1\necho broken >&2; exit 99\n')
    script.chmod(0o755)
    program = (
        "import sys; from pathlib import Path; from mermapctl.errors import MermapctlError\n"
        "from mermapctl.tree import state\n"
        "try: state.inspect(Path(sys.argv[1]))\n"
        "except MermapctlError as error: print(error.message)"
    )

    def said() -> str:
        command = [sys.executable, "-c", program, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    with monkeypatch.context() as changed:
        changed.setenv("XDG_CONFIG_HOME", str(home / "loop"))
        assert "Too many levels of symbolic links" in said()
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    assert said().startswith("git does not run: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(f"GIT_TRACE{each}", "1") for each in ("", "_SETUP", "2", "2_PERF")],
        *[("LD_PRELOAD", "/nowhere.so"), ("GIT_OBJECT_DIRECTORY", "/nowhere")],
        *[("GIT_COMMON_DIR", "/nowhere"), ("GIT_DIR", "/nowhere"), ("GIT_WORK_TREE", "/")],
    ],
)
def test_what_the_environment_makes_git_say_or_believe_is_no_complaint(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    path = committed(kernel(home / "linux"))
    git(path, "config", "mermapctl.base", "a" * 40)
    commit = git(path, "rev-parse", "HEAD")
    monkeypatch.setenv(name, value)
    with contextlib.closing(state.look(path)) as looking:
        assert looking.state() is not None
        assert looking.tree().commit == commit
    clone.clone(source.identify(str(path)), made(home / "new"), lambda _: None)


def test_git_is_the_one_of_path(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_PYTHON_GIT_EXECUTABLE", "/bin/false")
    path = committed(kernel(home / "linux"))
    assert state.inspect(path).commit == git(path, "rev-parse", "HEAD")


def test_options_of_a_surrounding_git_start_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`git -c core.fsmonitor=PROGRAM bisect run mermapctl …` hands its options on."""
    canary = tmp_path / "canary"
    tree = tmp_path / "tree"
    tree.mkdir()
    git(tree, "init", "-q")
    git(tree, "commit", "-q", "--allow-empty", "-m", "x")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.fsmonitor'='touch {canary}; false'")
    given = {**os.environ, **tree_git.quiet(os.environ)}
    subprocess.run(["git", "status"], cwd=tree, env=given, check=True, capture_output=True)
    assert not canary.exists()
    subprocess.run(["git", "status"], cwd=tree, check=True, capture_output=True)
    assert canary.exists()
