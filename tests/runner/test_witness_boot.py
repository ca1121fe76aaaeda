# SPDX-License-Identifier: GPL-2.0-only
"""When the witness boots a kernel, and runs in which there is nothing to watch: they say so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.forkserver import command
from tests.runner.test_run import document, parsed, run_with_kvm
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
    assert ("-icount" in first, "-icount" in second) == (True, False)
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
def test_a_failure_under_the_witness_alone_is_not_lost(built_tree: Path, second: str) -> None:
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


def logs(first: str, second: str) -> dict[str, str]:
    return {"FAKE_LOG": str(LOGS / f"{first}.log"), "FAKE_PLAIN_LOG": str(LOGS / f"{second}.log")}


def watched(path: Path) -> list[bool]:
    """Of each boot, whether its QEMU was given a stub."""
    return ["-gdb" in boot for boot in boots(path)]


@pytest.mark.parametrize(
    ("first", "argv", "expected"),
    [
        ("trace-good", (), [False]),
        ("trace-good", ("--witness",), [False, True]),
        ("missing-flush", (), [False, True]),
        ("trace-counted-not-done", (), [False, True]),
        ("panic-before-ktap", (), [False, True]),
        ("missing-flush", ("--no-witness",), [False, False]),
        ("trace-good", ("--no-trace",), [False, True]),
        ("trace-good", ("--no-trace", "--no-witness"), [False]),
        ("hang-one-cpu", ("--no-triage", "--witness"), [False, True]),
        ("trace-good", ("--suite=example", "--no-trace"), [False]),
    ],
)
def test_the_witness_boots_by_itself_where_it_adds_something(
    built_tree: Path, tmp_path: Path, first: str, argv: tuple[str, ...], expected: list[bool]
) -> None:
    said = tmp_path / "arguments"
    # Where the console has it, QEMU was ended at a limit: that is no part of what the guest prints.
    lines = (LOGS / f"{first}.log").read_bytes().splitlines(keepends=True)
    first_log = tmp_path / "first.log"
    first_log.write_bytes(b"".join(each for each in lines if b"terminating on signal" not in each))
    env = {**logs(first, "good"), "FAKE_LOG": str(first_log), "FAKE_ARGS": str(said)}
    (cell,) = document(built_tree, *argv, **env)["cells"]
    assert watched(said) == expected
    assert (cell["witness"] is not None) is (True in expected)
    asked = [each for each in argv if each.endswith("-witness") or each == "--witness"]
    told = [each for each in ("--witness", "--no-witness") if each in cell["reproduce"][0].split()]
    assert told == asked


@pytest.mark.parametrize(
    ("first", "second", "verdict", "confirmed"),
    [
        ("missing-flush", "missing-flush", "failed", True),
        ("missing-flush", "good", "failed", False),
        ("trace-counted-not-done", "good", "failed", None),
        ("panic-before-ktap", "good", "passed", None),
        ("panic-before-ktap", "panic-before-ktap", "no-verdict", True),
    ],
)
def test_its_boot_is_the_one_without_probes_and_is_judged_again_the_same(
    built_tree: Path, first: str, second: str, verdict: str, confirmed: bool | None
) -> None:
    (cell,) = document(built_tree, **logs(first, second))["cells"]
    (plain,) = document(built_tree, "--no-witness", **logs(first, second))["cells"]
    assert (cell["verdict"], cell["confirmed"]) == (verdict, confirmed)
    for key in ("verdict", "reason", "confirmed", "kernel_args"):
        assert cell[key] == plain[key]
    for key in ("verdict", "symptoms", "stands", "words"):
        assert cell["untraced"][key] == plain["untraced"][key]
    assert "-gdb" not in " ".join(cell["reproduce"])
    assert command("report", "rejudge", "latest", "latest~1").returncode in {0, 1, 3}
    for run, before in (("latest", plain), ("latest~1", cell)):
        (after,) = parsed(command("report", run, "--format=json"))["cells"]
        assert after == before


def test_a_guest_that_its_stub_leaves_standing_is_booted_again_without(
    built_tree: Path, tmp_path: Path
) -> None:
    said = tmp_path / "arguments"
    env = {**logs("missing-flush", "missing-flush"), "FAKE_ARGS": str(said), "FAKE_STANDS": "1"}
    # min(): a renamed limit is an error, and not a minute's wait
    short = "f.SHORTEST, f.SILENCE = min(f.SHORTEST, 1), min(f.SILENCE, 1)"
    short = f"from mermapctl.runner import further_boot as f; {short}"
    argv = ("run", f"--tree={built_tree}", "--accel=tcg", "--silence=2", "--format=json")
    (cell,) = parsed(command(*argv, env=env, first=short))["cells"]
    assert watched(said) == [False, True, False]
    assert (cell["verdict"], cell["confirmed"], cell["witness"]) == ("failed", True, None)
    assert any(note.startswith("the witness broke off: ") for note in cell["notes"])
    assert cell["untraced"]["words"].startswith("booted again without probes: it fails there too")


def test_a_qemu_that_aborts_under_the_witness_has_booted_nothing(
    built_tree: Path, tmp_path: Path
) -> None:
    said, aborted = tmp_path / "arguments", tmp_path / "aborted.log"
    text = (LOGS / "good.log").read_text().partition("ok 1")[0]
    aborted.write_text(f"{text}\nqemu: fatal: Raised interrupt while not in I/O function\n")
    env = {**logs("trace-good", "good"), "FAKE_PLAIN_LOG": str(aborted), "FAKE_ARGS": str(said)}
    (cell,) = document(built_tree, "--witness", **env)["cells"]
    assert (cell["verdict"], cell["witness"], cell["findings"]) == ("passed", None, [])
    assert any(note.startswith("the witness broke off: ") for note in cell["notes"])


def test_under_kvm_a_failure_is_confirmed_under_kvm(built_tree: Path, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    env = {**logs("missing-flush", "missing-flush"), "FAKE_ARGS": str(said)}
    (cell,) = parsed(run_with_kvm(built_tree, **env))["cells"]
    assert (cell["accelerator"], cell["confirmed"]) == ("kvm", True)
    assert watched(said) == [False, False]
    (cell,) = parsed(run_with_kvm(built_tree, "--witness", **env))["cells"]
    assert (cell["witness"] is not None, cell["confirmed"]) == (True, None)
    assert watched(said)[2:] == [False, True]
    (note,) = [each for each in cell["notes"] if each.startswith("not confirmed")]
    assert note == "not confirmed by the boot under the witness: that is not under kvm"
