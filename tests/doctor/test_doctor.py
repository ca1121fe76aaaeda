# SPDX-License-Identifier: GPL-2.0-only
"""`doctor`, and the checks of `run`, on machines with some programs hidden from PATH."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from mermapctl.cli.doctor import command
from mermapctl.config import target, toolchain
from mermapctl.doctor import checks, doctor
from mermapctl.doctor.requirement import Check, NeedState
from mermapctl.runner import accelerator, kvm_probe
from tests.doctor.test_packages import table
from tests.minikconfig import only_on_path, program, tree_of

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = (
    *("git", "make", "gcc", "as", "ld", "flex", "bison", "bc", "perl", "awk", "sh", "sed", "cat"),
    *("uname", "ccache", "qemu-system-x86_64"),
)
MIN_TOOL_VERSION = "case $1 in gcc) echo {gcc};; binutils) echo 2.25.0;; *) exit 1;; esac\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tree_of(tmp_path / "linux", "", x86="config X86\n    def_bool y\n")
    (made / "mm/Kconfig").write_text("config ARCH_SUPPORTS_MERMAP\n\tbool\n")
    scripts = made / "scripts"
    scripts.mkdir()
    (scripts / "min-tool-version.sh").write_text(MIN_TOOL_VERSION.format(gcc="5.1.0"))
    return made


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set PATH to exactly the programs that an x86_64 build and boot need."""
    directory = tmp_path / "bin"
    monkeypatch.setenv("PATH", only_on_path(directory, *EVERYTHING))
    for name in EVERYTHING:  # empty programs in place of those that this machine lacks
        if not (directory / name).exists():
            program(directory, name, "exit 0")
    return directory


def states(checks: tuple[Check, ...]) -> dict[str, NeedState]:
    return {each.name: each.state for each in checks}


def missing(tree: Path, name: str = "x86_64") -> list[str]:
    return [each.name for each in doctor.missing_for_run(tree, target.read(tree).find(name))]


@pytest.mark.usefixtures("path")
def test_a_complete_machine_lacks_nothing(tree: Path) -> None:
    assert missing(tree) == []


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [
        ("flex", ["flex"]),
        ("bison bc", ["bison", "bc"]),
        ("make", ["make"]),
        ("qemu-system-x86_64", ["qemu-system-x86_64"]),
        ("gcc", ["gcc"]),
        ("ld", ["ld"]),
        ("ccache git", []),
    ],
)
def test_run_names_a_hidden_program(
    tree: Path, path: Path, hidden: str, expected: list[str]
) -> None:
    for name in hidden.split():
        (path / name).unlink()
    assert missing(tree) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("um", []), ("arm64", ["aarch64-linux-gnu-gcc", "qemu-system-aarch64"])],
)
def test_each_target_has_needs_of_its_own(
    tree: Path, path: Path, name: str, expected: list[str]
) -> None:
    (path / "qemu-system-x86_64").unlink()
    assert missing(tree, name) == expected


@pytest.mark.usefixtures("path")
def test_the_check_of_run_is_quick(tree: Path) -> None:
    where = target.read(tree).find("x86_64")
    took = []
    for _ in range(5):
        began = time.perf_counter()
        doctor.missing_for_run(tree, where)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.5  # 0.05 s on an idle machine


@pytest.mark.parametrize(
    ("gcc", "wanted", "state"),
    [
        ("12.2.0", "5.1.0", NeedState.OK),
        ("5.1.0", "5.1.0", NeedState.OK),
        ("4.9.4", "5.1.0", NeedState.OLD),
        ("9.3.0", "12.0.0", NeedState.OLD),
        ("13", "12.0.0", NeedState.OK),
    ],
)
def test_the_compiler_against_the_trees_minimum(
    tree: Path, path: Path, gcc: str, wanted: str, state: NeedState
) -> None:
    (path / "gcc").unlink()
    program(path, "gcc", f"echo {gcc}")
    (tree / "scripts/min-tool-version.sh").write_text(MIN_TOOL_VERSION.format(gcc=wanted))
    where = target.read(tree).find("um")
    found, _ = checks.compiler(tree, where, toolchain.of(where))
    assert found.state is state
    if state is NeedState.OLD:
        assert found.found == f"{path}/gcc, {gcc}: this tree wants {wanted} or newer"
        (lacking,) = doctor.missing_for_run(tree, where)
        assert doctor.sentence([lacking]) == f"gcc: {found.found}"
        assert doctor.install_hint([lacking]) == f"install a gcc of at least {wanted}"


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("GNU Make 4.3", NeedState.OK),
        ("GNU Make 3.81", NeedState.OLD),
        ("bmake 2023", NeedState.BROKEN),
    ],
)
def test_make_against_the_trees_minimum(
    tree: Path, path: Path, said: str, state: NeedState
) -> None:
    (path / "make").unlink()
    program(path, "make", f"echo {said}")
    assert checks.make(tree).state is state


