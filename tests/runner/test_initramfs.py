# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from mermapctl.config.modular import NOLIBC
from mermapctl.config.toolchain import Toolchain
from mermapctl.errors import HarnessError
from mermapctl.runner import initramfs, kernel_modules
from mermapctl.runner.initramfs import CpioMember
from mermapctl.runner.kernel_modules import Insertion, Module
from tests.tables import FAKE

SUITES = b"\0.kunit_test_suites\0"


def unpacked(archive: bytes, into: Path) -> Path:
    """Unpack an archive with the system's cpio; device nodes need root."""
    into.mkdir()
    command = ["cpio", "--extract", "--make-directories", "--quiet", "--no-absolute-filenames"]
    subprocess.run([*command, "*"], input=archive, cwd=into, check=True)
    return into


def listed(archive: bytes) -> list[str]:
    """Return its table of contents, one member per line."""
    command = ["cpio", "--list", "--verbose", "--numeric-uid-gid", "--quiet"]
    done = subprocess.run(command, input=archive, check=True, capture_output=True)
    return [" ".join(line.split()) for line in done.stdout.decode().splitlines()]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 110, 4096])
@pytest.mark.parametrize("name", ["a", "ab", "abc", "abcd", "a-longer-name.ko"])
def test_cpio_reads_back_what_was_packed(tmp_path: Path, name: str, size: int) -> None:
    data = bytes(range(256)) * 16
    entries = [
        CpioMember(name, stat.S_IFREG | 0o640, data[:size]),
        CpioMember("z", stat.S_IFREG | 0o444),
    ]
    there = unpacked(initramfs.archive(entries), tmp_path / "there")
    assert (there / name).read_bytes() == data[:size]
    assert stat.S_IMODE((there / name).stat().st_mode) == 0o640
    assert (there / "z").read_bytes() == b""


def test_nodes_directories_and_owners() -> None:
    node = CpioMember("dev/kmsg", stat.S_IFCHR | 0o600, device=(1, 11))
    lines = listed(initramfs.archive([CpioMember("dev", stat.S_IFDIR | 0o755), node]))
    assert lines[0].startswith("drwxr-xr-x 1 0 0 0 ")
    assert lines[1].startswith("crw------- 1 0 0 1, 11 ")


def test_the_same_entries_are_the_same_bytes() -> None:
    entries = [CpioMember("init", stat.S_IFREG | 0o755, b"x")]
    assert initramfs.archive(entries) == initramfs.archive(entries)
    assert initramfs.archive(entries).startswith(b"070701")


def test_modules_are_inserted_in_order_with_their_parameters(tmp_path: Path) -> None:
    for name in ("kunit.ko", "mermap_kunit.ko"):
        (tmp_path / name).write_bytes(name.encode())
    insertions = [
        Insertion(Module(tmp_path / "kunit.ko"), ("filter_glob=mermap", "enable=1")),
        Insertion(Module(tmp_path / "mermap_kunit.ko")),
    ]
    initramfs.write(tmp_path / "initramfs", b"ELF", insertions)
    archive = (tmp_path / "initramfs").read_bytes()
    names = [line.rsplit(None, 1)[1] for line in listed(archive)]
    nodes = ["dev", "dev/console", "dev/kmsg"]
    assert names == [*nodes, "init", "modules", "kunit.ko", "mermap_kunit.ko"]
    files = [name for name in names if name not in nodes]
    entries = subprocess.run(
        ["cpio", "--extract", "--quiet", *files], input=archive, cwd=tmp_path, check=False
    )
    assert entries.returncode == 0
    assert (tmp_path / "modules").read_text() == (
        "/kunit.ko filter_glob=mermap enable=1\n/mermap_kunit.ko\n"
    )
    assert (tmp_path / "init").stat().st_mode & stat.S_IXUSR


def test_counters_are_sent_where_they_are_asked_for(tmp_path: Path) -> None:
    initramfs.write(tmp_path / "initramfs", b"ELF", [], counts=True)
    lines = listed((tmp_path / "initramfs").read_bytes())
    names = [line.rsplit(None, 1)[1] for line in lines]
    wanted = ["dev", "dev/console", "dev/kmsg", "init", "modules", "dev/ttyS1", "debug", "counters"]
    assert names == wanted
    assert "4, 65" in next(line for line in lines if line.endswith("dev/ttyS1"))


