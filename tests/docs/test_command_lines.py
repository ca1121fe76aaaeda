# SPDX-License-Identifier: GPL-2.0-only
"""Every command line of the documentation runs, on the stand-in tree; its options exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest

from mermapctl.cli.root import root
from tests.conftest import git
from tests.docs import pages
from tests.docs.pages import ROOT, Statement
from tests.forkprogram import program
from tests.forkserver import command
from tests.tables import FAKE, LOGS

PAGES = [page for page in pages.names() if page != "CHANGELOG.md"]
BLOCKS = [page for page in PAGES if pages.statements(page)]

APART = {
    "git clone …": "the place of the repository is not in the documentation",
    "make ": "installs packages, or builds real kernels; tests/e2e does what these targets do",
    ".venv/bin/": "runs the tests, which would run this test",
    "pipx install": "fetches packages; tests/e2e/test_installation.py installs with pipx",
    "sudo apt-get": "installs packages",
    "ssh ": "needs another machine",
    "mermapctl run --engine dask": "needs a farm; tests/series/test_farm.py makes one",
    "openssl ": "may not be installed; tests/series/farming.py makes the same certificates",
    "sbatch ": "needs SLURM",
    "for host in ": "copies from another machine; tests/records reads a store that was copied",
    "mermapctl tree prepare": "unpacks a real kernel; tests/tree/test_prepare.py makes small trees",
    "mermapctl tree apply": "needs mails; tests/tree/test_mailed_tree.py makes some",
    "mermapctl run --tree ~/review": "the tree of a series from the mail, as above",
    "mermapctl doctor": "its exit code depends on the machine; tests/doctor has its tests",
    "mermapctl run --gdb": "the guest waits for a debugger; tests/e2e/test_gdb.py attaches one",
    "mermapctl watch": "does not end; tests/commands/test_watch.py runs it",
    "mermapctl run --target um": "the stand-in tree builds no User-Mode Linux",
    "mermapctl run --coverage": "the stand-in tree builds no kernel that counts",
    "mermapctl mutate": "builds thousands of kernels; tests/mutation runs it on the stand-in tree",
    "mermapctl run --as-module": "a module's boot ends with a line that no stored console has",
    "mermapctl run --stress": "the stand-in tree builds no module; tests/e2e/test_stress.py does",
    "mermapctl bisect": "the stand-in's console is that of the checked-out tree, at both ends",
    "mermapctl report history get --cost": "the stand-in's QEMU executes no instructions to count",
}
"""Beginnings of command lines that are parsed and not run, each with its reason."""

CODES = {
    ("docs/tutorial.md", "mermapctl run"): (0, 1, 0),
    ("docs/tutorial.md", "mermapctl report show --full"): (1,),
    ("docs/tutorial.md", "mermapctl report --format html"): (1,),
    # The stand-in's QEMU prints the console of the suite mermap, whatever is asked for.
    ("docs/howto/another-suite.md", "mermapctl run --suite example"): (1,),
    ("docs/howto/another-suite.md", "mermapctl run --suite 'list*'"): (1,),
    ("docs/findings.md", "mermapctl report log"): (1,),
    ("CONTRIBUTING.md", "mermapctl report log"): (1,),
}
"""Exit codes, in their order, of lines that show a failed run; those of all others are 0."""

START = {
    "CONTRIBUTING.md": "source",
    "docs/findings.md": "source",
    "docs/howto/reading-a-trace.md": "source",
    "docs/howto/console-log.md": ".",
}
"""The directory below the user's home in which a page begins; others begin in the kernel tree."""

BROKEN = "docs/howto/bisect.md"
"""The page whose tree is broken by its commit `change 4`."""
FAULT = ROOT / "kernel/faults/02-counted-not-done.patch"

MERMAPCTL = """#!/bin/sh
# The console depends on the tree, as a kernel's does: without the flush it is counted, not done.
if ! grep -q '^.arch_mermap_flush_tlb' "$HOME/linux/mm/mermap.c"; then
  export FAKE_LOG={logs}/trace-counted-not-done.log
fi
exec {start} "$@"
"""

RUN = ("mermapctl", "run", "--quiet", "--no-witness", "--accel", "tcg")
"""What has run three times before a page that reports runs."""


