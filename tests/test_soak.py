# SPDX-License-Identifier: GPL-2.0-only
"""The short form of `make soak` (five kills, a full disk), and proof that its checks can fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mermapctl.records.record import to_json
from tests.records.test_store import kept, record
from tests.soak import trials
from tests.soak.__main__ import main


def test_five_kills_and_a_full_disk_lose_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kills=5", "--disks=1", "--seed=7"]) == 0
    said = capsys.readouterr().out
    assert "kills: 5 tried, 5 survived, 0 lost" in said
    mounted = "full disks: 1 tried, 1 survived, 0 lost" in said
    assert mounted or (os.geteuid() != 0 and "1 not tried" in said)


def test_the_soak_sees_what_is_lost(tmp_path: Path) -> None:
    """Damage a store: a changed record, a torn one, a held lock, a remaining process."""
    where = trials.site(tmp_path)
    store = where.store
    first, second, third = (kept(store, record(name)) for name in "123")
    before = trials._digests(where)
    assert sorted(before) == ["1", "2", "3"]
    assert trials._intact(where, before) == []
    store.replace(record("1", started=first.run.started, target="um"))
    store.folder(second.run.id).record.write_bytes(to_json(second)[:100])
    store.remove([third.run.id])
    (store.root / "store.sqlite3").unlink()
    lost = "\n".join(trials._intact(where, before))
    assert "run 1 has changed" in lost
    assert "run 2 has changed" in lost
    assert "is damaged" in lost
    assert "run 3 has changed" in lost


def test_the_soak_sees_a_process_that_stays() -> None:
    mark = f"stays-{os.getpid()}-{time.monotonic_ns()}"
    with subprocess.Popen(
        [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"],
        env={**os.environ, trials.MARK: mark},
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert trials.marked(mark) == [child.pid]
        began = time.monotonic()
        assert trials._orphans(mark) == ["1 processes left after 1 s"]
        assert time.monotonic() - began > 0.9
    assert trials.marked(mark) == []


@pytest.mark.parametrize(
    ("script", "codes", "lost"),
    [
        ("", {-signal.SIGTERM}, []),
        ("trap '' TERM", {0}, []),
        ("trap 'exit 130' TERM", {130}, []),
        ("trap 'exit 143' TERM", {130}, ["the victim ended with 143: "]),
        ("trap 'exit 0' TERM", {130}, ["the victim ended with 0: "]),
    ],
)
def test_the_soak_expects_the_right_exit_codes_after_a_signal(
    script: str, codes: set[int], lost: list[str]
) -> None:
    """Processes stopped before the first line, in between and behind the last line of mermapctl."""
    turns = "i=0; while [ $i -lt 50 ]; do sleep 0.02; i=$((i+1)); done"
    with subprocess.Popen(
        ["sh", "-c", f"{script}\necho on; {turns}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as victim:
        assert victim.stdout is not None
        victim.stdout.readline()
        assert trials.signalled(victim, signal.SIGTERM) == codes
        assert trials._ended(victim, codes, "victim") == lost
        assert trials.signalled(victim, signal.SIGTERM) == {0}
