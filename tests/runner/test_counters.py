# SPDX-License-Identifier: GPL-2.0-only
"""From the counters of a program that the host's compiler made to lines, branches and reports."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from mermapctl.cli import root
from mermapctl.config import toolchain
from mermapctl.config.coverage import Profile
from mermapctl.config.target import without_tree
from mermapctl.config.toolchain import Toolchain
from mermapctl.errors import HarnessError
from mermapctl.judge.coverage import LineCount
from mermapctl.runner import counter_file, counters, gcovr
from mermapctl.runner.job import Job
from tests import jobs
from tests.minikconfig import program

PROGRAM = """\
static int __twice(int x)
{
\tif (x > 9)
\t\treturn 0;
\treturn 2 * x;
}

int main(void)
{
\treturn __twice(1) + __twice(2) - 6;
}
"""
LINES = (
    *(LineCount(1, 2), LineCount(3, 2, 2, 1), LineCount(4, 0), LineCount(5, 2)),
    *(LineCount(8, 1), LineCount(10, 1)),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a tree with a file, and a build directory in which its program ran, as UML does."""
    top = tmp_path_factory.mktemp("counted")
    (top / "tree/mm").mkdir(parents=True)
    (top / "tree/mm/mermap.c").write_text(PROGRAM)
    (top / "build/mm").mkdir(parents=True)
    options = ["-O0", "-fprofile-arcs", "-ftest-coverage"]
    source = str(top / "tree/mm/mermap.c")
    for argv in (
        ["gcc", *options, "-c", "-o", "mm/mermap.o", source],
        ["gcc", "--coverage", "-o", "linux", "mm/mermap.o"],
        ["./linux"],
    ):
        subprocess.run(argv, cwd=top / "build", check=True)
    return top


def job_of(built: Path, name: str) -> Job:
    target = without_tree(name, None if name == "um" else "qemu-system-x86_64")
    made = jobs.job(built / "tree", target, build_dir=built / "build", kunitconfig=built / "k")
    cell = replace(made.cell, profile=Profile(("mm/mermap.c",)))
    return replace(made, cell=cell, folder=built)


def test_counters_become_lines_branches_and_reports(built: Path, tmp_path: Path) -> None:
    job = replace(job_of(built, "um"), folder=tmp_path)
    place = counters.collect(job, "all")
    tools = gcovr.tools(Toolchain("", None))
    lines = gcovr.lines(tools, place, built / "tree", reports=tmp_path)
    assert lines == {"mm/mermap.c": LINES}
    lcov = (tmp_path / gcovr.LCOV).read_text()
    assert "tree/mm/mermap.c\n" in lcov
    assert "DA:4,0" in lcov
    assert 'filename="mm/mermap.c"' in (tmp_path / gcovr.COBERTURA).read_text()


def sent(built: Path, data: bytes) -> str:
    path = f"{os.path.realpath(built / 'build')}/mm/mermap.gcda"
    rows = [data[at : at + 64].hex() for at in range(0, len(data), 64)]
    return "\r\n".join(
        ["mermapctl-counters 1", f"file {path}", *rows, f"bytes {len(data)}", "files 1", ""]
    )


def test_what_a_guest_sends_is_what_a_program_writes(built: Path, tmp_path: Path) -> None:
    job = replace(job_of(built, "x86_64"), folder=tmp_path)
    data = (built / "build/mm/mermap.gcda").read_bytes()
    job.counters.write_text(sent(built, data))
    place = counters.collect(job, "all")
    assert (place / "mm/mermap.gcda").read_bytes() == data
    assert (place / "mm/mermap.gcno").is_file()
    counters.forget(job)
    with pytest.raises(HarnessError, match="QEMU has made no file"):
        counters.collect(job, "all")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "ended before it sent"),
        ("mermapctl-counters 1\nfiles 0\n", "no counters of the chosen files"),
        (
            "mermapctl-counters 1\nfile /else/a.gcda\nbytes 0\nfiles 1\n",
            "no counters of the chosen",
        ),
    ],
)
def test_no_counters_are_no_coverage(built: Path, tmp_path: Path, text: str, says: str) -> None:
    job = replace(job_of(built, "x86_64"), folder=tmp_path)
    job.counters.write_text(text)
    with pytest.raises(HarnessError, match=says):
        counters.collect(job, "all")


