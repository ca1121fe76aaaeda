# SPDX-License-Identifier: GPL-2.0-only
"""The wheel contains the files that the commands need, and the command starts quickly."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from docs.manpages import ENVIRONMENT
from mermapctl import __version__ as VERSION  # noqa: N812 - as a constant of the tests
from mermapctl.commands import version

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a virtual environment with the wheel alone; dependencies come from this one."""
    place = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = place.glob("*.whl")
    venv.create(place / "venv", with_pip=False)
    (site,) = (place / "venv").glob("lib/python3*/site-packages")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(site), str(wheel)], check=True, capture_output=True)
    ours = [entry for entry in sys.path if entry.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(ours) + "\n")
    (site / "sitecustomize.py").write_text(
        "import sys\nsys.meta_path[:] = [f for f in sys.meta_path if 'ditable' not in repr(f)]\n"
        f"sys.path[:] = [p for p in sys.path if p != {str(ROOT)!r}]\n"
    )
    return place / "venv/bin/python"


def mermapctl(python: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "mermapctl", *argv], capture_output=True, text=True, check=False, cwd="/"
    )


def test_configs_and_kernel_are_inside_the_wheel(installed: Path) -> None:
    where = subprocess.run(
        [installed, "-c", "import mermapctl; print(mermapctl.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    package = Path(where.stdout.strip()).parent
    assert package.is_relative_to(installed.parents[1])
    assert (package / "configs/suites.toml").is_file()
    assert (package / "kernel/files/mm/mermap.c").is_file()
    listed = mermapctl(installed, "config", "list")
    assert listed.returncode == 0, listed.stderr
    assert "kasan" in listed.stdout
    log = ROOT / "tests/logs/missing-flush.log"
    judged = mermapctl(installed, "report", "log", str(log), "--format=html")
    assert judged.returncode == 1, judged.stderr
    assert "missing-flush" in judged.stdout


def test_the_wheel_has_man_pages_completion_and_its_commit(installed: Path) -> None:
    (wheel,) = installed.parents[2].glob("*.whl")
    check = [sys.executable, "-m", "twine", "check", "--strict", str(wheel)]
    subprocess.run(check, check=True, capture_output=True)
    (site,) = installed.parents[1].glob("lib/python3*/site-packages")
    share = site / "share"  # `pip install --target` puts data files there
    assert '.TH "MERMAPCTL REPORT LOG"' in (share / "man/man1/mermapctl-report-log.1").read_text()
    scripts = (
        "bash-completion/completions/mermapctl",
        "zsh/site-functions/_mermapctl",
        "fish/vendor_completions.d/mermapctl.fish",
    )
    assert all("_MERMAPCTL_COMPLETE" in (share / script).read_text() for script in scripts)
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    commit = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert commit.strip()
    assert mermapctl(installed, "--version").stdout == f"mermapctl {VERSION} ({commit.strip()})\n"


def test_the_version_of_a_package_without_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "place").mkdir()
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.setattr(version, "PACKAGE", tmp_path / "place/mermapctl")
    assert version.text() == f"{VERSION} (commit unknown)"  # no commit of a repository above
    monkeypatch.setattr(version, "PACKAGE", tmp_path / "mermapctl")
    assert version.text() == f"{VERSION} (commit unknown)"  # git answers: none yet
    (tmp_path / "mermapctl").mkdir()
    (tmp_path / "mermapctl/commit.txt").write_text("v1-3-g0123\n")
    assert version.text() == f"{VERSION} (v1-3-g0123)"


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["run", "--help"]])
def test_help_imports_neither_rich_nor_gitpython(argv: list[str]) -> None:
    code = (
        "import sys\nfrom mermapctl.__main__ import main\n"
        f"sys.argv = ['mermapctl', *{argv!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'rich', 'git', 'msgspec', 'jinja2', 'kconfiglib'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_for_each_shell(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mermapctl", "completion", shell],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_MERMAPCTL_COMPLETE" in done.stdout


def test_every_source_file_names_its_license() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.toml", "*.kunitconfig", "*.c", "*.h", "Makefile", ".ci/run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lacking = [
        name
        for name in listed.stdout.split()
        if "SPDX-License-Identifier: GPL-2.0-only"
        not in (ROOT / name).read_text(encoding="utf-8", errors="replace")[:300]
    ]
    assert lacking == []


def test_no_possessive_group_in_a_regular_expression() -> None:
    """Python before 3.11.5 (Debian 12) matches them wrongly: python/cpython#106052."""
    possessive = re.compile(r"\)[?*+]\+")
    found = [
        f"{path.name}:{number}"
        for path in sorted((ROOT / "mermapctl").rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if possessive.search(line)
    ]
    assert found == []


def test_every_command_has_a_man_page(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "docs.manpages", str(tmp_path)], check=True)
    pages = {path.name.removesuffix(".1"): path.read_text() for path in tmp_path.iterdir()}
    words = {"run", "report", "config-explain", "config-list", "tree-prepare", "completion"}
    assert {f"mermapctl-{word}" for word in words} <= set(pages)
    assert "\b" not in "".join(pages.values())
    assert ".SH EXAMPLES\n.nf\nbash:  eval" in pages["mermapctl-completion"]
    for name, page in pages.items():
        line = page.split(".SH NAME\n")[1].partition("\n")[0].replace("\\", "")
        assert re.fullmatch(rf"{name} - [A-Z].*\.", line), line
        assert len("       ") + len(line) <= 80, line
        assert "..." not in line
    assert [name for name, page in pages.items() if ".SH EXAMPLES" not in page] == ["mermapctl"]
    codes = pages["mermapctl-run"].split(".SH EXIT STATUS\n")[1]
    assert codes.startswith("0 passed, 1 failed, 2 wrong usage, 3 no verdict, 130 interrupted.")
    whole = pages["mermapctl"]
    assert re.findall(r"\.SH (EXIT STATUS|ENVIRONMENT|FILES)", whole) == [
        *("EXIT STATUS", "ENVIRONMENT", "FILES")
    ]


@pytest.mark.parametrize("name", [name for names in ENVIRONMENT for name in names.split(", ")])
def test_the_variables_of_the_man_page_are_obeyed(name: str) -> None:
    sources = (ROOT / "mermapctl").rglob("*.py")
    assert any(re.search(rf"\b{name}\b", path.read_text("utf-8")) for path in sources)
