# SPDX-License-Identifier: GPL-2.0-only
"""`run --witness` where there is nothing to watch: the run goes on, and says so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.runner.test_run import document
from tests.tables import LOGS

WITHOUT = ("--witness", "--accel=tcg")


MAP = """\
ffffffff81000000 T _text
ffffffff81001000 T __mermap_get
ffffffff81002000 T __mermap_put
ffffffff81003000 T __flush_tlb_all
"""


@pytest.fixture
def built_tree(fake_tree: Path) -> Path:
    """A tree whose kernel is built, with the System.map that the stand-in for make leaves out."""
    (cell,) = document(fake_tree, "--accel=tcg", FAKE_LOG=str(LOGS / "trace-good.log"))["cells"]
    (directory,) = re.findall(r"--build_dir=(\S+)", cell["reproduce"][1])
    (Path(directory) / "System.map").write_text(MAP)
    return fake_tree


def boots(path: Path) -> list[list[str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_qemu_without_a_stub_costs_the_run_nothing(built_tree: Path, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    logs = {"FAKE_LOG": str(LOGS / "trace-good.log"), "FAKE_PLAIN_LOG": str(LOGS / "good.log")}
    (cell,) = document(built_tree, *WITHOUT, **logs, FAKE_ARGS=str(said))["cells"]
    assert cell["verdict"] == "passed"
    first, second = boots(said)
    assert "-gdb" not in first
    assert "-S" in second
    stub = second[second.index("-gdb") + 1]
    assert stub.startswith("unix:/")
    assert "kprobe_event" not in " ".join(second)
    assert (cell["witness"]["gets"], cell["witness"]["agrees"]) == (0, None)
    assert cell["witness"]["words"].startswith("the witness saw too little to conclude anything")
    assert any(note.startswith("the witness broke off: ") for note in cell["notes"])
    assert Path(cell["artifacts"]["witness"]).read_text().startswith("lost why=")
    assert "--witness" in cell["reproduce"][0]


@pytest.mark.parametrize("second", ["missing-flush", "panic-before-ktap"])
def test_a_failure_under_the_witness_alone_is_not_lost(
    built_tree: Path, second: str
) -> None:
    logs = {
        "FAKE_LOG": str(LOGS / "trace-good.log"), "FAKE_PLAIN_LOG": str(LOGS / f"{second}.log"),
    }  # fmt: skip
    (cell,) = document(built_tree, *WITHOUT, **logs)["cells"]
    fails = second == "missing-flush"
    assert cell["verdict"] == ("failed" if fails else "passed")
    assert cell["witness"]["verdict"] == ("failed" if fails else "no-verdict")
    codes = [finding["code"] for finding in cell["findings"]]
    assert codes == (["only-witnessed"] if fails else [])


def test_a_failure_is_confirmed_by_the_boot_under_the_witness(
    built_tree: Path, tmp_path: Path
) -> None:
    said = tmp_path / "arguments"
    logs = dict.fromkeys(("FAKE_LOG", "FAKE_PLAIN_LOG"), str(LOGS / "missing-flush.log"))
    (cell,) = document(built_tree, *WITHOUT, **logs, FAKE_ARGS=str(said))["cells"]
    assert (cell["verdict"], cell["confirmed"]) == ("failed", True)
    assert len(boots(said)) == 2


def test_another_target_is_refused_in_a_sentence(fake_tree: Path) -> None:
    (cell,) = document(
        fake_tree, "--witness", "--target=i386", "--suite=example", FAKE_LOG=str(LOGS / "good.log")
    )["cells"]
    assert cell["witness"] is None
    (note,) = [each for each in cell["notes"] if each.startswith("not witnessed: ")]
    assert note.endswith("x86_64 alone, and no other architecture can have the mermap")
