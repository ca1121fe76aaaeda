# SPDX-License-Identifier: GPL-2.0-only
"""QEMU or kunit.py is killed from outside during a boot: not the kernel's doing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mermapctl.judge.console_verdict import judge
from mermapctl.judge.result_types import Boot, Ended, Reason, Verdict
from mermapctl.judge.suites import Manifest
from mermapctl.records.cell_verdict import suites_known
from tests.forkserver import command
from tests.runner.test_run import document, processes_of
from tests.tables import LOGS

OUT_OF_MEMORY = "was killed by SIGKILL (out of memory?)"


def cell_of(tree: Path, tmp_path: Path, kills: str, *argv: str, **env: str) -> dict[str, Any]:
    logs = {
        "FAKE_LOG": str(LOGS / "trace-good.log"),
        "FAKE_PLAIN_LOG": str(LOGS / "good.log"),
        "FAKE_ARGS": str(tmp_path / "arguments"),
        "FAKE_KILLS": kills,
    }
    (cell,) = document(tree, *argv, **{**logs, **env})["cells"]
    return dict(cell)


def probed(tmp_path: Path) -> list[bool]:
    """Return for each boot whether it had probes."""
    lines = (tmp_path / "arguments").read_text().splitlines()
    return ["kprobe_event=" in " ".join(json.loads(line)) for line in lines]


@pytest.mark.parametrize(
    ("kills", "says"),
    [
        ("qemu", f"QEMU {OUT_OF_MEMORY}"),
        ("11", "QEMU was killed by SIGSEGV"),
        ("term", "QEMU was killed by SIGTERM"),
        ("reader", "the reader of QEMU's console was killed"),
        ("kunit", f"kunit.py {OUT_OF_MEMORY}"),
    ],
)
def test_a_killed_boot_is_repeated_with_its_probes(
    fake_tree: Path, tmp_path: Path, kills: str, says: str
) -> None:
    cell = cell_of(fake_tree, tmp_path, kills)
    assert (cell["verdict"], cell["findings"]) == ("passed", [])
    assert probed(tmp_path) == [True, True]
    assert cell["flushes"][0]["observed"] == 1
    assert f"{says} during the boot (console-killed.log): booted once more" in cell["notes"]
    assert (Path(cell["artifacts"]["directory"]) / "console-killed.log").is_file()
    assert not processes_of(fake_tree)


def test_a_boot_that_is_killed_twice_has_no_verdict(fake_tree: Path, tmp_path: Path) -> None:
    cell = cell_of(fake_tree, tmp_path, "qemu,qemu")
    assert (cell["verdict"], cell["reason"]) == ("no-verdict", "harness-error")
    assert cell["detail"] == f"QEMU {OUT_OF_MEMORY}"
    assert probed(tmp_path) == [True, True]
    assert cell["boot"]["ended"] == "killed"


def test_a_qemu_that_aborts_on_its_guest_is_not_killed_from_outside(
    fake_tree: Path, tmp_path: Path
) -> None:
    cell = cell_of(fake_tree, tmp_path, "6,6", "--no-trace")
    assert (cell["verdict"], cell["boot"]["ended"]) == ("failed", "exited")


def test_a_boot_without_probes_that_is_killed_does_not_deny_a_failure(
    fake_tree: Path, tmp_path: Path
) -> None:
    failing = str(LOGS / "missing-flush.log")
    cell = cell_of(
        fake_tree, tmp_path, ",qemu,qemu", "--no-witness", FAKE_LOG=failing, FAKE_PLAIN_LOG=failing
    )
    assert (cell["verdict"], cell["confirmed"]) == ("failed", None)
    assert f"no verdict there (QEMU {OUT_OF_MEMORY})" in cell["untraced"]["words"]


def test_repeats_count_a_killed_boot_as_one_without_a_verdict(
    fake_tree: Path, tmp_path: Path
) -> None:
    cell = cell_of(fake_tree, tmp_path, ",qemu,qemu", "--repeat=2", "--no-trace")
    assert cell["verdict"] == "passed"
    assert (cell["repeats"]["failed"], cell["repeats"]["unjudged"]) == (0, 1)


KILLED = Boot(Ended.KILLED, killed=f"QEMU {OUT_OF_MEMORY}")


@pytest.mark.parametrize(
    ("lines", "verdict", "reason"),
    [
        (0, Verdict.NO_VERDICT, Reason.HARNESS_ERROR),
        (10, Verdict.NO_VERDICT, Reason.HARNESS_ERROR),
        (-6, Verdict.NO_VERDICT, Reason.HARNESS_ERROR),
        (None, Verdict.PASSED, None),
    ],
)
def test_only_an_account_that_was_cut_off_has_no_verdict(
    lines: int | None, verdict: Verdict, reason: Reason | None
) -> None:
    log = (LOGS / "good.log").read_bytes().splitlines(keepends=True)
    manifest: Manifest = suites_known()
    judged = judge(log[:lines], boot=KILLED, manifest=manifest, expected_suites="mermap")
    assert (judged.verdict, judged.reason) == (verdict, reason)
    assert judged.detail == (KILLED.killed if reason else None)


def test_a_panic_before_the_kill_is_the_kernels_own() -> None:
    log = (LOGS / "oops.log").read_bytes().splitlines(keepends=True)
    judged = judge(log, boot=KILLED, manifest=suites_known(), expected_suites="mermap")
    assert judged.verdict is Verdict.FAILED


def test_a_guest_that_prints_qemus_message_is_not_a_killed_qemu(
    fake_tree: Path, tmp_path: Path
) -> None:
    said = b"qemu-system-x86_64: terminating on signal 15 from pid 7 (kill)\n"
    lines = (LOGS / "oops.log").read_bytes().splitlines(keepends=True)
    hostile = tmp_path / "hostile.log"
    hostile.write_bytes(b"".join([*lines[:20], said, *lines[20:]]))
    cell = cell_of(
        fake_tree, tmp_path, ",", "--no-trace", "--no-witness",
        FAKE_LOG=str(hostile), FAKE_PLAIN_LOG=str(hostile),
    )  # fmt: skip
    assert (cell["verdict"], cell["boot"]["ended"]) == ("failed", "exited")
    assert not any("killed" in note for note in cell["notes"])


UML = """#!/bin/sh
echo boot >>"$FAKE_ARGS"
cat "$FAKE_LOG"
if [ "$(wc -l <"$FAKE_ARGS")" -le "$FAKE_DIES" ]; then
    echo 'oom_kill 8' >"$FAKE_COUNTERS"
    kill -9 $$