def test_the_sentence_and_the_hint_of_what_is_missing(
    tree: Path, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("flex", "qemu-system-x86_64"):
        (path / name).unlink()
    (tmp_path / "os-release").write_text("ID=fedora\nPRETTY_NAME='Fedora Linux'\n")
    monkeypatch.setattr("mermapctl.doctor.packages.OS_RELEASE", tmp_path / "os-release")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    lacking = doctor.missing_for_run(tree, target.read(tree).find("x86_64"))
    assert doctor.sentence(lacking) == "not installed: flex, qemu-system-x86_64"
    assert doctor.install_hint(lacking) == "dnf install flex qemu-system-x86-core"
    lacking = doctor.missing_for_run(tree, target.read(tree).find("arm64"))
    assert doctor.install_hint(lacking[1:]).startswith("dnf install gcc-aarch64-linux-gnu")


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    ("left", "name", "state"),
    [
        ("", "clean tree", NeedState.OK),
        (".config", "clean tree", NeedState.BROKEN),
        ("arch/x86/include/generated/x.h", "clean tree", NeedState.BROKEN),
        ("arch/arm64/include/generated/x.h", "clean tree", NeedState.OK),
        ("", "mermap", NeedState.OK),
        ("-mm/Kconfig", "mermap", NeedState.MISSING),
        ("-tools/testing/kunit/kunit.py", "tree", NeedState.BROKEN),
        ("-Makefile", "tree", NeedState.BROKEN),
    ],
)
def test_checks_of_the_tree(tree: Path, left: str, name: str, state: NeedState) -> None:
    if left.startswith("-"):
        (tree / left[1:]).write_text("") if "mm" in left else (tree / left[1:]).unlink()
    elif left:
        (tree / left).parent.mkdir(parents=True, exist_ok=True)
        (tree / left).touch()
    where = target.without_tree("x86_64", "qemu-system-x86_64")
    found = doctor.check([where], tree, probe_kvm=False)
    assert states(found)[name] is state


@pytest.mark.usefixtures("path")
def test_a_target_without_the_mermap_is_reported_but_not_required(tree: Path) -> None:
    kconfig = tree / "arch/x86/Kconfig"
    kconfig.write_text(kconfig.read_text() + "\tselect ARCH_SUPPORTS_MERMAP\n")
    where = [target.read(tree).find(name) for name in ("arm64", "x86_64", "um")]
    found = doctor.check(where, tree, probe_kvm=False)
    checks = [each for each in found if each.name.startswith("mermap on ")]
    assert [each.name for each in checks] == ["mermap on arm64", "mermap on um"]
    for check in checks:
        assert (check.ok, check.lacking) == (False, False)
        assert "arch/x86/Kconfig" in check.found


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    ("there", "name", "state"),
    [
        (True, "x86_64", NeedState.OK),
        (False, "x86_64", NeedState.MISSING),
        (True, "um", None),  # modules are inserted where QEMU boots
    ],
)
def test_programs_for_the_module_flavour(
    tree: Path, there: bool, name: str, state: NeedState | None
) -> None:
    if there:
        header = tree / "tools/include/nolibc/nolibc.h"
        header.parent.mkdir(parents=True)
        header.touch()
    found = doctor.check([target.read(tree).find(name)], tree, probe_kvm=False)
    assert states(found).get("nolibc") == state
    assert not any(each.lacking for each in found)


def test_a_compiler_without_the_c_librarys_headers(
    tree: Path, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian's gcc only recommends libc6-dev."""
    monkeypatch.setattr(checks, "_INCLUDE", tmp_path)
    (tmp_path / "gelf.h").touch()
    (path / "gcc").unlink()
    program(path, "gcc", 'case "$*" in *-fsyntax-only*) exit 1;; *) echo 12.2.0;; esac')
    (lacking,) = doctor.missing_for_run(tree, target.read(tree).find("x86_64"))
    assert (lacking.name, lacking.need) == ("<stdio.h>", "libc")


def test_disk_and_memory(tmp_path: Path) -> None:
    assert checks.disk(tmp_path / "not/yet/there", 1).found.endswith(f"in {tmp_path}")
    assert checks.disk(tmp_path, 1 << 40).state is NeedState.LOW
    meminfo = tmp_path / "meminfo"
    for available, state in ((900_000, NeedState.LOW), (4_000_000, NeedState.OK)):
        meminfo.write_text(f"MemTotal: 9 kB\nMemAvailable:   {available} kB\n")
        assert checks.memory(meminfo).state is state
    assert checks.memory(tmp_path / "none").needed is False


def test_a_header_that_only_the_compiler_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "include").mkdir()
    (tmp_path / "include/somewhere_else.h").touch()
    wanted = [checks.header("somewhere_else.h", "", need="libelf", needed=True).state]
    monkeypatch.setenv("C_INCLUDE_PATH", str(tmp_path / "include"))
    wanted.append(checks.header("somewhere_else.h", "", need="libelf", needed=True).state)
    assert wanted == [NeedState.MISSING, NeedState.OK]


