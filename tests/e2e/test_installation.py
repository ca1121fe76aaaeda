# SPDX-License-Identifier: GPL-2.0-only
"""The built packages, installed from the network as a user does: pipx, uv, each Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import mermapctl
from mermapctl.commands import version
from tests.tables import LOGS

pytestmark = [pytest.mark.e2e, pytest.mark.nightly]

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13")


def build(place: Path, source: Path, *targets: str) -> None:
    argv = [sys.executable, "-m", "hatchling", "build", "-d", str(place), *targets]
    subprocess.run(argv, cwd=source, check=True, capture_output=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and the sdist, as `make dist` does."""
    place = tmp_path_factory.mktemp("dist")
    build(place, ROOT)
    return place


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


def said(
    *argv: str | Path, env: dict[str, str] | None = None, codes: tuple[int, ...] = (0,)
) -> str:
    """Run a program away from the source tree; return its standard output."""
    done = subprocess.run(
        argv,
        env={**os.environ, **(env or {})},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in codes, (argv, done.returncode, done.stdout, done.stderr)
    return done.stdout


def works(command: Path) -> None:
    """Check what an installed command does without a kernel."""
    assert said(command, "--version") == f"mermapctl {version.text()}\n"
    assert version.commit() is not None
    assert "kasan" in said(command, "config", "list")
    for log, code in (("good", 0), ("early-flush", 1), ("panic-before-ktap", 3)):
        log_file = str(LOGS / f"{log}.log")
        page = said(command, "report", "log", log_file, "--format=html", codes=(code,))
        assert "<!doctype html>" in page


def names(wheel: Path) -> set[str]:
    return {info.filename for info in zipfile.ZipFile(wheel).infolist()}


def test_the_sdist_builds_the_same_wheel(built: Path, wheel: Path, tmp_path: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    build(tmp_path, tmp_path / f"mermapctl-{mermapctl.__version__}", "-t", "wheel")
    (again,) = tmp_path.glob("*.whl")
    assert names(again) == names(wheel)
    commit = zipfile.ZipFile(again).read("mermapctl/commit.txt").decode().strip()
    assert commit == version.commit()


def test_pipx_installs_command_man_pages_and_completion(wheel: Path, tmp_path: Path) -> None:
    places = ("HOME", "BIN_DIR", "MAN_DIR", "COMPLETION_DIR")
    env = {f"PIPX_{place}": str(tmp_path / place) for place in places}
    pipx = (sys.executable, "-m", "pipx")
    said(*pipx, "install", "--python", sys.executable, str(wheel), env=env)
    works(tmp_path / "BIN_DIR/mermapctl")
    page = (tmp_path / "MAN_DIR/man1/mermapctl-run.1").read_text()
    assert page.startswith('.TH "MERMAPCTL RUN" "1"')
    assert f'"{mermapctl.__version__}"' in page
    script = tmp_path / "COMPLETION_DIR/bash-completion/completions/mermapctl"
    asked = "COMP_WORDS=(mermapctl rep) COMP_CWORD=1; _mermapctl_completion mermapctl"
    path = f"{tmp_path / 'BIN_DIR'}:{os.environ['PATH']}"
    line = f'source {script}; {asked}; echo "${{COMPREPLY[@]}}"'
    assert said("bash", "-c", line, env={"PATH": path}).strip() == "report"
    assert (tmp_path / "COMPLETION_DIR/zsh/site-functions/_mermapctl").is_file()
    assert (tmp_path / "COMPLETION_DIR/fish/vendor_completions.d/mermapctl.fish").is_file()
    said(*pipx, "uninstall", "mermapctl", env=env)
    assert not (tmp_path / "BIN_DIR/mermapctl").exists()


def test_uv_installs_the_command(wheel: Path, tmp_path: Path) -> None:
    env = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    argv = (sys.executable, "-m", "uv", "tool", "install", "--python", sys.executable)
    said(*argv, str(wheel), env=env)
    works(tmp_path / "bin/mermapctl")


def interpreters(series: str) -> Iterator[str]:
    """Yield paths that may be this Python: on PATH, of pyenv, or of uv."""
    if found := shutil.which(f"python{series}"):
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(pyenv.glob(f"versions/{series}.*/bin/python{series}")))
    uv = (sys.executable, "-m", "uv", "python", "find", "--no-python-downloads", series)
    done = subprocess.run(uv, capture_output=True, text=True, check=False)
    yield from done.stdout.split()


@pytest.mark.parametrize("series", PYTHONS)
def test_each_python_runs_the_command(
    series: str, wheel: Path, fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows = "import sys; print('%d.%d' % sys.version_info[:2])"
    for python in interpreters(series):
        done = subprocess.run([python, "-c", shows], capture_output=True, text=True, check=False)
        if done.stdout.strip() == series:
            break
    else:
        pytest.skip(f"this machine has no Python {series}")
    monkeypatch.setenv("MERMAPCTL_HOME", str(tmp_path / "home"))
    uv = (sys.executable, "-m", "uv")
    said(*uv, "venv", "--python", python, tmp_path / "venv")
    said(*uv, "pip", "install", "--python", tmp_path / "venv/bin/python", wheel)
    command = tmp_path / "venv/bin/mermapctl"
    works(command)
    run = (command, "run", f"--tree={fake_tree}", "--accel=tcg", "--quiet")
    assert "PASSED" in said(*run)
    monkeypatch.setenv("FAKE_LOG", str(LOGS / "early-flush.log"))
    assert "early-flush" in said(*run, codes=(1,))
    assert "FAILED" in said(command, "report", codes=(1,))


def test_the_versions_are_those_that_the_package_promises() -> None:
    promised = (ROOT / "pyproject.toml").read_text()
    assert [
        each for each in PYTHONS if f'"Programming Language :: Python :: {each}"' in promised
    ] == [*PYTHONS]
    assert f'requires-python = ">={PYTHONS[0]}"' in promised
