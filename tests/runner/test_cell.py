# SPDX-License-Identifier: GPL-2.0-only
"""Whatever ends a cell, its last step counts, with the reason."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import pytest
from click.testing import CliRunner

from mermapctl.cli import root
from mermapctl.errors import HarnessError
from mermapctl.judge.hang_trial import Trial
from mermapctl.runner import boot, cell_boots, hang_triage, stages
from mermapctl.system.signals import Interrupted
from tests.runner.test_hang_triage import HANGS, UNKNOWN, logs

Error: TypeAlias = Callable[[], BaseException]
"""Makes a new error each time: one that is kept keeps the frames and pipes of its run alive."""


def worn() -> BaseException:
    return HarnessError("no more processes", "end some")


def full() -> BaseException:
    return OSError(28, "No space left on device", "/here/console.log")


def term() -> BaseException:
    return Interrupted(signal.SIGTERM)


def fails(error: Error) -> Callable[..., NoReturn]:
    def failing(*_given: object, **_named: object) -> NoReturn:
        raise error()

    return failing


def cell_of(tree: Path, *argv: str) -> tuple[dict[str, Any], int]:
    words = ["run", f"--tree={tree}", "--accel=tcg", "--format=json", *argv]
    done = CliRunner().invoke(root.root, words)
    (cell,) = json.loads(done.stdout)["cells"]
    return cell, done.exit_code


@pytest.mark.parametrize(
    ("module", "name", "during", "phases"),
    [
        (stages, "configure", "configuration", [False, False, False]),
        (stages, "build", "build", [True, False, False]),
        (boot, "boot", "boot", [True, True, False]),
        (cell_boots, "judge_console", "judgement", [True, True, True]),
    ],
)
def test_a_signal_leaves_what_was_done_and_names_where_it_came(
    fake_tree: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, during: str,
    phases: list[bool],
) -> None:  # fmt: skip
    monkeypatch.setattr(module, name, fails(term))
    cell, code = cell_of(fake_tree)
    assert (cell["verdict"], cell["reason"], code) == ("no-verdict", "interrupted", 130)
    assert cell["detail"] == f"interrupted by SIGTERM during the {during}"
    spent = [cell["phases"][each] is not None for each in ("config", "build", "boot")]
    assert spent == phases
    assert (cell["artifacts"]["console"] is not None) is phases[2]


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (worn, "no more processes (end some)"),
        (full, "/here/console.log: No space left on device"),
    ],
)
def test_an_error_is_the_reason_of_the_cell_as_far_as_it_came(
    fake_tree: Path, monkeypatch: pytest.MonkeyPatch, error: Error, detail: str
) -> None:
    monkeypatch.setattr(boot, "boot", fails(error))
    cell, code = cell_of(fake_tree)
    assert (cell["verdict"], cell["reason"], code) == ("no-verdict", "harness-error", 3)
    assert cell["detail"] == detail
    assert (cell["phases"]["build"] is None, cell["phases"]["boot"]) == (False, None)


def hung_then(
    error: Error, tree: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], int]:
    """A cell that hung; one test is booted alone, and the next such boot ends in `error`."""
    for name, value in logs(directory, UNKNOWN, test_size=HANGS).items():
        monkeypatch.setenv(name, value)
    trials: list[Trial] = []

    def once(*given: Any) -> Trial:
        if trials:
            raise error()
        trials.append(alone(*given))
        return trials[0]

    alone = hang_triage._boot
    monkeypatch.setattr(hang_triage, "_boot", once)
    return cell_of(tree, "--timeout=1", "--no-trace")


@pytest.mark.parametrize("error", [worn, full])
def test_an_error_of_the_triage_is_a_note_beside_the_verdict(
    fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Error
) -> None:
    cell, code = hung_then(error, fake_tree, tmp_path / "logs", monkeypatch)
    assert (cell["verdict"], cell["reason"], code) == ("failed", None, 1)
    assert cell["notes"][-1] == f"the hang triage ended early: {error()}"
    assert [each["test"] for each in cell["triage"]] == ["test_basic_alloc"]


def test_a_signal_in_the_triage_leaves_the_verdict_and_the_trials(
    fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell, code = hung_then(term, fake_tree, tmp_path / "logs", monkeypatch)
    assert (cell["verdict"], cell["reason"], code) == ("failed", "interrupted", 130)
    assert cell["detail"] == "interrupted by SIGTERM during the hang triage"
    assert [each["test"] for each in cell["triage"]] == ["test_basic_alloc"]


def test_the_judge_is_loaded_while_the_guest_boots() -> None:
    """It takes 70 ms, which a run that builds nothing would notice."""
    loaded = "print('mermapctl.judge.console_verdict' in sys.modules)\n"
    before = f"import sys, mermapctl.commands.cells\n{loaded}"
    during = "from mermapctl.runner import boot\nboot._load_judge()\n"
    done = subprocess.run(
        [sys.executable, "-c", before + during + loaded],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "True"]