def run(*argv: str) -> Result:
    return CliRunner().invoke(command, [*argv, "--no-kvm"])


@pytest.mark.usefixtures("path")
def test_the_command_where_all_is_well(tree: Path) -> None:
    result = run("--tree", str(tree))
    assert result.exit_code == 0, result.output
    assert "everything needed for x86_64 is here" in result.output


def test_the_command_where_something_is_missing(tree: Path, path: Path) -> None:
    (path / "flex").unlink()
    (path / "ccache").unlink()
    result = run("--tree", str(tree), "--target", "um")
    assert result.exit_code == 1
    assert "problems: flex" in result.output
    result = run("--tree", str(tree), "--target", "um", "--format", "json")
    found = json.loads(result.output)
    assert (result.exit_code, found["healthy"], found["targets"]) == (1, False, ["um"])
    by_name = {each["name"]: each for each in found["checks"]}
    assert (by_name["flex"]["state"], by_name["flex"]["needed"]) == ("missing", True)
    assert (by_name["ccache"]["state"], by_name["ccache"]["needed"]) == ("missing", False)
    assert by_name["make"]["state"] == "ok"
    assert "flex" in found["install"]["packages"] + found["install"]["without_package"]


@pytest.mark.usefixtures("path")
def test_the_command_without_a_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("--target", "x86_64", "--target", "um")
    assert result.exit_code == 1
    assert "problems: tree" in result.output
    assert "mermapctl tree prepare DIR" in result.output
    for argv, said in (
        (("--target", "vax"), "'vax' is not a known target"),
        (("--tree", str(tmp_path)), "is not a kernel tree"),
    ):
        result = run(*argv)
        assert said in str(result.exception)


def test_every_check_stands_once_and_every_need_has_a_name(tree: Path) -> None:
    where = [target.read(tree).find(name) for name in ("um", "x86_64", "arm64")]
    found = doctor.check(where, tree, probe_kvm=False)
    assert len(states(found)) == len(found)
    assert "/dev/kvm" not in states(found)
    assert [each.need for each in found if each.need and each.need not in table()["need"]] == []


@pytest.mark.parametrize(
    ("script", "accel"), [("exit 85", "kvm"), ("echo broken >&2; exit 1", "tcg")]
)
def test_a_run_takes_doctors_word_for_kvm(
    script: str, accel: str, fake_tree: Path, home: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    device = tmp_path / "kvm"
    device.write_text("")
    monkeypatch.setattr(accelerator, "KVM", device)
    monkeypatch.setattr(kvm_probe.probe, "__defaults__", (device, "kvm"))
    program(tmp_path / "programs", kvm_probe.QEMU, script)
    monkeypatch.setenv("PATH", str(tmp_path / "programs"), prepend=":")
    native = replace(target.read(fake_tree).find("x86_64"), native=True)
    if accel == "kvm":
        accelerator.remember_failure("it did not work then")
    checks.kvm()
    chosen, why = accelerator.choose(target.Accel.AUTO, native)
    assert chosen == accel
    assert (why is None) == (accel == "kvm")
    assert home.is_dir()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_name_of_a_program_is_broken(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    result = CliRunner().invoke(command, ["--no-kvm"])
    assert "qemu-system-x86_64 " in result.output


@pytest.mark.parametrize("width", [40, 60, 80, 100, 132, 200])
def test_no_path_and_no_command_is_broken(
    tree: Path, path: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path / "flex").unlink()
    far = tree.rename(tree.parent / ("a-directory-with-a-long-name-" * 3 + "x"))
    (far / ".config").write_text("")
    monkeypatch.setenv("COLUMNS", str(width))
    said = run("--tree", str(far)).output
    for word in (str(far), str(path / "make"), str(path / "git"), "qemu-system-x86_64"):
        assert re.search(rf"(?<!\S){re.escape(word)}(?!\w)", said), said
    assert f"`make -C {far} mrproper`" in said
    assert "not on PATH" in said
