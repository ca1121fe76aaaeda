# SPDX-License-Identifier: GPL-2.0-only
"""`--format`, `-o` and the filters mean the same in each command of `report`."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import pytest

from mermapctl.cli.report import VERBS, command
from mermapctl.errors import Exit
from mermapctl.records.record import RunRecord, State
from mermapctl.records.store import Store
from tests import sample_records as samples
from tests.forkserver import command as commanded
from tests.tables import LOGS

GOOD = str(LOGS / "good.log")
COMMANDS = {
    "show": ["show"],
    "log": ["log", GOOD, GOOD],
    "follow": ["follow"],
    "list": ["list"],
    "compare": ["compare"],
    "history": ["history", "test_size"],
    "flaky": ["flaky"],
    "rejudge": ["rejudge", "--dry-run"],
}
NARROW = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C", "TERM": "dumb"}


def stored(record: RunRecord, number: int) -> RunRecord:
    run_id = f"20260101-{number:06d}-000abcd"
    run = replace(record.run, id=run_id, state=State.FINISHED)
    tree = replace(record.tree, describe="v7.3-é")
    store = Store.open()
    made = replace(record, run=run, tree=tree)
    store.begin(made)
    return store.finish(made)


@pytest.fixture(scope="module")
def made_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Store 24 runs once."""
    path = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MERMAPCTL_HOME", str(path))
        for number in range(24):
            stored((samples.passed, samples.multi_cell)[number % 2](), number)
    return path


@pytest.fixture
def runs(made_runs: Path, home: Path) -> None:
    shutil.copytree(made_runs, home, dirs_exist_ok=True)


def forked(*words: str) -> tuple[int, bytes, bytes]:
    """Run in a child of a server, whose stdout is UTF-8 whatever the variables say."""
    done = commanded("report", *words)
    out, err = (each.encode("utf-8", "surrogateescape") for each in (done.stdout, done.stderr))
    return done.returncode, out, err


def report(
    *words: str, stdout: int = subprocess.PIPE, env: dict[str, str] | None = None
) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "mermapctl", "report", *words],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=os.environ | (env or {}),
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_is_the_same_whatever_stdout_is(name: str, tmp_path: Path) -> None:
    for form in ("table", "json"):
        written = []
        for run in (forked, partial(report, env=NARROW)):
            out = tmp_path / "out"
            code, said, _ = run(*COMMANDS[name], "--format", form, "-o", str(out))
            assert (code in {Exit.PASSED, Exit.FAILED}, said) == (True, b"")
            written.append(out.read_text("utf-8"))
        if name != "log":  # it is judged anew each time
            assert written[0] == written[1]
        assert ("✓" in written[1]) == (form == "table" and name not in {"flaky", "rejudge"})


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("name", COMMANDS)
def test_json_is_utf_8_whatever_stdout_is(name: str) -> None:
    _, wide, _ = forked(*COMMANDS[name], "--format", "json")
    _, narrow, _ = report(*COMMANDS[name], "--format", "json", env=NARROW)
    assert json.loads(wide).keys() == json.loads(narrow).keys()
    if name != "log":
        assert narrow == wide
    assert ("é".encode() in narrow) == (name in {"show", "follow", "list", "history"})


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_dash_is_standard_output(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain, dashed = forked(*COMMANDS[name]), forked(*COMMANDS[name], "-o", "-")
    assert dashed == plain
    assert list(tmp_path.iterdir()) == []


def test_filters_are_those_of_one_cell() -> None:
    """As `history` takes them: a run with other cells that have the rest is not listed."""
    good, bad = samples.cell_passed(), samples.cell_missing_flush()
    stored(samples.record(replace(good, variant="kasan"), replace(bad, target="um")), 1)
    stored(samples.record(replace(bad, variant="kasan"), replace(good, target="um")), 2)
    for words, listed in (
        (["--target", "um"], [2, 1]),
        (["--variant", "kasan"], [2, 1]),
        (["--target", "um", "--variant", "kasan"], []),
        (["--target", "um", "--variant", "base"], [2, 1]),
        (["--failed"], [2, 1]),
        (["--failed", "--target", "um"], [1]),
        (["--failed", "--variant", "kasan"], [2]),
        (["--failed", "--variant", "kasan", "--commit", samples.COMMIT[:6]], [2]),
        (["--failed", "--variant", "kasan", "--commit", "v7.3-"], [2]),
        (["--variant", "kasan", "--commit", "b"], []),
    ):
        ids = [f"20260101-{number:06d}-000abcd" for number in listed]
        for verb, rows, key in (
            (["list"], "runs", "id"),
            (["history", "test_tlb_flushed"], "history", "run"),
            (["rejudge", "--dry-run"], "rejudged", "run"),
        ):
            _, said, _ = forked(*verb, *words, "--format", "json")
            assert list(dict.fromkeys(row[key] for row in json.loads(said)[rows])) == ids, words


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_that_went_away_changes_no_exit_code(name: str, form: str) -> None:
    words = [*COMMANDS[name], "--format", form]
    code, said, told = forked(*words)
    reader, writer = os.pipe()
    os.close(reader)
    left, _, complaint = report(*words, stdout=writer)
    os.close(writer)
    assert (left, complaint) == (code, told)
    assert said


GROUPS = {
    "show": ["How it is shown", "Options"],
    "log": ["What is judged", "How it is shown", "Options"],
    "follow": ["How it is shown", "Options"],
    "checks": ["Options"],
    "list": ["Which runs", "How it is shown", "Options"],
    "compare": ["How it is shown", "Options"],
    "history": ["Which runs", "How it is shown", "Options"],
    "flaky": ["Which runs", "How it is shown", "Options"],
    "rejudge": ["Which runs", "How it is shown", "Options"],
    "prune": ["What may go", "Options"],
}


@pytest.mark.parametrize("name", VERBS)
def test_help_begins_with_three_examples_and_groups_its_options(name: str) -> None:
    verb = VERBS[name]
    found = getattr(importlib.import_module(verb.module), verb.name)
    page = click.Context(found, info_name="x").get_help()
    examples = page.split("\n\n")[2].splitlines()
    assert len(examples) == 3
    assert all(f"mermapctl report {name}" in line for line in examples)
    sections = re.findall(r"^(\S.*):$", page, re.MULTILINE)
    assert sections == GROUPS[name]
    alone = page.partition("\nOptions:\n")[2]
    assert set(re.findall(r"--[a-z-]+", alone)) <= {"--help", "--dry-run", "--yes"}


def test_the_help_of_the_group_begins_with_three_examples() -> None:
    page = click.Context(command, info_name="x").get_help()
    examples = page.split("\n\n")[2].splitlines()
    assert [line.split()[:2] for line in examples] == [["mermapctl", "report"]] * 3


@pytest.mark.parametrize(
    ("words", "needless"),
    [
        (["list"], ["rich.text", "rich.style", "mermapctl.records.comparison"]),
        (["show", "--format", "json"], ["rich.text", "rich.style", "jinja2"]),
        (["show"], ["jinja2", "difflib"]),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("runs")
def test_a_list_or_a_run_imports_no_more_than_it_shows(
    words: list[str], needless: list[str]
) -> None:
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from mermapctl.cli.root import root\n"
        "root.main(standalone_mode=False)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "report", *words], capture_output=True, text=True, check=False
    )
    imported = set(done.stderr.split())
    never = {"secrets", "tomllib", "git", "mermapctl.judge.splat_findings"}
    assert "mermapctl.records.record" in imported
    assert not imported & (never | {*needless})
