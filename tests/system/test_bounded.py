# SPDX-License-Identifier: GPL-2.0-only
"""Consoles and builds are bounded; a reached bound is reported and never passes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mermapctl.judge.result_types import Verdict
from mermapctl.records.cell_verdict import judge_console
from mermapctl.records.record import Cell
from mermapctl.runner import build_log as buildlog
from mermapctl.system import bounded
from mermapctl.system.bounded import BoundedFile, Gaps
from tests.forkserver import command
from tests.runner.test_run import document, parsed
from tests.tables import LOGS


def written(chunks: list[bytes], head: int, tail: int) -> bytes:
    file = io.BytesIO()
    one = BoundedFile(file, head, tail)
    for chunk in chunks:
        one.write(chunk)
    one.close()
    return file.getvalue()


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_head_and_tail_stay_and_the_rest_is_counted(size: int) -> None:
    text = b"".join(b"line %05d\n" % number for number in range(10_000))
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    kept = written(chunks, 5000, 3000)
    assert len(kept) < 5000 + 3000 + size + 400
    assert kept.startswith(text[:5000])
    assert kept.endswith(text[-2000:])
    gaps = Gaps([kept[at : at + size] for at in range(0, len(kept), size)])
    assert b"".join(gaps) == kept
    head, mark, tail = kept[:5000], kept[5000:].split(b"\n")[1], kept[5000:].split(b"\n", 2)[2]
    assert mark.startswith(b"** ")
    assert gaps.left_out == len(text) - len(head) - len(tail)
    assert tail.startswith(b"line ")


def test_a_log_within_the_bound_is_whole() -> None:
    chunks = [b"a" * 100] * 50
    assert written(chunks, 3000, 2000) == b"".join(chunks)
    assert Gaps(chunks).left_out == 0


LOST = b"** 7 printk messages dropped ** mermapctl: 4242 bytes of this file are left out here\n"


@pytest.mark.parametrize(
    ("log", "verdict"), [("good", Verdict.NO_VERDICT), ("missing-flush", Verdict.FAILED)]
)
@pytest.mark.parametrize("place", [0.1, 0.5, 0.95])
def test_a_gap_is_never_a_pass_and_hides_no_failure(
    log: str, verdict: Verdict, place: float
) -> None:
    lines = (LOGS / f"{log}.log").read_bytes().splitlines(keepends=True)
    lines.insert(int(len(lines) * place), LOST)
    cell = judge_console(Cell(None, None, Verdict.NO_VERDICT), io.BytesIO(b"".join(lines)))
    assert cell.verdict is verdict
    assert "4,242 bytes" in cell.notes[-1]
    again = judge_console(cell, io.BytesIO(b"".join(lines)))
    assert again.notes == cell.notes


def test_results_that_may_be_in_the_gap_are_not_missing() -> None:
    lines = (LOGS / "good.log").read_bytes().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if b"ok 2 test_size" in line)
    lines[at] = LOST
    cell = judge_console(Cell(None, None, Verdict.NO_VERDICT), io.BytesIO(b"".join(lines)))
    assert cell.verdict is Verdict.NO_VERDICT
    assert "may hold a result" in str(cell.detail)


def test_a_guest_that_babbles_fills_no_disk(fake_tree: Path, tmp_path: Path) -> None:
    assert BoundedFile.__init__.__defaults__ == (bounded.HEAD_BYTES, bounded.TAIL_BYTES)
    assert bounded.HEAD_BYTES + bounded.TAIL_BYTES == 128 << 20
    head, tail = 1 << 20, 1 << 19
    log = tmp_path / "babble.log"
    good = (LOGS / "good.log").read_bytes()
    log.write_bytes(good + (b"x" * 99 + b"\n") * 30_000)
    bounds = (
        "from mermapctl.system.bounded import BoundedFile\n"
        f"BoundedFile.__init__.__defaults__ = ({head}, {tail})"
    )
    argv = ("run", f"--tree={fake_tree}", "--accel=tcg", "--format=json")
    done = command(*argv, env={"FAKE_LOG": str(log)}, first=bounds, seconds=60)
    (cell,) = parsed(done)["cells"]
    assert cell["verdict"] == "no-verdict"
    assert "left out" in str(cell["notes"]), (cell["reason"], cell["detail"])
    console = Path(cell["artifacts"]["console"])
    assert head + tail // 2 < console.stat().st_size < head + tail + (1 << 17)


def test_a_build_that_does_not_end_is_ended(fake_tree: Path) -> None:
    made = document(fake_tree, "--build-timeout=1", FAKE_BUILD_SLEEP="30")
    (cell,) = made["cells"]
    assert (cell["verdict"], cell["reason"]) == ("no-verdict", "build-failed")
    assert "did not end within 1 s (--build-timeout)" in cell["detail"]
    assert "--build-timeout=1" in cell["reproduce"][0]


def test_a_log_of_a_build_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked:
        build_log = tmp_path / "build.log"

    look = buildlog.bound(Asked())  # type: ignore[arg-type]
    assert look() is None
    Asked.build_log.write_bytes(b"x" * 2000)
    assert look() is None
    monkeypatch.setattr(buildlog, "LOG_BYTES", 1999)
    assert "its log has more than" in str(look())
