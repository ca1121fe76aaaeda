# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl watch` on a terminal of the test, and on the stand-in tree: real runs, real git."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from mermapctl.cli import watch
from mermapctl.cli.root import root
from mermapctl.cli.run import command as run
from mermapctl.series.watch_schedule import Narrowed
from tests.conftest import git
from tests.forkserver import command
from tests.runner.test_run import processes_of
from tests.series.fake_commits import add
from tests.tables import LOGS

WAIT = 30
READY = r"q quit"


@dataclass(slots=True)
class Terminal:
    """A watch on a terminal, and what it has printed since the last `until`."""

    process: subprocess.Popen[bytes]
    fd: int
    text: str = ""

    def until(self, pattern: str) -> str:
        """Read until a pattern comes; return what was printed up to its end."""
        end = time.monotonic() + WAIT
        while (found := re.search(pattern, self.text)) is None:
            assert time.monotonic() < end, (pattern, self.text[-3000:])
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.fd, 1 << 16).decode(errors="replace")
                except OSError:  # closed
                    time.sleep(0.1)
        said, self.text = self.text[: found.end()], self.text[found.end() :]
        return said

    def press(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def wait_for_echo(self, *, wanted: bool) -> None:
        end = time.monotonic() + WAIT
        while self.echoes() is not wanted:
            assert time.monotonic() < end
            time.sleep(0.02)

    def code(self) -> int:
        return self.process.wait(WAIT)


@pytest.fixture
def tree(fake_tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in tree, whose kernel prints the console that mm/boots names."""
    monkeypatch.setenv("FAKE_KERNELS", str(LOGS))
    add(fake_tree, "good", "base")
    return fake_tree


def start(tree: Path, *words: str) -> Terminal:
    master, slave = pty.openpty()
    quick = ("--accel=tcg", "--no-triage", "--no-trace", "--no-witness")
    process = subprocess.Popen(
        [sys.executable, "-m", "mermapctl", "watch", f"--tree={tree}", *quick, *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "300", "LINES": "40"},
        preexec_fn=lambda: _lead(slave),  # noqa: PLW1509 - a session of the terminal
    )
    os.close(slave)
    return Terminal(process, master)


def _lead(slave: int) -> None:
    import fcntl  # noqa: PLC0415 - in the child

    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    made: list[Terminal] = []
    yield made
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        os.close(each.fd)


def test_a_save_cancels_a_run_and_keys_choose_the_next(
    tree: Path, home: Path, terminals: list[Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_BUILD_SLEEP", "0.3")
    shown = start(tree, "--kernel-arg=x=1")
    terminals.append(shown)
    shown.until("building")
    (tree / "mm/Makefile").write_text("")
    shown.until("mm/Makefile: nothing is built yet; what runs is cancelled")
    shown.until("cancelled")
    shown.until("building")
    (tree / "mm/boots").write_text("early-flush\n")  # nobody knows yet that it is read
    shown.until("mm/boots: 1 of 2 objects")
    said = shown.until(READY)
    assert "early-flush in test_tlb_flushed" in said
    assert "read by 2 objects" in said
    assert not shown.echoes()
    shown.process.send_signal(signal.SIGTSTP)  # ^Z
    shown.wait_for_echo(wanted=True)
    shown.process.send_signal(signal.SIGCONT)
    shown.wait_for_echo(wanted=False)
    (tree / "mm/boots").write_text("good\n")
    assert "mm/boots: 1 of 2 objects" in shown.until(r"running.*\n")
    shown.press("f")  # the last whole result still has a failed cell
    shown.until("cancelled")
    shown.until("running what failed")
    said = shown.until(READY)
    assert "early-flush" not in said.rpartition("\x1b[2J")[2]
    shown.press("q")
    assert shown.code() == 0
    assert shown.echoes()
    assert not processes_of(home)
    stored = command("report", "list", "--format=json").stdout
    assert stored.count('"interrupted"') == 2


def test_a_series_follows_its_refs_and_ends_with_its_terminal_as_it_was(
    tree: Path, home: Path, terminals: list[Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = git(tree, "rev-parse", "HEAD")
    (tree / "mm/boots").write_text("good\n# one\n")
    git(tree, "commit", "-qam", "one")
    monkeypatch.setenv("FAKE_BUILD_SLEEP", "0.3")
    shown = start(tree, f"{base}..")
    terminals.append(shown)
    assert "and the refs" in shown.until(READY)
    (tree / "mm/boots").write_text("early-flush\n")
    git(tree, "commit", "-qam", "two")
    said = shown.until(READY)
    assert "the range has 2 commits, 1 of them new" in said
    assert re.search(r"first bad commit: \w+ \(two\)", said)
    (tree / "mm/boots").write_text("good\n# three\n")
    shown.until("building")
    shown.process.send_signal(signal.SIGTERM)
    assert shown.code() == 130
    assert shown.echoes()
    assert not processes_of(home)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--commits=HEAD~1.."], "--commits is not for watch: the range is a word of its own"),
        (["--gdb"], "--gdb is not for watch"),
        (["HEAD~1..", "HEAD.."], "two ranges are given"),
        (["nowhere.."], "has no commit 'nowhere'"),
        (["--variant=nosuch"], "nosuch"),
        (["--timeout=x"], "--timeout"),
        (["--lanes=2"], "--lanes goes with --commits"),
        (["--config=-"], "is read once, and cannot be watched"),
        (["--kunitconfig=x"], "is kunit.py's"),
        (["one", "two"], "two"),
    ],
)
def test_what_cannot_be_watched_is_refused(tree: Path, words: list[str], said: str) -> None:
    done = command("watch", f"--tree={tree}", *words)
    assert done.returncode == 2, done.stderr
    assert said in " ".join(done.stderr.split())


def test_the_words_of_a_run_are_those_given_and_narrowed_ones(tree: Path) -> None:
    given = shlex.split(
        f"--tree {tree} --variant base --variant=smp -j 3 --no-ccache --witness --arch x86_64 "
        "--as-module --timeout 10m --cost-limit 5% mermap"
    )
    values = watch._given(run, tuple(given))
    whole = watch._words(run, values, None, None)
    assert whole == [
        *(f"--tree={tree}", "--target=x86_64", "--variant=base", "--variant=smp", "--timeout=10m"),
        *("--jobs=3", "--witness", "--as-module", "--cost-limit=5%", "--no-ccache"),
        *("--", "mermap"),
    ]
    few = watch._words(run, values, "v6.12..", Narrowed(("x86_64",), ("smp",), "a..b"))
    assert "--variant=base" not in few
    assert few[-3:] == ["--commits=a..b", "--", "mermap"]
    run.make_context("run", whole)


def completed(*words: str) -> list[str]:
    *before, incomplete = words
    offered = ShellComplete(root, {}, "mermapctl", "_MERMAPCTL_COMPLETE")
    return [each.value for each in offered.get_completions(before, incomplete)]


def test_completion_offers_what_run_offers(tree: Path) -> None:
    assert "kasan" in completed("watch", f"--tree={tree}", "--variant", "k")
    assert completed("watch", "--tree", str(tree), "--target", "x") == ["x86_64"]
    assert "--variant" in completed("watch", "HEAD..", "--")
    assert "--commits" not in completed("watch", "--")
    assert completed("watch", "--commits", "x") == []
