# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report` on real stores, consoles and processes."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from mermapctl.cli import report_show
from mermapctl.cli.report import VERBS
from mermapctl.cli.root import root
from mermapctl.commands import history as questions
from mermapctl.commands.compare import compare
from mermapctl.commands.follow import Tail
from mermapctl.commands.history import bytes_of
from mermapctl.commands.moments import moment
from mermapctl.console.ktap import Status
from mermapctl.errors import Exit, MermapctlError, UserError
from mermapctl.judge.repeats import wilson
from mermapctl.judge.verdict import Verdict
from mermapctl.records.record import Artifacts, Cell, Phases, RunRecord, State, new_run
from mermapctl.records.store import Filters, Store
from mermapctl.render import RENDERERS, print_record
from mermapctl.render.terminal import comparison, runs
from mermapctl.render.terminal.columns import columns
from mermapctl.render.terminal.runs import Sheet
from mermapctl.render.terminal.text import Look
from mermapctl.system import files
from tests import sample_records as samples
from tests.forkserver import command as commanded
from tests.tables import LOGS


def report(*words: str) -> Result:
    result = CliRunner().invoke(root, ["report", *words])
    known = (SystemExit, MermapctlError, type(None))
    assert isinstance(result.exception, known), result.exception
    return result


def document(*words: str) -> Any:
    return json.loads(report(*words, "--format", "json").stdout)


def kept(
    record: RunRecord, run_id: str | None = None, console: bytes = b"", **changes: Any
) -> RunRecord:
    """Store a record with a console, an id and a time."""
    run = dataclasses.replace(record.run, id=run_id or new_run(("x",)).id, state=State.FINISHED)
    if "started" in changes:
        run = dataclasses.replace(run, started=changes.pop("started"))
    record = dataclasses.replace(record, run=run, **changes)
    store = Store.open()
    folder = store.begin(record)
    (samples.cell_folder(folder) / "console.log").write_bytes(console)
    return store.finish(record)


# One run, or a log.


def test_the_latest_run_is_shown_and_its_verdict_is_the_exit_code() -> None:
    kept(samples.passed(), "20260101-a")
    kept(samples.failed(), "20260102-b")
    result = report()
    assert result.exit_code == Exit.FAILED
    assert re.search(r"^run +20260102-b$", result.stdout, re.MULTILINE)
    assert "missing-flush in test_tlb_flushed" in result.stdout
    assert report("latest~1").exit_code == Exit.PASSED
    assert re.search(r"^run +20260101-a$", report("20260101").stdout, re.MULTILINE)


def test_no_verdict_is_three() -> None:
    kept(samples.no_verdict())
    assert report().exit_code == Exit.NO_VERDICT


@pytest.mark.parametrize(
    ("log", "verdict", "codes"),
    [
        ("good", "passed", []),
        ("good-smp2", "passed", []),
        ("module", "passed", []),
        ("trace-good", "passed", []),
        ("global-refused", "failed", ["global-mapping-refused"]),
        ("missing-flush", "failed", ["missing-flush"]),
        ("extra-flush", "failed", ["extra-flush"]),
        ("early-flush", "failed", ["early-flush"]),
        ("region-too-small", "failed", ["region-too-small"]),
        ("never-wraps", "failed", ["allocation-failed"]),
        ("wrong-page", "failed", ["wrong-page"]),
        ("oops", "failed", ["kernel-oops"]),
        ("hang-one-cpu", "failed", ["hang"]),
        ("warn-but-ok", "failed", ["kernel-warning"]),
        ("kasan", "failed", ["kasan"]),
        ("trace-counted-not-done", "failed", ["stale-reuse", "counter-mismatch"]),
        ("kvm-broken", "no-verdict", ["accelerator-failed"]),
        ("panic-before-ktap", "no-verdict", ["boot-failed"]),
    ],
)
def test_any_log_is_judged_without_a_tree(log: str, verdict: str, codes: list[str]) -> None:
    result = report("log", str(LOGS / f"{log}.log"), "--format", "json")
    made = json.loads(result.stdout)
    assert result.exit_code == {"passed": 0, "failed": 1, "no-verdict": 3}[verdict]
    cell = made["cells"][0]
    assert (made["verdict"], [f["code"] for f in cell["findings"]]) == (verdict, codes)
    unknown = (cell["target"], cell["variant"], cell["commit"], cell["accelerator"])
    assert (*unknown, *cell["phases"].values()) == (None,) * 7
    assert made["run"]["host"] is None
    assert Store.open().ids() == []