def test_counters_that_are_cut_off_are_no_lines_that_never_ran(built: Path, tmp_path: Path) -> None:
    """gcov takes the functions that are missing for some that never ran, with exit code 0."""
    build = tmp_path / "build"
    shutil.copytree(built / "build", build)
    data = (build / "mm/mermap.gcda").read_bytes()
    for job in (job_of(built, "um"), job_of(built, "x86_64")):
        made = replace(job, build_dir=build, folder=tmp_path)
        for end in range(len(data)):
            (build / "mm/mermap.gcda").write_bytes(data[:end])
            made.counters.write_text(sent(tmp_path, data[:end]))
            if job.target.qemu and counter_file.is_whole(data[:end], by_libgcov=False):
                continue  # at the end of a record: the stream says how many bytes were sent
            with pytest.raises(HarnessError, match=r"mm/mermap\.gcda are cut off"):
                counters.collect(made, "all")


WORDS = struct.pack("<IiIII", 0x01000000, 3, 1, 2, 3) + struct.pack("<IiQQ", 0x01A10000, 4, 5, 6)
BYTES = struct.pack("<IiIII", 0x01000000, 12, 1, 2, 3) + struct.pack("<IiQQ", 0x01A10000, 16, 5, 6)
ZEROS = struct.pack("<IiIII", 0x01000000, 12, 1, 2, 3) + struct.pack("<Ii", 0x01A10000, -16)


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"adcg" + b"*804" + bytes(4) + WORDS, True),  # clang, and gcc before 12
        (b"adcg" + b"*12B" + bytes(8) + BYTES, True),
        (b"adcg" + b"*12B" + bytes(8) + ZEROS, True),
        (b"adcg" + b"*12B" + bytes(8) + BYTES[:-8], False),
        (b"adcg" + b"*12B" + bytes(8) + BYTES[:-16], False),
        (b"adcg" + b"*12B" + bytes(8) + bytes(64), False),
        (b"\0dcg" + b"*12B" + bytes(8) + BYTES, False),
        (b"adcg", False),
        (b"", False),
    ],
)
def test_a_kernels_own_counters_end_where_a_record_does(data: bytes, *, whole: bool) -> None:
    assert counter_file.is_whole(data, by_libgcov=False) is whole
    assert not counter_file.is_whole(data, by_libgcov=True)
    assert counter_file.is_whole(data + bytes(4), by_libgcov=True) is whole


def test_an_earlier_boot_of_uml_is_forgotten(built: Path, tmp_path: Path) -> None:
    copy = tmp_path / "build"
    subprocess.run(["cp", "-r", str(built / "build"), str(copy)], check=True)
    job = replace(job_of(built, "um"), build_dir=copy)
    counters.forget(job)
    with pytest.raises(HarnessError, match="no counters of the chosen files"):
        counters.collect(job, "all")


def test_a_line_that_was_compiled_twice_is_one_line() -> None:
    def line(number: int, count: int, *taken: int, **more: object) -> dict[str, object]:
        branches = [{"branchno": at, "count": each} for at, each in enumerate(taken)]
        return {"line_number": number, "count": count, "branches": branches, **more}

    lines = [
        *(line(7, 2, 1, 0), line(7, 3, 0, 0, 4), line(3, 0)),
        *(line(8, 1, **{"gcovr/noncode": True}), line(9, 0, **{"gcovr/excluded": True})),
    ]
    data = json.dumps({"gcovr/format_version": "0.14", "files": [{"file": "a.h", "lines": lines}]})
    assert gcovr.parsed(data.encode()) == {"a.h": (LineCount(3, 0), LineCount(7, 5, 3, 2))}
    with pytest.raises(msgspec.DecodeError):
        gcovr.parsed(b'{"files": [{"file": 7}]}')


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a directory first on PATH; no version that another test asked for is remembered."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    toolchain.first_line.cache_clear()
    return directory


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ({"gcov": "echo gcov '(Debian 9.1.0-1) 9.1.0'", "gcc": "echo gcc '(x) 12.2.0'"},
         "gcov is of version 9 and gcc of version 12"),
        ({"gcov": "echo gcov 12.2.0", "gcc": "echo gcc 12.2.0", "gcovr": "echo gcovr 7.2"},
         "gcovr 7.2; 8 or newer is needed"),
    ],
)  # fmt: skip
def test_programs_that_do_not_fit_are_named(
    path: Path, monkeypatch: pytest.MonkeyPatch, lines: dict[str, str], says: str
) -> None:
    for name, line in lines.items():
        program(path, name, line)
    if "gcovr" in lines:
        monkeypatch.setattr(gcovr, "installed", lambda: str(path / "gcovr"))
    with pytest.raises(HarnessError, match=says):
        gcovr.tools(Toolchain("", None))


