# SPDX-License-Identifier: GPL-2.0-only
"""No program of another user's tree runs: the check, every command, every start of a program."""

from __future__ import annotations

import ast
import contextlib
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import mermapctl
from mermapctl.__main__ import main
from mermapctl.errors import UserError
from mermapctl.tree import ownership, state
from tests.conftest import git
from tests.records.test_store_attacked import unprivileged
from tests.tables import FAKE

PACKAGE = Path(mermapctl.__file__).parent
NOBODY = 65534
ROOT = os.geteuid() == 0
PROGRAMS = (
    *("tools/testing/kunit/kunit.py", "tools/testing/kunit/kunit_kernel.py", "Makefile"),
    *("GNUmakefile", "Kconfig", "scripts", "scripts/cc-version.sh", "scripts/kconfig/Makefile"),
    *("tools/testing/kunit", "tools", "arch/x86"),
)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """The file that each program of `loaded` makes when it runs."""
    return tmp_path / "canary"


@pytest.fixture
def loaded(tmp_path: Path, canary: Path) -> Path:
    """Make a kernel tree in which every program makes the canary and then works as usual."""
    tree = tmp_path / "linux"
    shutil.copytree(FAKE / "tree", tree)
    sing = f"touch {canary}"
    kunit = tree / "tools/testing/kunit/kunit.py"
    kunit.write_text(f"#!/usr/bin/env python3\nopen({str(canary)!r}, 'w')\n{kunit.read_text()}")
    for name in ("kunit_kernel.py", "qemu_configs/extra.py"):
        (kunit.parent / name).write_text("")
    makefile = tree / "Makefile"
    makefile.write_text(
        f"{makefile.read_text()}\nSUNG := $(shell {sing})\nall olddefconfig:\n\t{sing}\n"
    )
    kconfig = tree / "Kconfig"
    kconfig.write_text(f"{kconfig.read_text()}\nconfig SUNG\n\tdef_bool $(shell,{sing})\n")
    for name in ("min-tool-version.sh", "cc-version.sh", "kconfig/Makefile"):
        (tree / "scripts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / "scripts" / name).write_text(f"#!/bin/sh\n{sing}\necho 5.1.0\n")
    return tree


def give_away(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """Give paths to another user: root uses chown, others pretend to be another user."""
    if ROOT:
        for path in paths:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: NOBODY)


def everything(tree: Path) -> list[Path]:
    return [tree, *tree.rglob("*")]


def trusting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
    config = tmp_path / "gitconfig"
    lines = "".join(f"\tdirectory = {value}\n" for value in values)
    config.write_text(f"[safe]\n{lines}")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture(autouse=True)
def nothing_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up a user without safe directories and without sudo."""
    trusting(tmp_path, monkeypatch)
    monkeypatch.delenv("SUDO_UID", raising=False)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """Restore signals: main() ignores them while it ends, and later tests would inherit that."""
    kept = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for each, handler in kept.items():
        signal.signal(each, handler)


def test_a_tree_of_ours_may_run(loaded: Path) -> None:
    ownership.require(loaded)
    assert ownership.is_trusted(loaded)


def test_programs_of_root_may_run(loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if ROOT:
        monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
        ownership.require(loaded)
    else:
        (loaded / "scripts").rename(loaded / "gone")
        (loaded / "scripts").symlink_to("/usr/bin")  # root's, with all its files
        ownership.require(loaded)


def test_another_users_tree_may_not(loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_away(monkeypatch, *everything(loaded))
    with pytest.raises(UserError, match="belongs to another user") as caught:
        ownership.require(loaded)
    assert str(loaded) in caught.value.message
    hint = caught.value.hint or ""
    assert hint.endswith(f"git config --global --add safe.directory {shlex.quote(str(loaded))}")
    assert int(caught.value.exit) == 2
    assert not ownership.is_trusted(loaded)


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_program_of_another_user_in_a_tree_of_ours(
    loaded: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = loaded / name
    if not path.exists():
        path.write_text("all:\n")
    give_away(monkeypatch, path)
    with pytest.raises(UserError) as caught:
        ownership.require(loaded)
    if ROOT:
        assert str(path) in caught.value.message


@pytest.mark.parametrize("name", ["Makefile", "scripts/cc-version.sh", "tools"])
def test_a_link_to_what_is_another_users(
    loaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (loaded / name).rename(elsewhere)
    (loaded / name).symlink_to(elsewhere)
    ownership.require(loaded)
    give_away(monkeypatch, elsewhere)
    with pytest.raises(UserError):
        ownership.require(loaded)


def test_the_git_directory_counts_and_that_of_a_linked_worktree(
    loaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(loaded, "init", "-q")
    git(loaded, "add", "-f", ".")
    git(loaded, "commit", "-q", "-m", "x")
    linked = tmp_path / "linked"
    git(loaded, "worktree", "add", "-q", "--detach", str(linked))
    ownership.require(linked)
    give_away(monkeypatch, loaded / ".git/worktrees/linked")
    with pytest.raises(UserError):
        ownership.require(linked)
    if ROOT:
        ownership.require(loaded)
        give_away(monkeypatch, loaded / ".git")
        with pytest.raises(UserError, match=r"\.git belongs"):
            ownership.require(loaded)


@pytest.mark.parametrize(
    ("values", "allowed"),
    [
        (["{tree}"], True),
        (["*"], True),
        (["{tree}/"], True),
        (["{parent}/*"], True),
        (["{tree}", ""], False),
        (["", "{tree}"], True),
        (["{parent}"], False),
        (["{tree}x"], False),
        (["{tree}/arch"], False),
        (["linux"], False),
        (["~nobody-knows/x", "{tree}"], True),
    ],
)
def test_a_tree_that_is_listed_as_safe(
    loaded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    values: list[str],
    allowed: bool,
) -> None:
    give_away(monkeypatch, *everything(loaded))
    trusting(
        tmp_path, monkeypatch, *(each.format(tree=loaded, parent=loaded.parent) for each in values)
    )
    assert ownership.is_trusted(loaded) is allowed


def test_a_tree_cannot_vouch_for_itself(loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(loaded, "init", "-q")
    git(loaded, "config", "safe.directory", "*")
    monkeypatch.chdir(loaded)
    give_away(monkeypatch, *everything(loaded))
    assert not ownership.is_trusted(loaded)


def test_root_by_sudo_may_run_what_its_user_has(
    loaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = NOBODY if ROOT else os.getuid()
    give_away(monkeypatch, *everything(loaded))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert not ownership.is_trusted(loaded)
    monkeypatch.setenv("SUDO_UID", str(owner))
    assert ownership.is_trusted(loaded)
    for wrong in ("", "-1", "x", str(owner + 1), "٣"):
        monkeypatch.setenv("SUDO_UID", wrong)
        assert not ownership.is_trusted(loaded)
    monkeypatch.setenv("SUDO_UID", str(owner))
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert not ownership.is_trusted(loaded)  # SUDO_UID counts only for root


def test_without_git_nothing_is_listed(loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_away(monkeypatch, *everything(loaded))
    trusting(loaded.parent, monkeypatch, "*")
    monkeypatch.setenv("PATH", str(loaded))
    assert not ownership.is_trusted(loaded)


def test_the_gate_costs_next_to_nothing_and_asks_git_of_others_only(
    loaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mermapctl.system.process.run", None)  # a call would raise TypeError
    ownership.require(loaded)
    began = time.process_time()
    for _ in range(10):
        ownership.require(loaded)
    assert (time.process_time() - began) / 10 < 0.05


COMMANDS = {
    "run": ["run", "--tree={tree}", "--target=um", "--suite=example"],
    "watch": ["watch", "--tree={tree}", "--target=um", "--suite=example"],
    "watch a series": ["watch", "--tree={tree}", "HEAD~1..", "--target=um"],
    "config check": ["config", "check", "--tree={tree}", "base"],
    "config explain": ["config", "explain", "--tree={tree}", "SUNG"],
    "config explain without make": ["config", "explain", "--no-verify", "--tree={tree}", "SUNG"],
    "config show": ["config", "show", "base"],
    "tree status": ["tree", "status", "{tree}"],
    "tree prepare there": ["tree", "prepare", "{tree}"],
    "doctor": ["doctor", "--no-kvm", "--tree={tree}"],
}
CODES = {"config show": 0, "doctor": 1}


def exit_of(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mermapctl", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("with_git", [True, False])
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_runs_anything_of_another_users_tree(
    loaded: Path,
    canary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    with_git: bool,
) -> None:
    if with_git:
        git(loaded, "init", "-q")
        git(loaded, "add", "-f", ".")
        git(loaded, "commit", "-q", "-m", "x")
        git(loaded, "config", "core.fsmonitor", f"touch {canary}; false")
        git(
            loaded,
            "config",
            "mermapctl.base",
            git(loaded, "-c", "core.fsmonitor=", "rev-parse", "HEAD"),
        )
        os.utime(loaded / "Makefile", (0, 0))
    canary.unlink(missing_ok=True)
    monkeypatch.chdir(loaded)
    monkeypatch.setenv("MERMAPCTL_TREE", str(loaded))
    words = [each.format(tree=loaded) for each in COMMANDS[name]]
    give_away(monkeypatch, *everything(loaded))
    code = exit_of(monkeypatch, *words)
    said = capsys.readouterr()
    assert not canary.exists(), said
    assert code == CODES.get(name, 2), said
    if name == "config show" or (name == "tree prepare there" and not with_git):
        return
    told = said.out + said.err
    flat = " ".join(told.split())
    assert "belongs to another user" in flat
    assert "safe.directory" in flat
    assert "defect" not in told


@pytest.mark.parametrize("name", ["run", "config check", "config explain", "tree status"])
def test_of_a_tree_of_ours_they_do(
    loaded: Path, canary: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The canary of the test above can be made; else that test would prove nothing."""
    words = [each.format(tree=loaded) for each in COMMANDS[name]]
    exit_of(monkeypatch, *words)
    assert canary.exists()


def test_the_doctor_asks_a_tree_of_ours(
    loaded: Path, canary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exit_of(monkeypatch, "doctor", "--no-kvm", f"--tree={loaded}")
    assert canary.exists()


def test_run_asks_whose_tree_it_is_before_it_reads_anything_else_of_it(
    loaded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Later steps have checks of their own; this test is not about them."""
    git(loaded, "init", "-q")
    give_away(monkeypatch, *everything(loaded))
    for later in (
        "config.target.read",
        "config.plan.make",
        "doctor.doctor.missing_for_run",
        "tree.state.look",
        "runner.kunit.capabilities",
    ):
        monkeypatch.setattr(f"mermapctl.{later}", None)  # a call would raise TypeError
    words = [each.format(tree=loaded) for each in COMMANDS["run"]]
    assert exit_of(monkeypatch, *words) == 2
    assert "belongs to another user" in " ".join(capsys.readouterr().err.split())


def test_another_users_tree_that_is_listed_is_worked_on(
    loaded: Path, canary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(loaded, "init", "-q")
    git(loaded, "add", "-f", ".")
    git(loaded, "commit", "-q", "-m", "x")
    give_away(monkeypatch, *everything(loaded))
    trusting(tmp_path, monkeypatch, str(loaded))
    assert exit_of(monkeypatch, "tree", "status", str(loaded)) == 0
    assert canary.exists()


# Every place that starts a program, and the reason why it may. "gated": the function, or each of
# its callers in the module, calls ownership.require (or is_trusted) first.
STARTS = {
    "runner.kunit._asked": "gated",
    "runner.kunit_session.supervise": "gated",
    "runner.stress_module._make": "gated",
    "config.olddefconfig.resolve": "gated",
    "doctor.checks._output": "programs of the host; the tree's script of minimums() is gated there",
    "doctor.checks.header": "the host's compiler",
    "config.kconfig_parser.Shell.run": "gated in kconfig.read, which alone makes a Shell",
    "config.kconfig_parser.Shell": "gated in kconfig.read, which alone makes a Shell",
    "runner.initramfs.compile_init": "the host's compiler: what it makes is run by the guest",
    "runner.compiler_cache._failure": "ccache and the compiler of PATH, in a directory of ours",
    "mutation.compiled.compile_file": "gated",
    "mutation.universal.mutants": "universalmutator of our own environment, or of PATH",
    "runner.gcovr.lines": "gcovr of our own environment, or of PATH, with the compiler's gcov",
    "runner.kvm_probe": "QEMU with a guest of ours",
    "config.cpu_models._listing": "QEMU of PATH",
    "config.toolchain.first_line": "compilers and QEMU of PATH",
    "doctor.packages": "the package manager",
    "tree.git.git": "git in a tree of ours, with no configuration of the user's",
    "tree.git.finds": "git in a tree of ours, as above",
    "tree.git_files.require_readable": "git, configuration only; gated in reading and clone",
    "tree.ownership._safe_directories": "git outside of any tree",
    "commands.version.commit": "git in mermapctl's own checkout; git refuses that of another user",
    "tree.clone.clone": "gated",
    "tree.clone._changed": "gated",
    "tree.unpack._unpack": "git with a repository of ours",
    "tree.unpack._tar": "tar",
    "tree.unpack._copy": "cp",
    "tree.b4.program": "b4 of our own environment, or of PATH",
    "tree.b4._run": "b4 in a directory of ours",
    "tree.mailed_tree._clone": "gated",
    "tree.mailed_tree._apply": "git am in a tree of ours: no hook, filter or driver",
    "tree.git_identity._configured": "git config, which runs nothing",
    "commands.tree_apply._split": "git mailsplit in a directory of ours",
    "commands.mail_checks._patch_id": "git patch-id, which reads its standard input alone",
}
_STARTERS = {"run", "feeding", "supervise", "dialogue"}


def _functions(module: ast.Module) -> dict[str, ast.FunctionDef]:
    found = {}
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{each.name}": each
                for each in node.body
                if isinstance(each, ast.FunctionDef)
            }
    return found


def _calls(function: ast.FunctionDef) -> dict[str, int]:
    """A callee -> the first line on which a function calls it."""
    found: dict[str, int] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            found.setdefault(ast.unparse(node.func), node.lineno)
    return found


def _sites() -> dict[str, tuple[dict[str, ast.FunctionDef], str]]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        functions = _functions(ast.parse(path.read_text("utf-8")))
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for name, function in functions.items():
            if {f"process.{each}" for each in _STARTERS} & _calls(function).keys():
                found[f"{module}.{name}"] = (functions, name)
    return found


def _gated(functions: dict[str, ast.FunctionDef], name: str) -> bool:
    called = _calls(functions[name])
    starts = [called[each] for each in called if each.removeprefix("process.") in _STARTERS]
    if "ownership.require" in called:
        return all(called["ownership.require"] < line for line in starts)
    callers = {
        each: line
        for each, function in functions.items()
        if (line := _calls(function).get(name)) is not None
    }
    return bool(callers) and all(
        _calls(functions[each]).get("ownership.require", line) < line or _gated(functions, each)
        for each, line in callers.items()
    )


def test_every_place_that_starts_a_program_is_known_and_what_is_a_trees_is_gated() -> None:
    sites = _sites()
    assert len(sites) > 12
    unknown = [
        site
        for site in sites
        if not any(site == known or site.startswith(f"{known}.") for known in STARTS)
    ]
    assert unknown == []
    gated = [site for site in sites if STARTS.get(site) == "gated"]
    assert len(gated) == 8
    assert [site for site in gated if not _gated(*sites[site])] == []


def test_the_other_ways_into_a_tree_are_gated_too() -> None:
    def functions(name: str) -> dict[str, ast.FunctionDef]:
        return _functions(ast.parse((PACKAGE / f"{name.replace('.', '/')}.py").read_text("utf-8")))

    def first(name: str, function: str) -> str:
        body = functions(name)[function].body
        docstring = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
        return ast.unparse(body[int(docstring)])

    assert first("tree.state", "reading") == "ownership.require(path)"  # GitPython
    assert first("config.kconfig", "read") == "ownership.require(tree)"  # macros
    assert first("runner.kunit", "capabilities") == "ownership.require(tree)"
    assert "is_trusted(tree)" in ast.unparse(functions("doctor.checks")["minimums"])
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text("utf-8")
        if "Shell(" in text:
            assert path.name in {"kconfig.py", "kconfig_parser.py"}
        if "Repo(" in text:
            assert path.name in {"state.py", "plain_repo.py"}


CONFIGURED = {
    "core.fsmonitor": "touch {canary}; false",
    "core.sshCommand": "touch {canary}; false",
    "core.pager": "touch {canary}; cat",
    "core.editor": "touch {canary}",
    "core.askPass": "touch {canary}",
    "core.hooksPath": "{hooks}",
    "diff.external": "touch {canary}; true",
    "diff.evil.textconv": "touch {canary}; cat",
    "diff.evil.command": "touch {canary}; true",
    "filter.evil.clean": "touch {canary}; cat",
    "filter.evil.process": "touch {canary}; cat",
    "filter.a=b.clean": "touch {canary}; cat",
    "gpg.program": "touch {canary}",
    "pager.log": "touch {canary}; cat",
    "pager.status": "touch {canary}; cat",
    "alias.status": "!touch {canary}",
    "alias.log": "!touch {canary}",
    "credential.helper": "!touch {canary}",
}


@pytest.mark.parametrize("name", CONFIGURED)
def test_a_repository_of_ours_starts_no_program_by_its_configuration(
    loaded: Path, tmp_path: Path, canary: Path, name: str
) -> None:
    """An unpacked tree belongs to this user, but its git configuration does not."""
    (loaded / ".gitattributes").write_text("* diff=evil filter=evil\n*.sh filter=a=b\n")
    git(loaded, "init", "-q")
    git(loaded, "add", "-f", ".")
    git(loaded, "commit", "-q", "-m", "x")
    base = git(loaded, "rev-parse", "HEAD")
    git(loaded, "commit", "-q", "--allow-empty", "-m", "y")
    git(loaded, "config", "mermapctl.base", base)
    git(loaded, "config", "log.showSignature", "true")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for hook in (
        "fsmonitor-watchman",
        "post-index-change",
        "post-checkout",
        "reference-transaction",
    ):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {canary}\n")
        (hooks / hook).chmod(0o755)
    git(loaded, "config", name, CONFIGURED[name].format(canary=canary, hooks=hooks))
    for path in ("Makefile", "scripts/cc-version.sh"):
        text = (loaded / path).read_text()
        (loaded / path).write_text(text.replace("s", "z", 1))  # unchanged
        os.utime(loaded / path, (0, 0))
    canary.unlink(missing_ok=True)

    assert state.inspect(loaded).dirty
    with contextlib.closing(state.look(loaded)) as looking:
        assert looking.state() is not None
    assert state.subjects(loaded, base) == ("y",)
    assert state.origin(loaded) is not None
    assert not canary.exists()


def test_a_submodules_own_configuration_starts_nothing_and_its_content_is_not_guessed(
    loaded: Path, canary: Path
) -> None:
    inner = loaded / "inner"
    inner.mkdir()
    (inner / "file").write_text("x")
    git(inner, "init", "-q")
    git(inner, "add", ".")
    git(inner, "commit", "-q", "-m", "x")
    git(loaded, "init", "-q")
    git(loaded, "add", "-f", ".")
    git(loaded, "commit", "-q", "-m", "x")
    git(inner, "config", "core.fsmonitor", f"touch {canary}; false")
    (inner / "file").write_text("y")
    canary.unlink(missing_ok=True)
    with contextlib.closing(state.look(loaded)) as looking:
        assert looking.state() is None
    assert not canary.exists()


def test_a_path_with_a_dollar_is_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("HOME_OF_OTHERS", "/nonexistent")
    tree = tmp_path / "a$HOME_OF_OTHERS" / "${PATH}"
    shutil.copytree(FAKE / "tree", tree)
    git(tree, "init", "-q")
    git(tree, "add", "-f", ".")
    git(tree, "commit", "-q", "-m", "x")
    assert state.inspect(tree).commit == git(tree, "rev-parse", "HEAD")
    assert list(recwarn) == []


@pytest.mark.parametrize(
    "base",
    ["--output={out}", "-O{out}", "HEAD --output={out}", "--exec={out}", "HEAD", "main", "0" * 39],
)
def test_a_base_in_a_trees_configuration_is_a_hash_or_none(
    loaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    git(loaded, "init", "-q")
    git(loaded, "add", "-f", ".")
    git(loaded, "commit", "-q", "-m", "x")
    git(loaded, "config", "mermapctl.base", base.format(out=tmp_path / "out"))
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    assert state.origin(loaded) is None
    assert exit_of(monkeypatch, "tree", "prepare", str(loaded)) == 2
    if base.startswith("-"):
        with pytest.raises(UserError):
            state.subjects(loaded, base.format(out=tmp_path / "out"))
    assert [path for path in sorted(tmp_path.rglob("*")) if path.name == "out"] == []
    assert [each for each in before if not os.path.lexists(each)] == []


@pytest.mark.parametrize("name", [".", "Makefile"])
def test_a_tree_that_may_not_be_read_is_not_called_none(tmp_path: Path, name: str) -> None:
    tree = tmp_path / "linux"
    tree.mkdir()
    (tree / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\n")
    (tree / "Kconfig").write_text("")
    (tree / name).chmod(0)
    done = unprivileged("run", f"--tree={tree}")
    tree.chmod(0o755)
    assert done.returncode == 2, done.stderr
    assert f"{tree}/Makefile cannot be read: Permission denied" in done.stderr
