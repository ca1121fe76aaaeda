# SPDX-License-Identifier: GPL-2.0-only
"""The options of a farm: an address that is safe, files that are there, and what goes together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.forkserver import command


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--scheduler=tcp://farm:8786"], "is not encrypted: anyone who reaches its port"),
        (["--scheduler=tcp://10.0.0.1"], "is not encrypted"),
        (["--scheduler=tcp://127.0.0.1.example.org"], "is not encrypted"),
        (["--scheduler=http://farm"], "http:// is neither tls:// nor tcp://"),
        (["--scheduler=farm:8786"], "is no address of a scheduler"),
        (["--scheduler=tls://farm:99999"], "is no address of a scheduler"),
        (["--scheduler=tls://user:secret@farm"], "is no address of a scheduler"),
        ([], "a farm needs its scheduler: --scheduler tls://HOST:8786"),
        (["--scheduler=tls://farm"], "needs a CA, a certificate and its key"),
        (["--scheduler=tls://farm", "--tls-ca=nowhere.pem"], "--tls-ca nowhere.pem is no file"),
        (["--scheduler=tcp://localhost", "--tls-ca=nowhere.pem"], "--tls-ca is for tls://"),
    ],
)
def test_a_scheduler_that_is_none_or_not_safe_is_refused(
    fake_tree: Path, argv: list[str], said: str
) -> None:
    run = ["run", f"--tree={fake_tree}", "--commits=HEAD~1..", "--engine=dask"]
    for words in (run, ["worker"]):
        if words == ["worker"] and not argv[1:] and "CA" in said:
            continue  # a worker first asks the doctor
        done = command(*words, *argv)
        assert done.returncode == 2, done.stderr
        assert said in " ".join(done.stderr.split())


def test_the_options_of_a_farm_need_one(fake_tree: Path) -> None:
    run = ["run", f"--tree={fake_tree}"]
    done = command(*run, "--commits=HEAD~1..", "--scheduler=tls://farm")
    assert "--scheduler goes with --engine dask" in done.stderr
    done = command(*run, "--engine=dask", "--scheduler=tls://farm")
    assert "--engine dask goes with --commits" in done.stderr
    done = command(*run, "--commits=HEAD~1..", "--engine=dask", "--lanes=2")
    assert "--lanes is for this machine's lanes" in done.stderr


def test_without_the_extra_the_line_that_installs_it_is_printed(fake_tree: Path) -> None:
    hidden = (
        "import importlib.util\nreal = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda n, *a: None if n == 'distributed' else real(n, *a)"
    )
    run = ["run", f"--tree={fake_tree}", "--commits=HEAD~1..", "--engine=dask"]
    done = command(*run, "--scheduler=tcp://127.0.0.1:9", first=hidden)
    assert done.returncode == 2
    assert "pip install 'mermapctl[cluster]'" in done.stderr


def test_no_other_command_imports_dask() -> None:
    script = (
        "import sys; from mermapctl.cli import root, run, worker, watch, bisect\n"
        "from mermapctl.commands import series, worker, farm\n"
        "print([each for each in sys.modules if each.startswith(('dask', 'distributed'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