def test_a_log_from_standard_input(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mermapctl", "report", "log", "-"],
        input=(LOGS / "early-flush.log").read_bytes(),
        capture_output=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == Exit.FAILED
    assert b"early-flush in test_tlb_flushed" in done.stdout
    assert done.stderr == b""


@pytest.mark.parametrize("name", ["missing.log", "."])
def test_a_log_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    result = report("log", str(tmp_path / name))
    assert isinstance(result.exception, UserError)
    assert "cannot read the log" in result.exception.message


def test_a_suite_that_the_log_must_hold() -> None:
    made = document("log", str(LOGS / "good.log"), "--suite", "example")
    assert made["verdict"] == "failed"
    assert "suite-missing" in [finding["code"] for finding in made["cells"][0]["findings"]]


def test_splats_may_be_allowed() -> None:
    log = str(LOGS / "warn-but-ok.log")
    made = document("log", log, "--allow-splats")
    assert made["verdict"] == "passed"
    assert [finding["code"] for finding in made["cells"][0]["findings"]] == ["kernel-warning"]


def test_the_formats_are_the_renderers() -> None:
    (form,) = (param for param in report_show.show.params if param.name == "form")
    assert isinstance(form.type, click.Choice)
    assert set(form.type.choices) == set(RENDERERS)


@pytest.mark.parametrize("form", RENDERERS)
def test_every_format_of_a_stored_run(form: str, tmp_path: Path) -> None:
    kept(samples.multi_cell())
    result = report("--format", form)
    assert result.exit_code == Exit.FAILED
    assert "test_tlb_flushed" in result.stdout
    out = tmp_path / "out"
    written = report("--format", form, "-o", str(out))
    assert (written.exit_code, written.stdout) == (Exit.FAILED, "")
    assert "test_tlb_flushed" in out.read_text("utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("form", ["json", "html"])
def test_a_report_does_not_replace_the_record_that_it_reports(form: str, tmp_path: Path) -> None:
    run = kept(samples.passed(), console=b"KTAP version 1\n")
    store = Store.open()
    folder = store.folder(run.run.id)
    files_of_ours = [folder.record, store.root / "store.sqlite3"]
    files_of_ours += [path for path in folder.path.rglob("*") if path.is_file()]
    (tmp_path / "link").symlink_to(folder.record)
    for path in (*files_of_ours, tmp_path / "link"):
        before = path.read_bytes()
        verbs = [["--format", form], ["--open"]]
        verbs += [["list"], ["log", str(LOGS / "good.log")]] if form == "json" else []
        for words in verbs:
            result = report(*words, "-o", str(path))
            assert isinstance(result.exception, UserError), words
            assert "belongs to the store" in result.exception.message
        assert path.read_bytes() == before or path.name == "store.sqlite3"
    assert Store.open().notices == []
    page = folder.path / "report.html"
    for _ in range(2):
        assert report("--format", "html", "-o", str(page)).exit_code == Exit.PASSED
    assert report("--format", form, "-o", str(folder.path / "new")).exit_code == Exit.PASSED


def test_an_unwritable_output_is_an_error(tmp_path: Path) -> None:
    kept(samples.passed())
    result = report("-o", str(tmp_path / "nowhere" / "out"))
    assert isinstance(result.exception, MermapctlError)
    assert "cannot write" in result.exception.message


def test_run_and_report_print_the_same() -> None:
    record = kept(samples.multi_cell())
    runner = CliRunner()
    with runner.isolation() as (out, _, _):
        print_record(record)
        assert out.getvalue().decode() == report().stdout


def test_open_writes_the_page_beside_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER", "true")
    record = kept(samples.failed())
    result = report("--open")
    page = Path(result.stdout.strip())
    assert page == Store.open().folder(record.run.id).path / "report.html"
    assert "missing-flush" in page.read_text("utf-8")
    log = report("log", "--open", str(LOGS / "oops.log"))
    assert "kernel-oops" in Path(log.stdout.strip()).read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "--flaky"], "No such option"),
        (["--failed"], "No such option"),
        (["list", "--full"], "No such option"),
        (["a", "b"], "Got unexpected extra argument (b)"),
        (["list", "a"], "Got unexpected extra argument (a)"),
        (["list", "--format", "junit"], "'junit' is not one of 'table', 'json', 'html'"),
        (["list", "--limit=1", "--limit=2"], "--limit is given twice"),
        (["flaky", "--failed"], "No such option"),
        (["lst"], "no such command 'lst': did you mean list?"),
        (["hist", "test_size"], "did you mean history?"),
        (["--list", "--failed"], "--list is a command now: mermapctl report list"),
        (["--compare=1", "2"], "--compare=1 is a command now: mermapctl report compare"),
        (["-f"], "-f is a command now: mermapctl report follow"),
    ],
)
def test_options_that_exclude_each_other_are_refused(words: list[str], said: str) -> None:
    result = report(*words)
    assert result.exit_code == Exit.USAGE
    assert said in result.stderr