@pytest.fixture(scope="module")
def series(made_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tree of a series, and one whose commit `change 4` has a fault; tests copy them."""
    place = tmp_path_factory.mktemp("series")
    for name in ("good", "broken"):
        tree = place / name
        shutil.copytree(made_tree, tree)
        subprocess.run(["cp", "-r", f"{ROOT / 'kernel/files'}/.", str(tree)], check=True)
        git(tree, "add", "-A")
        git(tree, "commit", "-q", "-m", "mermap")
        git(tree, "update-ref", "refs/remotes/origin/master", "HEAD")
        git(tree, "update-ref", "refs/remotes/origin/main", "HEAD")
        for number in range(1, 6):
            (tree / "mm/notes").write_text(f"change {number}\n")
            if name == "broken" and number == 4:
                git(tree, "apply", str(FAULT))
            git(tree, "add", "-A")
            git(tree, "commit", "-q", "-m", f"change {number}")
        for key, value in (("user.name", "Dev"), ("user.email", "dev@example.org")):
            git(tree, "config", key, value)
        git(tree, "tag", "v6.12", "HEAD~4")
        git(tree, "branch", "topic")
    return place


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make a directory with the program `mermapctl`, for PATH."""
    place = tmp_path_factory.mktemp("bin")
    with program() as start:
        (place / "mermapctl").write_text(MERMAPCTL.format(logs=LOGS, start=start))
        (place / "mermapctl").chmod(0o755)
        yield place


def fill(home: Path, tree: Path, runs: int) -> None:
    """Fill a user's home: a tree, logs of others, and the runs before the page begins."""
    shutil.copytree(tree, home / "linux")
    git(home / "linux", "update-index", "-q", "--refresh")
    (home / "lab").mkdir()
    for name in ("good", "good-smp2"):
        shutil.copy(LOGS / f"{name}.log", home / "lab")
    shutil.copy(LOGS / "good.log", home / "console.txt")
    quoted = "".join(
        f"> {line}" for line in (LOGS / "good.log").read_text().splitlines(keepends=True)
    )
    (home / "mail.txt").write_text(f"From: dev@example.org\nSubject: Re: mermap\n\n{quoted}")
    subprocess.run(["xz", "-k", "console.txt"], cwd=home, check=True)
    (home / "source").mkdir()
    (home / "source/tests").symlink_to(ROOT / "tests")
    (home / "mermapctl").symlink_to(ROOT)
    for _ in range(runs):
        subprocess.run(RUN, cwd=home / "linux", check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def user(
    series: Path,
    programs: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Path]:
    """Make a user's home. Its path is the same for each page, so one is made and copied."""
    page = request.getfixturevalue("page") if "page" in request.fixturenames else ""
    tree = series / ("broken" if page == BROKEN else "good")
    texts = [each.text for each in pages.statements(page)] if page else []
    runs = 3 if any(re.search(r"mermapctl report (?!log)", text) for text in texts) else 0
    home = series / "home"
    monkeypatch.delenv("MERMAPCTL_HOME")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", f"{programs}:{FAKE / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("MERMAPCTL_TREE", str(home / "linux"))
    monkeypatch.setenv("BROWSER", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(home / "summary.md"))
    monkeypatch.setenv("FAKE_LOG", str(LOGS / "trace-good.log"))
    for base in ("CI_MERGE_REQUEST_DIFF_BASE_SHA", "BASE"):  # set by GitLab, and by a job of GitHub
        monkeypatch.setenv(base, "origin/main")
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    filled = series / f"{tree.name}-{runs}"
    if not filled.exists():
        fill(home, tree, runs)
        home.rename(filled)
    shutil.copytree(filled, home, symlinks=True)
    yield home
    shutil.rmtree(home)


def apart(statement: Statement) -> str | None:
    """Return the beginning of a command line that is not run, of APART."""
    return next((each for each in APART if statement.text.startswith(each)), None)


def expected(wanted: Sequence[Statement]) -> list[int]:
    """Return the exit code that each command line should have."""
    left = {key: list(codes) for key, codes in CODES.items()}
    found = []
    for each in wanted:
        starts = [key for key in left if key[0] == each.page and each.text.startswith(key[1])]
        found.append(left[max(starts)].pop(0) if starts else 0)
    return found


@pytest.mark.parametrize("page", BLOCKS)
def test_the_command_lines_of_a_page_run(page: str, user: Path) -> None:
    wanted = [each for each in pages.statements(page) if apart(each) is None]
    script = [f"cd ~/{START.get(page, 'linux')}"]
    for number, statement in enumerate(wanted):
        script += [statement.text, 'echo "$?" >>~/codes', f"echo '@ {number}' >&2"]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    said = f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    codes = [int(code) for code in (user / "codes").read_text().split()] if wanted else []
    assert len(codes) == len(wanted), said
    pairs = zip(wanted, codes, expected(wanted), strict=True)
    assert [(each.text, code) for each, code, right in pairs if code != right] == [], said
    assert ("change 4" in said and "is the first bad commit" in said) == (page == BROKEN), said
    assert "Traceback" not in said
    assert "a defect in" not in said


def test_a_statement_that_fails_is_seen(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [Statement("x.md", "mermapctl run --no-such-option"), Statement("x.md", "true")]
    monkeypatch.setattr(pages, "statements", lambda _page: bad)
    with pytest.raises(AssertionError, match="no-such-option"):
        test_the_command_lines_of_a_page_run("x.md", user)


def test_each_exception_is_needed() -> None:
    every = [statement for page in BLOCKS for statement in pages.statements(page)]
    assert set(APART) == {apart(each) for each in every} - {None}
    shown = {
        (each.page, start) for each in every for _, start in CODES if each.text.startswith(start)
    }
    assert set(CODES) <= shown


def test_the_lines_shown_of_a_trace_are_those_that_it_prints() -> None:
    logs = ("trace-good", "trace-counted-not-done")
    printed = [
        command("report", "log", "--full", str(LOGS / f"{name}.log")).stdout for name in logs
    ]
    printed.append((LOGS / "real-v4-trace-good.log").read_text(errors="replace"))
    shown_lines = [
        line.removesuffix("…")
        for block in pages.tokens("docs/howto/reading-a-trace.md")
        if block.type == "fence" and block.info == "text"
        for line in block.content.splitlines()
    ]
    assert len(shown_lines) > 10
    assert [line for line in shown_lines if not any(line in text for text in printed)] == []


COMMAND = re.compile(
    r"\bmermapctl ((?:run|bisect|report|config|tree|doctor|completion)\b[^|;&`\n]*)"
)
INLINE = re.compile(r"^(?:mermapctl )?((?:run|bisect|report|config|tree|doctor|completion) -?.*)")


def shown(page: str) -> list[str]:
    """Return the commands of mermapctl on a page, in blocks (also in scripts) and within lines."""
    blocks = [match for each in pages.statements(page) for match in COMMAND.findall(each.text)]
    lines = [match[1] for each in pages.code(page) if (match := INLINE.match(each))]
    return [*blocks, *lines]


def unknown(line: str) -> list[str]:
    """Return the options in a command line that its command does not have."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # a part of a quoted line
        words = re.sub("['\"]", " ", line).split()
    found: click.Command = root
    while isinstance(found, click.Group) and words:
        member = found.get_command(click.Context(found), words[0])
        if member is None:
            break
        found, words = member, words[1:]
    if isinstance(found, click.Group):  # `report` alone shows a run
        found = found.get_command(click.Context(found), "show") or found
    known = {"--help", "-h"} | {
        option for each in found.params for option in (*each.opts, *each.secondary_opts)
    }
    given = [
        word.partition("=")[0].strip("[]…,()") for word in words if word.startswith(("-", "[-"))
    ]
    return [option for option in given if len(option) > 1 and option not in known]


@pytest.mark.parametrize("page", PAGES)
def test_every_option_on_a_page_exists(page: str) -> None:
    assert {line: unknown(line) for line in shown(page) if unknown(line)} == {}


def test_an_option_that_does_not_exist_is_found() -> None:
    assert unknown("run --variant base --verbose") == ["--verbose"]
    assert unknown("report [RUN] --format F [-o FILE]") == []
    assert sum(len(shown(page)) for page in PAGES) > 100


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_in_blocks_that_are_run(page: str) -> None:
    """A block without a language, or of text, would hide its commands from these tests."""
    hidden = [
        line
        for block in pages.tokens(page)
        if block.type == "code_block" or (block.type == "fence" and block.info in {"", "text"})
        for line in block.content.splitlines()
        if re.match(
            r"\s*(\$ )?(mermapctl (run|bisect|report|config|tree|doctor)|git bisect run) ", line
        )
    ]
    assert hidden == []