def test_a_program_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HarnessError, match="x-gcov is not installed"):
        gcovr.tools(Toolchain("x-", None))
    monkeypatch.setattr(gcovr, "installed", lambda: None)
    with pytest.raises(HarnessError, match="gcovr is not installed") as caught:
        gcovr.tools(Toolchain("", None))
    assert "mermapctl[coverage]" in (caught.value.hint or "")


def test_a_run_whose_guest_sends_nothing_passes_without_a_coverage(fake_tree: Path) -> None:
    (fake_tree / "mm/mermap.c").write_text("int mermap;\n")
    words = ["run", f"--tree={fake_tree}", "--accel=tcg", "--no-witness", "--format=json"]
    done = CliRunner().invoke(root.root, [*words, "--coverage"])
    (cell,) = json.loads(done.stdout)["cells"]
    assert (cell["verdict"], cell["coverage"], done.exit_code) == ("passed", None, 0)
    assert [note for note in cell["notes"] if note.startswith("no coverage: ")]
    assert "--coverage" in cell["reproduce"][0]
    assert "-serial" in cell["reproduce"][-1]


@pytest.mark.parametrize(
    "name", ["mm/\0.gcda", "mm/mermap.gcno", "mm/mermap.", "mm/../../mermap.gcda", "mm", "mm/"]
)
def test_a_guest_that_sends_a_file_of_a_false_name_has_no_counters(
    built: Path, tmp_path: Path, name: str
) -> None:
    job = replace(job_of(built, "x86_64"), folder=tmp_path)
    job = replace(job, cell=replace(job.cell, profile=Profile(("mm/mermap.c",), ("mm",))))
    path = f"{os.path.realpath(built)}/build/{name}"
    job.counters.write_text(f"mermapctl-counters 1\nfile {path}\nabcd\nbytes 2\nfiles 1\n")
    with pytest.raises(HarnessError, match="no counters of the chosen files"):
        counters.collect(job, "all")
    assert [path.name for path in tmp_path.rglob("*")] == [job.counters.name]


def test_a_guest_that_sends_without_end_fills_no_disk(built: Path, tmp_path: Path) -> None:
    job = replace(job_of(built, "x86_64"), folder=tmp_path)
    assert job.cell.sends_counters
    counters.bound(job)  # nothing is there yet
    with job.counters.open("wb") as file:
        file.write(b"mermapctl-counters 1\n")
        file.truncate(counters.LARGEST)
        file.flush()
        counters.bound(job)
        assert job.counters.stat().st_size == counters.LARGEST
        for _ in range(3):  # as QEMU, which writes where it was
            file.seek(2 * counters.LARGEST)
            file.write(b"x" * (1 << 20))
            file.flush()
            counters.bound(job)
            assert job.counters.stat().st_size == 0
        file.write(b"files 0\n")
    with pytest.raises((HarnessError, OSError), match="larger than"):
        counters.collect(job, "all")
    job.counters.write_bytes(b"\0" * 1000 + b"\nfiles 0\n")
    with pytest.raises(HarnessError, match="ended before it sent"):
        counters.collect(job, "all")