def test_the_module_is_light() -> None:
    code = (
        "import sys, mermapctl.cli.report\n"
        "print([m for m in ('rich', 'git', 'msgspec', 'jinja2', 'sqlite3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("report show 202601", ["20260102-b", "20260101-a"]),
        ("report 202601", ["20260102-b", "20260101-a"]),
        ("report compare latest 20260101", ["20260101-a"]),
        ("report f", ["follow", "flaky"]),
        ("report list --f", ["--failed", "--format"]),
        ("report --fu", ["--full"]),
        ("report --format ht", ["html"]),
        ("report --log x", []),
        ("report lsit x", []),
    ],
)
def test_a_shell_completes_verbs_and_runs(line: str, offered: list[str]) -> None:
    for name in ("20260101-a", "20260102-b"):
        kept(samples.passed(), name)
    env = os.environ | {
        "_MERMAPCTL_COMPLETE": "bash_complete",
        "COMP_WORDS": f"mermapctl {line}",
        "COMP_CWORD": str(len(line.split())),
    }
    program = Path(sys.executable).parent / "mermapctl"
    done = subprocess.run([program], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [f"plain,{each}" for each in offered]


def test_without_a_verb_a_run_is_shown() -> None:
    kept(samples.passed(), "20260101-a")
    kept(samples.failed(), "20260102-b")
    for words in ([], ["latest"], ["20260102"], ["show"], ["show", "20260102-b"]):
        assert report(*words).stdout == report("show", "latest").stdout
    assert document()["run"]["id"] == document("show")["run"]["id"] == "20260102-b"
    assert isinstance(report("nowhere").exception, UserError)


@pytest.mark.parametrize("name", ["log.txt", "flaky.log", "list.gz", "prune"])
def test_a_file_called_like_a_verb_is_no_misspelt_verb(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"x")
    result = report("show", name) if name in VERBS else report(name)
    assert result.exit_code == Exit.USAGE
    assert f"mermapctl report log {name}" in result.stderr


def test_a_browser_without_a_name_is_none() -> None:
    for named in ("  ", "\t", ' "', ":", " :x"):
        log = str(LOGS / "good.log")
        done = commanded("report", "log", "--open", log, env={"BROWSER": named})
        assert done.returncode == Exit.PASSED, done.stderr
        assert "defect" not in done.stderr


def test_the_two_last_runs_are_compared_where_none_is_named() -> None:
    for number, made in enumerate((samples.failed(), samples.passed(), samples.failed())):
        kept(made, f"2026010{number}-a")
    assert report("compare").stdout == report("compare", "latest~1", "latest").stdout
    assert report("compare", "latest~2").stdout == report("compare", "latest~2", "latest").stdout
    assert report("compare", "--format", "json").exit_code == Exit.FAILED


def test_one_run_is_compared_with_none() -> None:
    kept(samples.passed())
    result = report("compare")
    assert isinstance(result.exception, UserError)
    assert result.exception.message == "latest~1: there is only 1 run"


SEVERAL = [str(LOGS / f"{name}.log") for name in ("good", "panic-before-ktap", "oops")]


def test_several_logs_have_one_exit_code() -> None:
    assert report("log", *SEVERAL).exit_code == Exit.FAILED
    assert report("log", *SEVERAL[:2]).exit_code == Exit.NO_VERDICT
    assert report("log", SEVERAL[0], SEVERAL[0]).exit_code == Exit.PASSED
    made = document("log", *SEVERAL, "--suite", "mermap", "--allow-splats")
    assert [cell["verdict"] for cell in made["cells"]] == ["passed", "no-verdict", "failed"]
    assert {(cell["suite"], cell["allow_splats"]) for cell in made["cells"]} == {("mermap", True)}


@pytest.mark.parametrize("form", RENDERERS)
def test_every_format_of_several_logs(form: str, tmp_path: Path) -> None:
    result = report("log", *SEVERAL, "--format", form)
    assert result.exit_code == Exit.FAILED
    assert all(Path(log).name in result.stdout for log in SEVERAL)
    out = tmp_path / "out"
    written = report("log", *SEVERAL, "--format", form, "-o", str(out))
    assert (written.exit_code, written.stdout) == (Exit.FAILED, "")
    assert all(Path(log).name in out.read_text("utf-8") for log in SEVERAL)


def test_several_logs_are_one_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER", "true")
    (page,) = report("log", "--open", *SEVERAL).stdout.splitlines()
    assert all(Path(log).name in Path(page).read_text("utf-8") for log in SEVERAL)


def test_standard_input_may_be_one_of_several_logs() -> None:
    result = CliRunner().invoke(
        root,
        ["report", "log", SEVERAL[0], "-", "--format", "json"],
        input=Path(SEVERAL[2]).read_bytes(),
    )
    cells = json.loads(result.stdout)["cells"]
    assert result.exit_code == Exit.FAILED
    found = [(cell["verdict"], cell["log"]["name"], cell["artifacts"]["console"]) for cell in cells]
    assert found == [("passed", "good.log", SEVERAL[0]), ("failed", "standard input", None)]


@pytest.mark.parametrize("form", RENDERERS)
def test_one_log_that_cannot_be_read_shows_none(form: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for where in ([], ["-o", str(out)]):
        result = report("log", *SEVERAL, str(tmp_path / "nowhere"), "--format", form, *where)
        assert isinstance(result.exception, UserError)
        assert result.exception.message.startswith(f"cannot read the log {tmp_path}/nowhere")
        assert result.stdout == ""
    assert not out.exists()


# Lists.


def test_list_as_a_table_and_as_json() -> None:
    kept(samples.passed(), "20260101-a")
    kept(samples.failed(), "20260102-b")
    kept(samples.multi_cell(), "20260103-c")
    kept(samples.no_verdict(), "20260104-d")
    result = report("list")
    assert result.exit_code == Exit.PASSED
    lines = [line.split("  ") for line in result.stdout.splitlines()]
    assert [line[0] for line in lines] == ["Run", "20260104-d", "20260103-c", "20260102-b",
                                           "20260101-a", "4 runs"]  # fmt: skip
    assert "~ boot-failed" in lines[1]
    assert "✗ failed" in lines[2]
    assert "x86_64/base +7  7.3.4   fcf46f19ecac" in result.stdout
    assert "2.1+33.9+1.4 s" in lines[4][-1]
    assert [run["id"] for run in document("list", "--failed")["runs"]] == [
        "20260103-c",
        "20260102-b",
    ]
    assert document("list", "--variant", "rt")["runs"][0]["cells"][-1]["reason"] == "boot-failed"
    assert "1 of 4 runs" in report("list", "--limit", "1").stdout


def test_an_empty_list() -> None:
    assert report("list").stdout == "0 runs\n"
    assert document("list") == {"schema": 1, "runs": []}


def test_an_unreadable_run_is_listed_with_the_reason() -> None:
    record = kept(samples.passed(), "20260101-a")
    Store.open().folder(record.run.id).record.write_bytes(b"{")
    (Store.open().root / "store.sqlite3").unlink()
    result = report("list")
    assert "~ unreadable" in result.stdout
    assert "is damaged" in result.stdout


@pytest.mark.parametrize(
    ("text", "start"),
    [("2026-01-31", "2026-01-3"), ("2026-01-31T12:00+00:00", "2026-01-31T12:00:00.000Z")],
)
def test_points_in_time(text: str, start: str) -> None:
    assert moment(text).startswith(start)


def test_ages_and_dates_become_moments() -> None:
    now = new_run(("x",)).started
    assert moment("2w") < moment("7d") < moment("36h") < moment("5m") < now
    for text in ("the day before", "7x", "2026-13-01", "-3d"):
        with pytest.raises(UserError, match="no point in time"):
            moment(text)


@pytest.mark.parametrize(
    ("text", "size"), [("100", 100), ("2K", 2048), ("1.5M", 1_572_864), ("5G", 5 << 30)]
)
def test_sizes_become_bytes(text: str, size: int) -> None:
    assert bytes_of(text) == size
    with pytest.raises(UserError, match="is no size"):
        bytes_of(text + "x")


# Comparison.


def test_compare_lists_new_and_fixed_failures() -> None:
    kept(samples.passed(), "1")
    slow = samples.cell_missing_flush()
    slow = dataclasses.replace(slow, phases=Phases(2.1, 80.0, 1.4))
    kept(samples.record(slow), "2")
    result = report("compare", "1", "2")
    assert result.exit_code == Exit.FAILED
    assert "A  1  ✓ PASSED" in result.stdout
    assert "B  2  ✗ FAILED" in result.stdout
    row = "✗ newly failing  mermap.test_tlb_flushed  passed → failed  x86_64/base  missing-flush"
    assert row in result.stdout
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["test_tlb_flushed,", "counted", "1", "0", "x86_64/base"] in rows
    assert ["build", "33.9", "s", "80.0", "s", "2.4", "x", "x86_64/base"] in rows
    moved = ["mermap.test_tlb_flushed", "0.030", "s", "0.310", "s", "10.3", "x", "x86_64/base"]
    assert moved in rows
    assert "1 newly failing" in result.stdout
    back = report("compare", "2", "1")
    assert back.exit_code == Exit.PASSED
    assert "✓ fixed" in back.stdout
    same = report("compare", "2", "2")
    assert same.exit_code == Exit.PASSED
    assert "1 still failing" in same.stdout


def test_no_verdict_is_not_newly_failing() -> None:
    kept(samples.passed(), "1")
    kept(samples.no_verdict(), "2")
    made = document("compare", "1", "2")["comparison"]
    assert made["tests"] == []
    assert made["notes"] == ["B has no verdict for x86_64/base -> x86_64/rt (boot-failed)"]
    assert "\nnothing to compare\n" in report("compare", "1", "2").stdout
    assert report("compare", "1", "2").exit_code == Exit.PASSED


def test_cells_are_matched_by_name() -> None:
    kept(samples.multi_cell(), "1")
    kept(samples.record(samples.cell_warning(), samples.cell_passed(variant="new")), "2")
    made = document("compare", "1", "2")["comparison"]
    assert "x86_64/new is only in B" in made["notes"]
    assert "x86_64/base is only in A" in made["notes"]
    assert [(row["change"], row["codes"]) for row in made["findings"]] == [
        ("still failing", ["kernel-warning"])
    ]


# History.


def clean(record: RunRecord, commit: str) -> RunRecord:
    cells = tuple(dataclasses.replace(cell, commit=commit) for cell in record.cells)
    tree = dataclasses.replace(record.tree, commit=commit)
    return dataclasses.replace(record, cells=cells, tree=tree)


def test_history_of_a_test() -> None:
    kept(clean(samples.passed(), "a" * 40), "1")
    kept(clean(samples.failed(), "b" * 40), "2")
    kept(samples.no_verdict(), "3")
    result = report("history", "test_tlb_flushed")
    rows = result.stdout.splitlines()
    assert rows[1].split() == ["2", *rows[1].split()[1:3], "b" * 12, "x86_64/base", "✗", "failed",
                               "0", "of", "1", "0.310"]  # fmt: skip
    assert rows[2].split()[-5:] == ["of", "1,", "1", "observed", "0.030"]
    assert "outcomes  ✓✗" in result.stdout
    assert "seconds   ▁█  0.030 to 0.310" in result.stdout
    made = document("history", "mermap.test_size", "--commit", "aaaa")["history"]
    assert [(row["run"], row["status"]) for row in made] == [("1", "passed")]


def test_an_unknown_test_gets_a_hint() -> None:
    kept(samples.passed())
    result = report("history", "test_tlb_flush")
    assert isinstance(result.exception, UserError)
    assert "Did you mean test_tlb_flushed" in str(result.exception.hint)


@pytest.mark.parametrize(
    ("bad", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (1, 10, 0.0179, 0.4042),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (1, 1000, 0.0002, 0.0056),
    ],
)
def test_the_wilson_interval(bad: int, total: int, low: float, high: float) -> None:
    """The reference is the closed form, rounded as in published tables."""
    assert wilson(bad, total) == pytest.approx((low, high), abs=5e-5)


def test_flaky_tests_and_their_rate() -> None:
    steady = clean(samples.passed(), "a" * 40)
    shaky = clean(samples.failed(), "a" * 40)
    for number in range(9):
        kept(steady, f"1{number}")
    kept(shaky, "20")
    kept(clean(samples.failed(), "b" * 40), "30")  # another commit: no contradiction
    dirty = dataclasses.replace(shaky.tree, dirty=True)
    kept(dataclasses.replace(shaky, tree=dirty), "40")  # another tree
    other = dataclasses.replace(shaky.cells[0], kernel_args=("nopti",))
    kept(dataclasses.replace(shaky, cells=(other,)), "50")  # another configuration
    skipped = dataclasses.replace(
        steady.cells[0].suites[0].tests[0], status=Status.SKIPPED, reason="no"
    )
    suite = dataclasses.replace(steady.cells[0].suites[0], tests=(skipped,))
    cell = dataclasses.replace(steady.cells[0], suites=(suite,))
    kept(dataclasses.replace(steady, cells=(cell,)), "60")  # a skip is no outcome
    (row,) = document("flaky")["flaky"]
    assert (row["test"], row["bad"], row["runs"]) == ("test_tlb_flushed", 1, 10)
    assert (row["low"], row["high"]) == pytest.approx((0.0179, 0.4042), abs=5e-5)
    table = report("flaky").stdout
    assert "mermap.test_tlb_flushed" in table
    assert "10.0%  1.8% to 40.4%" in table
    assert "no test both passed and failed" in report("flaky", "--variant", "kasan").stdout


def test_an_ok_test_with_an_error_finding_counts_as_failed() -> None:
    """A test with a complaint of the kernel or of the trace counts as failed over time."""
    good = clean(samples.passed(), "a" * 40)
    warned = clean(samples.record(samples.cell_warning()), "a" * 40)
    kept(good, "1")
    kept(dataclasses.replace(warned, cells=(in_base(warned.cells[0]),)), "2")
    forth = report("compare", "1", "2")
    assert forth.exit_code == Exit.FAILED
    row = "✗ newly failing  mermap.test_basic_alloc  passed → complaint  x86_64/base"
    assert f"{row}  kernel-warning" in forth.stdout
    assert "1 newly failing" in forth.stdout
    back = report("compare", "2", "1")
    assert back.exit_code == Exit.PASSED
    assert "complaint → passed" in back.stdout
    table = report("history", "test_basic_alloc").stdout
    assert "✗ complaint" in table
    assert "outcomes  ✓✗" in table
    (row,) = document("history", "test_basic_alloc", "--failed")["history"]
    assert (row["run"], row["status"], row["complaint"]) == ("2", "passed", "kernel-warning")
    (row,) = document("flaky")["flaky"]
    assert (row["test"], row["bad"], row["runs"]) == ("test_basic_alloc", 1, 2)


def in_base(cell: Cell) -> Cell:
    return dataclasses.replace(cell, variant="base")


@pytest.mark.parametrize("width", [80, 81, 100, 120, 200])
def test_lists_fit_into_a_terminal(width: int) -> None:
    traced = clean(samples.traced(), "a" * 40)
    cells = (*samples.multi_cell().cells, *traced.cells)
    for number, chosen in enumerate((cells, cells[::-1], samples.traced(stale=False).cells)):
        record = samples.record(*(dataclasses.replace(cell, commit="a" * 40) for cell in chosen))
        kept(clean(record, "a" * 40), f"20260101-12000{number}-123abcd")
    store, sheet = Store.open(), Sheet(Look(), width=width)
    said = [
        runs.runs(store.list(), store.count(), sheet),
        runs.history(questions.test_history(store, "test_tlb_flushed", Filters()), sheet),
        runs.flaky(questions.flaky(store, Filters()), sheet),
        comparison.render(compare(store, "latest~2", "latest~1"), sheet),
        comparison.render(compare(store, "latest~1", "latest"), sheet),
    ]
    for line in "".join(said).splitlines():
        assert cell_len(line) <= width


def test_a_column_with_one_value_is_dropped_first() -> None:
    rows = [[("a", ""), ("x" * 9, ""), (cell, "")] for cell in ("one", "two")]
    heads, going = ("Run", "Commit", "Cell"), ("Cell", "Commit")
    for width, row in ((12, "a    one"), (4, "a")):
        made = columns(heads, rows, color=False, width=width, optional=going)
        assert made.split("\n")[1] == row


# Rejudging.


def with_console(run_id: str, log: str, verdict: Verdict) -> RunRecord:
    """Store a run with console `log`, judged by older rules."""
    record = samples.record(samples.cell_passed(verdict=verdict, suite="mermap"))
    record = dataclasses.replace(record, run=dataclasses.replace(record.run, id=run_id))
    store = Store.open()
    directory = store.folder(run_id).path / "cells" / "x86_64-base"
    kept_at = Artifacts(console=str(directory / "console.log"), directory=str(directory))
    cell = dataclasses.replace(record.cells[0], artifacts=kept_at)
    record = kept(dataclasses.replace(record, cells=(cell,), verdict=verdict), run_id)
    samples.cell_folder(store.folder(run_id))
    (directory / "console.log").write_bytes((LOGS / log).read_bytes())
    return record


def test_rejudging_shows_what_changed_and_keeps_the_old_verdict() -> None:
    with_console("1", "early-flush.log", Verdict.PASSED)
    dry = report("rejudge", "--dry-run")
    assert "1  passed -> failed\n" in dry.stdout
    assert "1  mermap.test_tlb_flushed passed -> failed\n" in dry.stdout
    assert "1  now early-flush in test_tlb_flushed\n" in dry.stdout
    assert report().exit_code == Exit.PASSED
    result = report("rejudge")
    assert result.stdout == dry.stdout
    shown = report("1")
    assert shown.exit_code == Exit.FAILED
    assert "was PASSED until judged again on" in shown.stdout
    assert document("1")["former"][0]["verdict"] == "passed"
    assert "✗ failed (was passed)" in report("list").stdout
    again = report("rejudge", "1")
    assert again.stdout == "1 run unchanged\n"
    assert len(document("1")["former"]) == 1


def test_a_cell_that_cannot_be_judged_again_is_unchanged() -> None:
    with_console("1", "good.log", Verdict.PASSED)
    (Store.open().folder("1").path / "cells" / "x86_64-base" / "console.log").unlink()
    kept(samples.no_verdict(), "2")
    before = (document("1"), document("2"))
    result = report("rejudge")
    assert "1  not judged again: " in result.stdout
    assert "No such file" in result.stdout
    assert (document("1"), document("2")) == before


# Pruning.


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["--keep", "2"], ["4", "3"]),
        (["--keep", "9"], ["4", "3", "2", "1"]),
        (["--older", "2026-01-03"], ["4", "3"]),
        (["--keep", "3", "--older", "2026-01-02"], ["4", "3", "2"]),
        (["--max-size", "120K"], ["4"]),
        (["--keep", "0"], []),
    ],
)
def test_pruning(words: list[str], left: list[str]) -> None:
    for number in "1234":
        started = f"2026-01-0{number}T12:00:00.000Z"
        kept(samples.passed(), number, b"x" * 70_000, started=started)
    assert report("prune", "--dry-run", *words).exit_code == Exit.PASSED
    assert Store.open().ids() == ["4", "3", "2", "1"]
    result = report("prune", "--yes", *words)
    assert Store.open().ids() == left
    assert ("nothing to remove" if len(left) == 4 else "MB freed") in result.stdout


