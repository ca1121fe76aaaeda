# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report` on real stores, consoles and processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mermapctl.cli import complete, report_show
from mermapctl.cli.report import VERBS
from mermapctl.cli.root import root
from mermapctl.console.ktap import Status, Suite, Test
from mermapctl.errors import Exit, MermapctlError, UserError
from mermapctl.records.store import Store
from mermapctl.render import RENDERERS, print_record
from mermapctl.system import files
from tests import sample_records as samples
from tests.cli.stored_runs import document, kept, report
from tests.forkserver import command as commanded
from tests.tables import LOGS

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


def test_a_device_or_fifo_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.write(pipe, b"a record")
    assert os.read(reader, 100) == b"a record"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_name_that_a_shell_would_run_is_not_completed() -> None:
    names = ("$(touch X)", "`id`", "a b", "a;b", "x\ny", "-o", "*", "plain/1")
    suite = Suite("s", Status.PASSED, tuple(Test(name, Status.PASSED) for name in names))
    cell = samples.cell_passed(suites=(suite,))
    kept(samples.record(cell), "20260101-a")
    context = click.Context(click.Command("history"))
    offered = complete.stored_tests(context, click.Argument(["test"]), "")
    assert [each for each in offered if not re.fullmatch(r"[\w./-]+", each)] == []
    assert "plain/1" in offered


def test_an_error_names_the_argument_of_compare(home: Path) -> None:
    file = home / "console.txt"
    file.write_text("")
    done = commanded("report", "compare", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert "Invalid value for 'A': " in done.stderr