fi
printf '    ok 2 b\\nok 1 example\\n'
"""
BEGUN = """Linux version 6.12.99
KTAP version 1
1..1
    KTAP version 1
    # Subtest: example
    1..2
    ok 1 a
"""


@pytest.mark.parametrize(
    ("dies", "counts", "verdict", "boots"),
    [(0, True, "passed", 1), (1, True, "passed", 2), (9, False, "failed", 1)],
)
def test_a_uml_killed_for_lack_of_memory_is_booted_once_more(
    fake_tree: Path, tmp_path: Path, dies: int, counts: bool, verdict: str, boots: int
) -> None:
    (fake_tree / "uml").write_text(UML)
    with (fake_tree / "Makefile").open("a") as file:
        file.write("\nlinux: vmlinux ; @cp $(CURDIR)/uml $(O)/linux && chmod +x $(O)/linux\n")
    (tmp_path / "log").write_text(BEGUN)
    counters = tmp_path / "vmstat"
    counters.write_text("pgfault 1\noom_kill 7\n")
    other = tmp_path / "other"
    done = command(
        *("run", f"--tree={fake_tree}", "--target=um", "--suite=example", "--format=json"),
        env={
            "FAKE_ARGS": str(tmp_path / "boots"),
            "FAKE_LOG": str(tmp_path / "log"),
            "FAKE_DIES": str(dies),
            "FAKE_COUNTERS": str(counters if counts else other),
        },
        first=(
            "from pathlib import Path\nfrom mermapctl.runner import boot_killed\n"
            f"boot_killed._COUNTERS = Path({str(counters)!r})"
        ),
    )
    (cell,) = json.loads(done.stdout)["cells"]
    assert cell["verdict"] == verdict, cell["detail"]
    assert len((tmp_path / "boots").read_text().splitlines()) == boots
    assert ("ran out of memory" in str(cell["notes"])) is (boots == 2)