def test_pruning_asks() -> None:
    kept(samples.passed(), "1")
    result = report("prune", "--keep", "0")
    assert isinstance(result.exception, UserError)
    assert "--yes" in str(result.exception.hint)
    result = report("prune")
    assert isinstance(result.exception, UserError)
    assert "report prune needs a limit" in result.exception.message
    assert Store.open().ids() == ["1"]


def test_a_killed_run_names_its_console() -> None:
    killed = dataclasses.replace(new_run(("x",)), state=State.RUNNING, pid=2**22 - 1)
    folder = Store.open().begin(dataclasses.replace(samples.record(), run=killed))
    result = report()
    assert result.exit_code == Exit.NO_VERDICT
    assert f"its files are in {folder.path}" in result.stderr


def test_a_running_run_is_never_pruned() -> None:
    Store.open().begin(dataclasses.replace(samples.passed(), run=new_run(("x",))))
    kept(samples.passed(), "1")
    report("prune", "--keep", "0", "--yes")
    assert [run.state for run in Store.open().list()] == ["running"]


# Following.

RUNNER = """
import sys, time
from dataclasses import replace
from mermapctl.judge.verdict import Verdict
from mermapctl.records.record import Cell, TreeFacts, begin
from mermapctl.records.store import Store
record = begin(command=("x",), tree=TreeFacts("7.3.4", path="/src/linux"))
store = Store.open()
directory = store.begin(record).cell_path("x86_64-base")
directory.mkdir(parents=True)
(directory / "kunitconfig").write_text("")
print(record.run.id, flush=True)
with (directory / "console.log").open("wb", buffering=0) as console:
    for number in range(20):
        console.write(b"line %d [bold] \\x1b[2J\\n" % number)
        time.sleep(0.05)
    console.write(b"the last, without an end")
cell = Cell("x86_64", "base", Verdict.FAILED)
store.finish(replace(record, verdict=Verdict.FAILED, cells=(cell,)))
"""


