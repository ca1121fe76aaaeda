# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures: a home, a tree and programs for each test."""

from __future__ import annotations

import compileall
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from mermapctl.runner import kunit
from tests.tables import FAKE, LOGS, TESTS

# The gate tries the same examples each time; `make nightly` searches for others.
settings.register_profile("gate", derandomize=True)
settings.register_profile("search", derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))

# nohup, and a shell that starts pytest in the background, ignore signals, and children inherit
# that. Tests of signals need the default handlers.
with contextlib.suppress(ValueError):  # not the main thread
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The tests start a thousand commands, and without bytecode each compiles all its imports. They do
# not write bytecode: Python 3.11 leaves half a file where a test fills the disk.
compileall.compile_dir(TESTS.parent / "mermapctl", quiet=2)
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def git(tree: Path, *argv: str) -> str:
    """Run git in `tree` with a committer of its own."""
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", "-C", str(tree), *identity, *argv], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="session", autouse=True)
def python3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Put the real python3 on PATH: a version manager's takes 0.3 s to find it."""
    path = tmp_path_factory.mktemp("python")
    (path / "python3").symlink_to(Path(sys.executable).resolve())
    os.environ["PATH"] = f"{path}:{os.environ['PATH']}"
    return path


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield paths of new directories; mktemp() would search all those before for a free number."""
    place = tmp_path_factory.mktemp("homes")
    return (place / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def home(
    homes: Iterator[Path], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Set MERMAPCTL_HOME to a directory that no other test and no user shares."""
    path = next(homes)
    path.mkdir()
    if "e2e" not in request.keywords:
        monkeypatch.setenv("MERMAPCTL_HOME", str(path))
    monkeypatch.delenv("MERMAPCTL_TREE", raising=False)
    return path


@pytest.fixture(scope="session")
def made_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commit the stand-in tree once; tests copy it."""
    tree = tmp_path_factory.mktemp("made") / "linux"
    shutil.copytree(FAKE / "tree", tree)
    git(tree, "init", "-q", "-b", "main", "--template=")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "stand-in")
    return tree


@pytest.fixture(scope="session")
def kunits_answer(made_tree: Path, homes: Iterator[Path]) -> Path:
    """Ask the stand-in's kunit.py once what it can do; return the file with its answer."""
    home = next(homes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MERMAPCTL_HOME", str(home))
        kunit.capabilities(made_tree)
    (answer,) = (home / "cache/kunit").iterdir()
    return answer


@pytest.fixture
def fake_tree(
    made_tree: Path,
    kunits_answer: Path,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Copy the stand-in tree, whose kunit.py runs real children; put its QEMU on PATH.

    The home has the answer of its kunit.py, as after a first run.
    """
    tree = tmp_path / "linux"
    shutil.copytree(made_tree, tree)
    (home / "cache/kunit").mkdir(parents=True)
    shutil.copy(kunits_answer, home / "cache/kunit")
    monkeypatch.setenv("PATH", f"{FAKE / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_LOG", str(LOGS / "good.log"))
    return tree


@pytest.fixture
def new_home(fake_tree: Path, home: Path) -> Path:
    """Empty the home: nothing has run."""
    assert fake_tree.is_dir()
    shutil.rmtree(home / "cache")
    return home


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Make a file system of some kB; skip where it cannot be mounted."""
    directory = tmp_path / "small"
    directory.mkdir()

    def mounted(size: int) -> Path:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(directory)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("may not mount a file system")
        return directory

    yield mounted
    subprocess.run(["umount", directory], capture_output=True, check=False)
