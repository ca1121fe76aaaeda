# SPDX-License-Identifier: GPL-2.0-only
"""The programs of a build: gcc's or LLVM's, the user's prefix, and the compiler behind ccache."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path

import pytest

from mermapctl.config import plan, target, toolchain
from mermapctl.config.plan import Request
from mermapctl.config.target import Target
from mermapctl.config.toolchain import Toolchain
from mermapctl.doctor import doctor
from mermapctl.runner import compiler_cache, initramfs, up_to_date
from mermapctl.runner.job import Job
from tests import jobs
from tests.forkserver import command
from tests.runner.test_run import run
from tests.tables import FAKE

GNU = "gcc ld ar nm strip objcopy objdump readelf"
LLVM = "clang ld.lld llvm-ar llvm-nm llvm-strip llvm-objcopy llvm-objdump llvm-readelf"


def program(path: Path, text: str = "exit 0") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("value", "prefix", "tools"),
    [
        (None, None, f"{GNU} as gcc ld as"),
        ("", None, f"{GNU} as gcc ld as"),
        (None, "x-", " ".join(f"x-{each}" for each in [*GNU.split(), "as"]) + " gcc ld as"),
        ("1", None, LLVM),
        ("0", None, LLVM),  # as the kernel's Makefile reads it
        ("1", "x-", LLVM),
        ("-17", None, " ".join(f"{each}-17" for each in LLVM.split())),
        ("/opt/llvm/bin/", None, " ".join(f"/opt/llvm/bin/{each}" for each in LLVM.split())),
    ],
)
def test_the_tools_of_a_build_are_those_of_its_makefile(
    monkeypatch: pytest.MonkeyPatch, value: str | None, prefix: str | None, tools: str
) -> None:
    monkeypatch.delenv("LLVM_IAS", raising=False)
    monkeypatch.delenv("LLVM", raising=False)
    if value is not None:
        monkeypatch.setenv("LLVM", value)
    chain = toolchain.of_build(prefix)
    assert " ".join(chain.tools) == tools
    assert chain.host_cc == (chain.cc if value else "gcc")


def test_without_its_assembler_llvm_takes_the_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLVM", "1")
    monkeypatch.setenv("LLVM_IAS", "0")
    assert toolchain.of_build("x-").tools[-1] == "x-as"


def job(tree: Path, prefix: str | None) -> Job:
    qemu = "qemu-system-x86_64"
    target = Target("x86_64", "x86_64", "x86", qemu, prefix, "", "vmlinux", native=True)
    return jobs.job(tree, target, build_dir=tree / "build", kunitconfig=tree / "kunitconfig")


@pytest.mark.parametrize(
    ("llvm", "tool"),
    [("1", "clang"), ("1", "ld.lld"), ("1", "llvm-objcopy"), ("-9", "clang-9"), (None, "gcc")],
)
def test_another_tool_is_another_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, llvm: str | None, tool: str
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.delenv("LLVM", raising=False)
    if llvm:
        monkeypatch.setenv("LLVM", llvm)
    program(tmp_path / "bin" / tool)
    before = up_to_date.signature(job(tmp_path, None), "", "tree")
    assert up_to_date.signature(job(tmp_path, None), "", "tree") == before
    program(tmp_path / "bin" / tool, "exit 1 # another")
    assert up_to_date.signature(job(tmp_path, None), "", "tree") != before


def test_a_compiler_behind_a_link_to_ccache_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "ccache/ccache")
    (tmp_path / "links").mkdir()
    (tmp_path / "links/x-gcc").symlink_to(tmp_path / "ccache/ccache")
    program(tmp_path / "real/x-gcc")
    path = [str(tmp_path / name) for name in ("links", "ccache", "real")]
    monkeypatch.setenv("PATH", ":".join([*path, os.environ["PATH"]]))
    monkeypatch.delenv("LLVM", raising=False)
    assert toolchain.located("x-gcc") == tmp_path / "real/x-gcc"
    before = up_to_date.signature(job(tmp_path, "x-"), "", "tree")
    program(tmp_path / "real/x-gcc", "exit 1 # another")
    assert up_to_date.signature(job(tmp_path, "x-"), "", "tree") != before


def test_a_compiler_that_is_named_with_its_directory_is_never_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "ccache/ccache")
    program(tmp_path / "cross/x-gcc", "exit 3")
    monkeypatch.setenv("PATH", f"{tmp_path / 'ccache'}:{os.environ['PATH']}")
    assert not compiler_cache.write(tmp_path / "bin", str(tmp_path / "cross/x-gcc"), tmp_path)
    assert (tmp_path / "cross/x-gcc").read_text() == "#!/bin/sh\nexit 3\n"


@pytest.mark.parametrize(
    ("prefix", "aimed"), [("", []), ("aarch64-linux-gnu-", ["--target=aarch64-linux-gnu"])]
)
def test_clang_gets_the_target_of_the_init(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str, aimed: list[str]
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    program(tmp_path / "clang", f'for each; do echo "$each" >>{tmp_path / "said"}; done')
    program(tmp_path / "ld.lld")
    initramfs.compile_init(FAKE / "tree", Toolchain(prefix, "1"), tmp_path / "init")
    said = (tmp_path / "said").read_text().splitlines()
    assert [each for each in said if each.startswith("--")] == [
        f"--ld-path={tmp_path / 'ld.lld'}", *aimed,
    ]  # fmt: skip
    assert "-lgcc" not in said


@pytest.mark.parametrize("installed", [True, False])
def test_the_users_prefix_is_the_compiler_that_is_looked_for(
    fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, installed: bool
) -> None:
    monkeypatch.delenv("LLVM", raising=False)
    wanted = Request(targets=("arm64",), suite="example", cross_compile="mine-")
    (cell,) = plan.make(target.read(fake_tree), wanted)
    for tool in ("gcc", "ld") if installed else ():
        real = shutil.which(tool)
        assert real
        program(tmp_path / f"bin/mine-{tool}", f'exec {shlex.quote(real)} "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    lacking = [each.name for each in doctor.missing_for_run(fake_tree, cell.target)]
    assert ("mine-gcc" in lacking) is not installed
    assert "aarch64-linux-gnu-gcc" not in lacking
    asked = toolchain.of(cell.target)
    assert (asked.wanted or asked.cc) == "mine-gcc"


def test_a_kernel_that_kvm_alone_does_not_run_is_no_word_on_kvm(
    fake_tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "kvm").write_text("")
    first = (
        "from pathlib import Path; from mermapctl.runner import accelerator\n"
        f"accelerator.KVM = Path({str(tmp_path / 'kvm')!r})"
    )
    argv = ("run", f"--tree={fake_tree}", "--format=json")
    env = {"FAKE_BOOT": "kvm-error", "FAKE_PROBE": "works"}
    for _ in range(2):
        done = command(*argv, env=env, first=first, seconds=60)
        assert done.returncode == 0, done.stderr
        (cell,) = json.loads(done.stdout)["cells"]
        assert cell["accelerator"] == "tcg"
        (note,) = [note for note in cell["notes"] if "KVM" in note]
        assert note.startswith("this kernel does not run under KVM (KVM internal error")
        assert "which runs other guests" in note
    good = command(*argv, first=first, seconds=60)
    assert json.loads(good.stdout)["cells"][0]["accelerator"] == "kvm"


def test_the_record_names_the_compiler_of_the_build(
    fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin/clang", "echo clang version 17.0.6 of a test")
    for tool in LLVM.split()[1:]:
        program(tmp_path / "bin" / tool, "echo LLD 17.0.6")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("LLVM", "1")
    done = run(fake_tree, "--format=json")
    assert done.returncode == 0, done.stderr
    host = json.loads(done.stdout)["run"]["host"]
    assert host["compiler"] == "clang version 17.0.6 of a test"
