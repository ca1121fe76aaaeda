# SPDX-License-Identifier: GPL-2.0-only
"""Progress on a real terminal (a pty), in a pipe, and after the reader has gone."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from mermapctl.events import (
    CellStarted,
    Event,
    Note,
    Objects,
    StageEnded,
    StageStarted,
    TestEnded,
)
from mermapctl.render.terminal.progress import LiveDisplay, PlainDisplay, progress
from tests.forkserver import command

RUN = [sys.executable, "-m", "mermapctl", "run", "--accel=tcg", "--quiet"]


def on_a_terminal(*argv: str, env: dict[str, str]) -> tuple[int, str]:
    """Return a program's exit code and its output on a terminal."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        argv, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, **env}
    ) as child:
        os.close(slave)
        said = b""
        while True:
            try:
                chunk = os.read(master, 1 << 16)
            except OSError:  # EIO: the other side is closed
                break
            if not chunk:
                break
            said += chunk
    os.close(master)
    return child.returncode, said.decode(errors="replace")


def styles(said: str) -> list[str]:
    return re.findall(r"\x1b\[[0-9;]*m", said)


@pytest.mark.parametrize(
    ("env", "live", "coloured"),
    [
        ({"TERM": "xterm-256color"}, True, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_progress_on_a_terminal(
    fake_tree: Path, env: dict[str, str], live: bool, coloured: bool
) -> None:
    argv = [word for word in RUN if word != "--quiet"]
    code, said = on_a_terminal(
        *argv, f"--tree={fake_tree}", env={**env, "FAKE_BUILD_SLEEP": "0.4", "COLUMNS": "100"}
    )
    assert code == 0
    assert ("x86_64 base: building, " in said) == live
    assert ("1 of about 600 objects" in said) == live
    assert (len(set(re.findall("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", said))) > 3) == live  # the spinner turns
    assert ("mermapctl: build " in said) != live
    assert said.count("\x1b[?25l") == said.count("\x1b[?25h") == int(live)  # the cursor is back
    assert any("3" in style for style in styles(said)) == coloured
    assert "PASSED" in said


def test_the_live_line_is_one_line_on_a_narrow_terminal(fake_tree: Path) -> None:
    argv = [word for word in RUN if word != "--quiet"]
    env = {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "40", "FAKE_BUILD_SLEEP": "0.3"}
    _, said = on_a_terminal(*argv, f"--tree={fake_tree}", env=env)
    live = re.findall(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] [^\r]*", said.partition("\x1b[?25h")[0])
    assert live
    assert all(len(line) <= 40 for line in live)
    assert "\x1b[1A" not in said.partition("\x1b[?25h")[0]  # it never moved up a line


def test_quiet_on_a_terminal_is_the_result_alone(fake_tree: Path) -> None:
    env = {"TERM": "xterm", "NO_COLOR": "1"}
    code, said = on_a_terminal(*RUN, f"--tree={fake_tree}", env=env)
    assert (code, said) == (0, "✓ PASSED 4 tests\r\n")
    assert "\x1b[?25l" not in said


def test_a_terminal_that_is_closed_ends_no_run(fake_tree: Path, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    argv = [word for word in RUN if word != "--quiet"]
    with (
        (tmp_path / "said").open("w") as out,
        subprocess.Popen(
            [*argv, f"--tree={fake_tree}"],
            stdout=out,
            stderr=slave,
            env={**os.environ, "TERM": "xterm", "FAKE_BUILD_SLEEP": "0.3"},
        ) as child,
    ):
        os.close(slave)
        os.read(master, 10)
        os.close(master)
    assert child.returncode == 0
    assert "PASSED" in (tmp_path / "said").read_text()


def test_lines_in_a_pipe(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out, progress(out, quiet=False) as tell:
        tell(CellStarted("x86_64 base", 1, 2))
        tell(StageStarted("build"))
        tell(Objects(7, 9))
        tell(StageEnded("build", 61.5, ok=True))
        tell(StageStarted("boot", 300.0))
        tell(TestEnded("a\x1b[31m", ok=False))
        tell(StageEnded("boot", 1.26, ok=False, why="KVM does not work here, software emulation"))
        tell(StageEnded("build", 1.26, ok=False))
    assert (tmp_path / "out").read_text().splitlines() == [
        "mermapctl: x86_64 base (1 of 2)",
        "mermapctl: build 1 min 02 s, 7 objects",
        "mermapctl: not ok a␛[31m",
        "mermapctl: boot: KVM does not work here, software emulation, 1.3 s",
        "mermapctl: build: FAILED, 1.3 s",
    ]


def test_a_plain_line_shows_how_far_a_stage_is() -> None:
    shown = PlainDisplay(sys.stderr).shown
    assert shown.line().startswith("starting, 0.0 s")
    shown.take(StageStarted("boot", 300.0))
    shown.take(TestEnded("test_size", ok=True))
    assert shown.line() == "booting, 0.0 s (limit 300 s), 1 test, test_size ok"
    shown.take(CellStarted("x86_64 kasan", 2, 2))
    assert shown.line() == "starting, 0.0 s"


HOSTILE = "a\x1b]0;owned\x07\u200b\u202eb\x9b31m\nc"


def test_escapes_in_a_line_of_progress_are_shown(tmp_path: Path) -> None:
    """Names of directories, tests and stages, and sentences of git, may contain anything."""
    events: list[Event] = [
        CellStarted(HOSTILE, 1, 2),
        StageStarted(HOSTILE),
        Note(HOSTILE),
        TestEnded(HOSTILE, ok=True),
        StageEnded(HOSTILE, 1.0, ok=True),
    ]
    with (tmp_path / "out").open("w+") as out:
        plain = PlainDisplay(out)
        for event in events:
            plain.take(event)
        plain._write(plain.shown.line())
        out.seek(0)
        said = out.read()
    screen = io.StringIO()
    live = LiveDisplay(Console(file=screen, force_terminal=True, color_system=None, width=400))
    for event in events:
        live.take(event)
        line = live()
        assert isinstance(line, Text)
        screen.write(line.plain + "\n")
    for text in (said, screen.getvalue()):
        assert text.count("owned") >= 4
        assert not {"\x1b", "\x07", "\u200b", "\u202e", "\x9b"} & set(text)


def test_the_name_of_a_directory_is_not_obeyed_by_tree_prepare(tmp_path: Path) -> None:
    directory = str(tmp_path / "a\x1b[31mb\u200b")
    done = command("tree", "prepare", directory, "--source=/nowhere.tar")
    assert done.returncode == 2
    assert not {"\x1b", "\u200b"} & set(done.stdout + done.stderr)