def test_more_modules_than_the_init_reads_are_refused(tmp_path: Path) -> None:
    module = tmp_path / "m.ko"
    module.write_bytes(b"")
    insertions = [Insertion(Module(module), ("x" * 40,))] * 100
    with pytest.raises(HarnessError, match="100 modules"):
        initramfs.write(tmp_path / "initramfs", b"", insertions)
    assert not (tmp_path / "initramfs").exists()


def test_the_init_is_compiled_with_the_trees_nolibc(tmp_path: Path) -> None:
    program = tmp_path / "init"
    initramfs.compile_init(FAKE / "tree", Toolchain("", None), program)
    assert program.read_bytes().startswith(b"\x7fELF")


@pytest.mark.parametrize(
    ("header", "says"),
    [("#error too old for this\n", "too old for this"), (None, "nolibc.h")],
    ids=["broken", "absent"],
)
def test_an_init_that_cannot_be_compiled_has_its_reason(
    tmp_path: Path, header: str | None, says: str
) -> None:
    (tmp_path / NOLIBC).mkdir(parents=True)
    if header:
        (tmp_path / NOLIBC / "nolibc.h").write_text(header)
    with pytest.raises(HarnessError, match=says) as raised:
        initramfs.compile_init(tmp_path, Toolchain("", None), tmp_path / "init")
    assert raised.value.hint is not None
    assert "linux-libc-dev" in raised.value.hint


def build(directory: Path, *built: tuple[str, bytes], suffix: str = "o") -> Path:
    """Make a build directory with modules: path without suffix, content of the .ko."""
    for path, data in built:
        file = directory / f"{path}.ko"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"\x7fELF\0" + data)
    lines = "".join(f"{path}.{suffix}\n" for path, _ in built)
    (directory / "modules.order").write_text(lines)
    return directory


def inserted(directory: Path) -> list[str]:
    """Return names with parameters, in order."""
    found = kernel_modules.insertions(kernel_modules.built(directory), ("enable=1",))
    return [" ".join((each.module.name, *each.parameters)) for each in found]


SUITE = b"name=mermap_kunit\0depends=%s\0" + SUITES


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        ([("mm/tests/mermap_kunit", SUITE % b"")], ["mermap_kunit"]),
        (
            [
                ("mm/tests/mermap_kunit", SUITE % b"kunit"),
                ("lib/kunit/kunit", b"name=kunit\0depends=\0"),
            ],
            ["kunit enable=1", "mermap_kunit"],
        ),
        (  # dashes in a file name, a chain of needs, a built-in module, a module that nothing needs
            [
                ("a/first-suite", b"depends=mid-dle,vmlinux_only\0" + SUITES),
                ("b/mid-dle", b"name=x\0depends=kunit\0"),
                ("lib/kunit/kunit", b"name=kunit\0depends=\0"),
                ("c/unrelated", b"name=unrelated\0depends=\0"),
                ("d/second-suite", b"\0depends=kunit\0" + SUITES),
            ],
            ["kunit enable=1", "mid_dle", "first_suite", "second_suite"],
        ),
        (
            [("a/one", b"\0depends=two\0" + SUITES), ("a/two", b"\0depends=one\0" + SUITES)],
            ["two", "one"],
        ),
    ],
    ids=["kunit-built-in", "kunit-module", "chain", "circle"],
)
@pytest.mark.parametrize("suffix", ["o", "ko"])
def test_suites_come_after_what_they_need(
    tmp_path: Path, built: list[tuple[str, bytes]], expected: list[str], suffix: str
) -> None:
    assert inserted(build(tmp_path, *built, suffix=suffix)) == expected


def test_a_chain_longer_than_pythons_stack_is_in_order() -> None:
    names = [f"m{number}" for number in range(20_000)]
    known = {
        name: kernel_modules.Module(Path(f"{name}.ko"), (after,), has_suites=name == "m0")
        for name, after in zip(names, [*names[1:], "m7"], strict=True)
    }
    found = kernel_modules.insertions(known, ())
    assert [each.module.name for each in found] == names[::-1]


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (None, "modules.order"),
        ("mm/gone.o\n", "mm/gone.ko"),
        ("", "none of the modules that were built holds a KUnit suite"),
    ],
    ids=["no-list", "no-file", "no-suite"],
)
def test_a_build_without_the_suites_module_is_no_verdict(
    tmp_path: Path, order: str | None, says: str
) -> None:
    if order is not None:
        (tmp_path / "modules.order").write_text(order)
    with pytest.raises(HarnessError, match=says):
        inserted(tmp_path)