def run_elsewhere() -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-c", RUNNER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_following_a_run_in_another_process() -> None:
    process, run_id = run_elsewhere()
    result = report("follow")
    process.communicate()
    assert process.returncode == 0
    assert result.exit_code == Exit.FAILED
    lines = result.stdout.splitlines()
    assert lines[:20] == [f"line {number} [bold] ␛[2J" for number in range(20)]
    assert lines[20] == "the last, without an end"
    assert lines[21] == ""
    assert sum(re.fullmatch(rf"run +\S*{run_id}", line) is not None for line in lines[22:]) == 1
    assert lines[-1].startswith("✗ FAILED")
    assert "x86_64-base: configuring" in result.stderr
    assert re.search(rf"^run +\S*{run_id}$", report("follow").stdout, re.MULTILINE)


def test_following_a_run_that_is_killed() -> None:
    process, _ = run_elsewhere()
    follower = subprocess.Popen(
        [sys.executable, "-m", "mermapctl", "report", "follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(0.4)
    process.kill()
    process.communicate()
    out, _ = follower.communicate(timeout=20)
    assert follower.returncode == Exit.NO_VERDICT
    assert "interrupted before its end" in out


def test_a_console_is_followed_through_everything(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    tail = Tail(path)
    assert tail.lines() == []
    path.write_bytes(b"one\r\ntw")
    assert tail.lines() == ["one"]
    path.write_bytes(b"one\r\ntwo \xc3")
    assert tail.lines() == []
    path.write_bytes(b"one\r\ntwo \xc3\xa9\n\xff\n")
    assert tail.lines() == ["two é", "\udcff"]
    path.write_bytes(b"again\n")  # the boot was repeated
    assert tail.lines() == ["again"]
    path.write_bytes(b"again\n" + b"x" * 40_000)
    assert [len(line) for line in tail.lines()] == [40_000]
    path.write_bytes(b"again\n" + b"x" * 40_000 + b"end")
    assert tail.lines() == []
    assert tail.lines(final=True) == ["end"]


def test_a_device_or_fifo_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.write(pipe, b"a record")
    assert os.read(reader, 100) == b"a record"
    os.close(reader)
    assert pipe.is_fifo()
