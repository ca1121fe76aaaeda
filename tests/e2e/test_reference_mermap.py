# SPDX-License-Identifier: GPL-2.0-only
"""The reference mermap on machines that it must hold on; the plain one is test_main_job's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import git
from tests.e2e.conftest import Ran, mermapctl

pytestmark = [pytest.mark.e2e, pytest.mark.nightly]

FOUR = ["test_basic_alloc", "test_size", "test_multiple_allocs", "test_tlb_flushed"]
Run = Callable[..., Ran]


@pytest.mark.parametrize(
    ("argv", "shows"),
    [
        (("--no-default-args", "--cpu=Haswell"), "page tables isolation: enabled"),
        (("--variant=smp",), "Brought up 1 node, 2 CPUs"),
        (("--variant=la57",), "page tables isolation: enabled"),
    ],
    ids=["isolation-by-cpu", "two-cpus", "five-levels"],
)
def test_all_four_pass(run: Run, argv: tuple[str, ...], shows: str) -> None:
    ran = run(*argv)
    assert ran.code == 0, ran.document
    assert ran.statuses == dict.fromkeys(FOUR, "passed")
    assert ran.codes == []
    assert shows in Path(ran.cell["artifacts"]["console"]).read_text(errors="replace")


def test_without_isolation_the_refusal_is_one_finding(run: Run) -> None:
    """PAGE_KERNEL is global then, on QEMU's default CPU model."""
    ran = run("--no-default-args")
    assert ran.code == 1
    assert ran.statuses == dict.fromkeys(FOUR, "failed")
    assert ran.codes == ["global-mapping-refused"]


# An image that has a shell in memory, as small as that can be.
MODULE_CONFIG = """\
CONFIG_64BIT=y
CONFIG_SMP=y
CONFIG_EXPERT=y
CONFIG_PRINTK=y
CONFIG_BUG=y
CONFIG_TTY=y
CONFIG_SERIAL_8250=y
CONFIG_SERIAL_8250_CONSOLE=y
CONFIG_BLK_DEV_INITRD=y
CONFIG_BINFMT_ELF=y
CONFIG_BINFMT_SCRIPT=y
CONFIG_MITIGATION_PAGE_TABLE_ISOLATION=y
CONFIG_MODULES=y
CONFIG_MODULE_UNLOAD=y
CONFIG_KUNIT=y
CONFIG_MERMAP_KUNIT_TEST=m
"""
INIT = """\
#!/bin/busybox sh
/bin/busybox insmod /mermap_kunit.ko && echo "=== inserted"
/bin/busybox rmmod mermap_kunit && echo "=== removed"
/bin/busybox reboot -f
"""


def cpio(files: dict[str, tuple[int, bytes]]) -> bytes:
    """A "newc" archive (Documentation/driver-api/early-userspace/) of name -> mode, contents."""
    members = [*files.items(), ("TRAILER!!!", (0, b""))]
    archive = b""
    for number, (name, (mode, data)) in enumerate(members, 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        header = b"070701" + b"".join(b"%08X" % value for value in fields)
        header += name.encode() + b"\0"
        archive += header + b"\0" * (-len(header) % 4) + data + b"\0" * (-len(data) % 4)
    return archive


@pytest.fixture
def modular(reference_tree: Path, e2e_home: Path) -> Path:
    """A build directory with a kernel and the suite as a module."""
    build = e2e_home / "modular"
    build.mkdir(exist_ok=True)
    (build / "wanted.config").write_text(MODULE_CONFIG)
    make = ["make", "-s", "-C", str(reference_tree), f"O={build}", "ARCH=x86_64", "LOCALVERSION="]
    env = {**os.environ, "KCONFIG_ALLCONFIG": str(build / "wanted.config")}
    compiler = ["CC=ccache gcc"] if shutil.which("ccache") else []
    subprocess.run([*make, "allnoconfig"], check=True, env=env)
    jobs = f"-j{os.cpu_count()}"
    subprocess.run([*make, *compiler, jobs, "bzImage", "modules"], check=True, env=env)
    return build


def test_the_suite_as_a_module_counts_too(modular: Path, tmp_path: Path) -> None:
    config = (modular / ".config").read_text()
    assert "CONFIG_MERMAP_KUNIT_TEST=m\n" in config
    busybox = shutil.which("busybox")
    assert busybox, "the module's shell needs a statically linked busybox"
    files = {
        "bin": (0o040755, b""),
        "bin/busybox": (0o100755, Path(busybox).read_bytes()),
        "init": (0o100755, INIT.encode()),
        "mermap_kunit.ko": (0o100644, (modular / "mm/tests/mermap_kunit.ko").read_bytes()),
    }
    (tmp_path / "initramfs").write_bytes(cpio(files))
    qemu = ["qemu-system-x86_64", "-nodefaults", "-accel", "tcg", "-m", "512", "-smp", "2"]
    qemu += ["-no-reboot", "-nographic", "-serial", "stdio"]
    qemu += ["-kernel", str(modular / "arch/x86/boot/bzImage")]
    qemu += ["-initrd", str(tmp_path / "initramfs"), "-append", "console=ttyS0 panic=-1 pti=on"]
    console = tmp_path / "console.log"
    with console.open("wb") as log:
        subprocess.run(qemu, stdout=log, stdin=subprocess.DEVNULL, check=True, timeout=120)
    text = console.read_text(errors="replace")
    assert "=== inserted" in text
    assert "=== removed" in text
    judged = mermapctl("report", f"--log={console}", "--format=json")
    assert judged.returncode == 0, judged.stdout
    (cell,) = json.loads(judged.stdout)["cells"]
    (suite,) = [suite for suite in cell["suites"] if suite["name"] == "mermap"]
    assert {test["name"]: test["status"] for test in suite["tests"]} == dict.fromkeys(
        FOUR, "passed"
    )
    assert cell["splats"] == []
    assert cell["findings"] == []


@pytest.fixture
def teaching_fault(reference_tree: Path) -> Iterator[Callable[[str, str], None]]:
    """Change one statement of mm/mermap.c for one run."""
    source = reference_tree / "mm/mermap.c"

    def change(old: str, new: str) -> None:
        text = source.read_text()
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        source.write_text(text.replace(old, new))

    yield change
    git(reference_tree, "checkout", "-q", "--", "mm/mermap.c")


def test_what_a_dead_test_leaves_mapped_is_put_without_a_splat_of_its_own(
    run: Run, teaching_fault: Callable[[str, str], None]
) -> None:
    """An Oops ends test_multiple_allocs' thread while four mappings are live."""
    teaching_fault("fill->pfn++;", "fill->pfn++;\n\tpte_clear(fill->mm, addr, ptep);")
    ran = run()
    assert ran.code == 1
    assert ran.statuses["test_multiple_allocs"] == "crashed"
    titles = [splat["title"] for splat in ran.cell["splats"]]
    assert [title for title in titles if "migrate" in title or "mermap_mm_teardown" in title] == []
    assert {name for name, status in ran.statuses.items() if status == "passed"} >= {
        "test_basic_alloc",
        "test_tlb_flushed",
    }
