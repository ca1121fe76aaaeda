# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from mermapctl.console.ktap import Status, Suite, Test
from mermapctl.judge import hang_trials
from mermapctl.judge.hang_trial import Outcome, Trial
from mermapctl.judge.result_types import Finding, Severity
from mermapctl.runner import hang_triage
from tests.forkserver import command
from tests.interruption import interrupted
from tests.runner.test_run import document, processes_of, run, run_alone
from tests.tables import NAMES

HEAD = "Linux version 6.12.99\nKTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: mermap\n"
HANGS = "(hangs)\n"
LOCKUP = """\
watchdog: BUG: soft lockup - CPU#1 stuck for 7s! [kunit_try_catch:27]
Modules linked in:
CPU: 1 UID: 0 PID: 27 Comm: kunit_try_catch Tainted: G                 N 6.12.99 #1
Hardware name: QEMU Standard PC (i440FX + PIIX, 1996)
RIP: 0010:cpu_relax_for_ever+0x4/0x10
Call Trace:
 <TASK>
 __mermap_get+0x6c/0x340
 test_size+0x9f/0x400
 kunit_try_run_case+0x6c/0x180
 kthread+0xd6/0x100
 ret_from_fork+0x2f/0x50
 </TASK>
Kernel panic - not syncing: softlockup: hung tasks
CPU: 1 UID: 0 PID: 27 Comm: kunit_try_catch Tainted: G             L   N 6.12.99 #1
Call Trace:
 <IRQ>
 dump_stack_lvl+0x5d/0x80
 panic+0x118/0x2f0
 watchdog_timer_fn+0x22d/0x2a0
 __hrtimer_run_queues+0x12f/0x2b0
 </IRQ>
---[ end Kernel panic - not syncing: softlockup: hung tasks ]---
"""


def one(test: str, result: str = "ok") -> str:
    """Return the console of a boot of one test; `result` replaces its end."""
    end = {
        "ok": f"    ok 1 {test}\nok 1 mermap\nreboot: machine restart\n",
        "not ok": f"    not ok 1 {test}\nnot ok 1 mermap\nreboot: machine restart\n",
    }.get(result, result)
    return f"{HEAD}    1..1\n{end}"


def logs(directory: Path, whole: str, **alone: str) -> dict[str, str]:
    """Return the environment to replay these logs; `whole` is also for the suite's second boot."""
    directory.mkdir(exist_ok=True)
    (directory / "mermap.log").write_text(whole)
    for test in NAMES:
        (directory / f"mermap.{test}.log").write_text(one(test, alone.get(test, "ok")))
    return {"FAKE_LOGS": str(directory), "FAKE_LOG": str(directory / "mermap.log")}


UNKNOWN = f"{HEAD}    1..4\n{HANGS}"


def cell_of(tree: Path, env: dict[str, str], *argv: str) -> dict[str, Any]:
    made = document(tree, "--timeout=1", "--no-trace", *argv, **env)
    (cell,) = made["cells"]
    assert isinstance(cell, dict)
    return cell


def trials(cell: dict[str, Any]) -> list[tuple[str | None, str, str | None]]:
    return [(each["test"], each["outcome"], each["function"]) for each in cell["triage"]]


def test_the_test_that_hangs_is_named(fake_tree: Path, tmp_path: Path) -> None:
    env = logs(tmp_path / "logs", UNKNOWN, test_size=HANGS, test_multiple_allocs="not ok")
    cell = cell_of(fake_tree, env)
    assert trials(cell) == [
        ("test_basic_alloc", "passed", None),
        ("test_size", "hung", None),
        ("test_multiple_allocs", "failed", None),
        ("test_tlb_flushed", "passed", None),
    ]
    (found,) = cell["findings"]
    assert (found["code"], found["test"]) == ("hang", "test_size")
    assert found["summary"] == "the kernel hung in test_size"
    assert "variant `hang`" in found["advice"]
    assert found["evidence"]["alone"].startswith("test_basic_alloc passed, test_size hung, ")
    statuses = {test["name"]: test["status"] for test in cell["suites"][0]["tests"]}
    assert statuses == {**dict.fromkeys(NAMES, "missing"), "test_size": "hung"}
    assert all(Path(each["console"]).is_file() for each in cell["triage"])
    assert "1..4" in Path(cell["artifacts"]["console"]).read_text()


def test_with_the_detector_the_function_is_named_too(fake_tree: Path, tmp_path: Path) -> None:
    env = logs(tmp_path / "logs", UNKNOWN, test_size=LOCKUP)
    said = tmp_path / "arguments"
    cell = cell_of(fake_tree, {**env, "FAKE_ARGS": str(said)}, "--variant=hang")
    assert trials(cell)[1] == ("test_size", "hung", "__mermap_get+0x6c/0x340")
    (found,) = cell["findings"]
    assert found["summary"] == "the kernel hung in test_size, in __mermap_get()"
    assert found["evidence"]["function"] == "__mermap_get+0x6c/0x340"
    assert "endless loop in __mermap_get()" in found["advice"]
    for arguments in map(json.loads, said.read_text().splitlines()):
        assert arguments[-2:] == ["-smp", "2"]
        words = arguments[arguments.index("-append") + 1].split()
        assert {"watchdog_thresh=4", "softlockup_panic=1", "panic=-1"} <= set(words)


def test_only_what_the_configuration_has_is_used(fake_tree: Path, tmp_path: Path) -> None:
    env = logs(tmp_path / "logs", UNKNOWN, test_size=HANGS)
    said = tmp_path / "arguments"
    cell_of(fake_tree, {**env, "FAKE_ARGS": str(said)}, "--kernel-arg=softlockup_panic=0")
    boots = [json.loads(line) for line in said.read_text().splitlines()]
    appended = [boot[boot.index("-append") + 1] for boot in boots]
    assert len(boots) == 5
    assert not any("-smp" in boot for boot in boots)
    assert not any("watchdog_thresh" in words for words in appended)
    assert all("softlockup_panic=0" in words for words in appended)
    assert [w.partition("filter_glob=")[2].split()[0] for w in appended] == [
        "mermap",
        *(f"mermap.{test}" for test in NAMES),
    ]


def test_the_suite_is_booted_again_if_each_test_passes_alone(
    fake_tree: Path, tmp_path: Path
) -> None:
    cell = cell_of(fake_tree, logs(tmp_path / "logs", UNKNOWN))
    assert trials(cell)[4:] == [(None, "hung", None)]
    (found,) = cell["findings"]
    assert found["test"] is None
    assert "each of its tests passes alone" in found["summary"]
    assert found["evidence"]["again"] == "the whole suite hung"


def test_tests_with_a_result_are_not_booted_again(fake_tree: Path, tmp_path: Path) -> None:
    whole = f"{HEAD}    1..4\n    ok 1 test_basic_alloc\n    ok 2 test_size\n{HANGS}"
    cell = cell_of(fake_tree, logs(tmp_path / "logs", whole, test_multiple_allocs=HANGS))
    assert [test for test, _, _ in trials(cell)] == ["test_multiple_allocs", "test_tlb_flushed"]
    assert cell["findings"][0]["test"] == "test_multiple_allocs"


def test_the_kernel_lists_tests_that_are_not_in_the_manifest(
    fake_tree: Path, tmp_path: Path
) -> None:
    env = logs(tmp_path / "logs", "")
    head = HEAD.replace("mermap", "example")
    texts = {
        "example": f"{head}    1..3\n    ok 1 one\n{HANGS}",
        "example-list": "KTAP version 1\nexample\n[ 0.1] example.one\nexample.two\r\nother.x\n"
        "example.three\nreboot: machine restart\n",
        "example.two": f"{head}    1..1\n    ok 1 two\nok 1 example\n",
        "example.three": f"{head}    1..1\n{HANGS}",
    }
    for name, text in texts.items():
        (tmp_path / "logs" / f"{name}.log").write_text(text)
    cell = cell_of(fake_tree, env, "--suite=example")
    assert trials(cell) == [("two", "passed", None), ("three", "hung", None)]
    assert cell["findings"][0]["test"] == "three"


@pytest.mark.parametrize(
    "text",
    [one("x"), f"{HEAD}    1..4\n    ok 1 test_basic_alloc\n", "Kernel panic - not syncing: no\n"],
    ids=["no-hang", "cut-short", "before-ktap"],
)
def test_without_a_hang_nothing_is_booted_again(fake_tree: Path, tmp_path: Path, text: str) -> None:
    said = tmp_path / "arguments"
    cell = cell_of(fake_tree, {**logs(tmp_path / "logs", text), "FAKE_ARGS": str(said)})
    assert cell["triage"] == []
    assert len(said.read_text().splitlines()) == 1


def test_triage_can_be_turned_off(fake_tree: Path, tmp_path: Path) -> None:
    env = logs(tmp_path / "logs", UNKNOWN, test_size=HANGS)
    cell = cell_of(fake_tree, env, "--no-triage")
    assert cell["triage"] == []
    assert cell["findings"][0]["test"] is None
    assert "--no-triage" in cell["reproduce"][0]


def test_the_report_shows_it_and_judging_again_keeps_it(fake_tree: Path, tmp_path: Path) -> None:
    env = logs(tmp_path / "logs", UNKNOWN, test_size=LOCKUP)
    table = run(fake_tree, "--variant=hang", "--timeout=1", **env)
    assert table.returncode == 1
    said = " ".join(table.stdout.split())
    assert "note: test_size booted alone: hung in __mermap_get+0x6c/0x340" in said
    assert "hang triage: test_size alone" in table.stderr
    command("report", "rejudge")
    again = command("report", "--full").stdout
    assert "__mermap_get+0x6c/0x340" in again
    assert "the kernel hung in test_size, in __mermap_get()" in again
    assert "Booted alone" in again


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_triage_keeps_what_is_known(
    fake_tree: Path, tmp_path: Path, signum: signal.Signals
) -> None:
    env = logs(tmp_path / "logs", UNKNOWN, test_size=HANGS)
    until = "hang triage: test_size alone"
    argv = ("--no-trace", "--silence=2")
    made = interrupted(fake_tree, *argv, until=until, env=env, after=0.3, signum=signum)
    (cell,) = made["cells"]
    assert made["run"]["state"] == "interrupted"
    assert (cell["verdict"], cell["reason"]) == ("failed", "interrupted")
    assert "hang triage" in cell["detail"]
    assert trials(cell) == [("test_basic_alloc", "passed", None)]
    assert [found["code"] for found in cell["findings"]] == ["hang"]
    assert not processes_of(fake_tree)


def hang(test: str | None = None, code: str = "hang", **evidence: str) -> Finding:
    return Finding(
        code, Severity.ERROR, "the kernel hung in the suite mermap; the test is unknown",
        test, dict(evidence), advice="as before",
    )  # fmt: skip


def tried(test: str | None, outcome: str, function: str | None = None, **more: str) -> Trial:
    return Trial("mermap", test, Outcome(outcome), 1.0, function, **more)


LOOP = "loop+0x4/0x9"


@pytest.mark.parametrize(
    ("finding", "tries", "test", "summary"),
    [
        (hang(), [], None, "the kernel hung in the suite mermap; the test is unknown"),
        (hang(), [tried("b", "hung")], "b", "the kernel hung in b"),
        (hang(), [tried("b", "hung", LOOP)], "b", "the kernel hung in b, in loop()"),
        (
            hang(),
            [tried("a", "hung"), tried("b", "hung", LOOP), tried("c", "hung")],
            "a",
            "the kernel hung in a; booted alone, b and c hang too",
        ),
        (
            hang(),
            [tried("a", "passed"), tried(None, "hung", LOOP, named="a")],
            "a",
            "the kernel hung in a, in loop(); alone it passes",
        ),
        (
            hang(),
            [tried("a", "passed"), tried("b", "unknown")],
            None,
            "the kernel hung in the suite mermap; the test is unknown",
        ),
        (hang("a"), [tried("a", "hung", LOOP)], "a", "the kernel hung in a, in loop()"),
        (
            hang("a"),
            [tried("a", "passed"), tried("b", "hung", LOOP)],
            "a",
            "the kernel hung in a; booted alone, b hangs too; alone it passes",
        ),
        (
            hang("a", "lockup", top_frame="f+0x1/0x2"),
            [tried("b", "passed")],
            "a",
            "the kernel hung in the suite mermap; the test is unknown",
        ),
    ],
)
def test_trials_extend_the_finding(
    finding: Finding, tries: list[Trial], test: str | None, summary: str
) -> None:
    _, (told,) = hang_trials.completed((), (finding,), tuple(tries))
    assert (told.test, told.summary) == (test, summary)
    assert (told.code, told.severity) == (finding.code, finding.severity)
    assert ("function" in told.evidence) is (", in loop()" in summary)


def suite(status: str, *tests: str) -> Suite:
    made = [Test(name, Status(word)) for name, _, word in (each.partition(":") for each in tests)]
    return Suite("mermap", Status(status), tuple(made))


@pytest.mark.parametrize(
    ("suites", "findings", "expected"),
    [
        ([suite("hung", "a:passed", "b:hung", "c:missing")], [], ["b", "c"]),
        ([suite("hung", "a:missing", "b:missing")], [], ["a", "b"]),
        ([suite("failed", "a:missing", "b:failed")], [], []),
        ([suite("crashed", "a:crashed", "b:missing")], [], []),
        (
            [suite("hung", "a:hung", "b:missing")],
            [hang("a", "lockup", top_frame="f+0x1/0x2")],
            ["b"],
        ),
        ([suite("hung", "a:hung", "b:missing")], [hang("a")], ["a", "b"]),
    ],
)
def test_the_tests_that_are_booted_alone(
    suites: list[Suite], findings: list[Finding], expected: list[str]
) -> None:
    assert [test for _, test in hang_trials.unfinished(suites, findings)] == expected


@pytest.mark.parametrize(
    ("test", "suites", "findings", "expected"),
    [
        ("a", [suite("passed", "a:passed")], [], ("passed", None)),
        ("a", [suite("hung", "a:missing")], [hang()], ("hung", None)),
        ("a", [suite("hung", "a:hung")], [hang("a", "lockup")], ("hung", None)),
        ("a", [suite("missing", "a:missing")], [], ("unknown", None)),
        ("a", [], [], ("unknown", None)),
        ("a", [suite("crashed", "a:crashed")], [], ("crashed", None)),
        (None, [suite("passed", "a:passed")], [], ("passed", None)),
        (None, [suite("hung", "a:passed", "b:hung")], [hang("b")], ("hung", "b")),
        (None, [suite("hung", "a:missing")], [hang()], ("hung", None)),
    ],
)
def test_the_outcome_of_a_test_booted_alone(
    test: str | None, suites: list[Suite], findings: list[Finding], expected: tuple[str, str | None]
) -> None:
    assert hang_trials.outcome("mermap", test, suites, findings) == expected


@pytest.mark.parametrize(
    ("config", "smp", "detector"),
    [
        ({}, False, False),
        ({"SMP": "y"}, True, False),
        ({"SMP": "y", "SOFTLOCKUP_DETECTOR": "y"}, True, True),
        ({"SMP": "n", "SOFTLOCKUP_DETECTOR": "n"}, False, False),
    ],
)
def test_the_detectors_of_a_configuration(
    config: dict[str, str], smp: bool, detector: bool
) -> None:
    watching = hang_trials.watching(config)
    assert (watching.smp, watching.detector) == (smp, detector)


PANIC = """\
Kernel panic - not syncing: the test did it
CPU: 0 UID: 0 PID: 27 Comm: kunit_try_catch Tainted: G                 N 6.12.99 #1
Call Trace:
 <TASK>
 panic+0x118/0x2f0
 test_size+0x9f/0x400
 kunit_try_run_case+0x6c/0x180
 </TASK>
---[ end Kernel panic - not syncing: the test did it ]---
"""


@pytest.mark.parametrize(
    ("head", "code", "verdict", "test"),
    [
        (f"{HEAD}    1..4\n    ok 1 test_basic_alloc\n", 1, "failed", "test_size"),
        ("Linux version 6.12.99\n", 3, "no-verdict", None),
    ],
    ids=["in-a-test", "before-ktap"],
)
def test_a_panic_never_burns_the_time_limit(
    fake_tree: Path, tmp_path: Path, head: str, code: int, verdict: str, test: str | None
) -> None:
    """Without panic=-1 the machine does not end; the panic's last line ends the boot."""
    log = tmp_path / "panic.log"
    log.write_text(head + PANIC)
    began = time.monotonic()
    argv = ("--no-default-args", "--no-trace", "--silence=40")
    done = run_alone(fake_tree, *argv, FAKE_LOG=str(log), FAKE_BOOT="stay,stubborn")
    assert time.monotonic() - began < 30
    (cell,) = json.loads(done.stdout)["cells"]
    assert (done.returncode, cell["verdict"]) == (code, verdict)
    assert "panic=-1" not in cell["kernel_args"]
    assert "the test did it" in json.dumps(cell["findings"])
    if test:
        assert [(each["code"], each["test"]) for each in cell["findings"]] == [
            ("kernel-panic", test)
        ]
        statuses = {each["name"]: each["status"] for each in cell["suites"][0]["tests"]}
        assert statuses[test] == "crashed"
    assert cell["triage"] == []
    assert not processes_of(fake_tree)


def test_boots_of_equal_and_odd_names_have_folders_of_their_own(tmp_path: Path) -> None:
    """Two suites may both have a test `basic`, and a test may have any name."""
    long = "x" * 300
    names = [
        *("one.basic", "two.basic", "a b.basic", "a_b.basic", "a-b.c", "a.b-c", "../../etc"),
        *(f"{long}.1", f"{long}.2", "mermap", "mermap-list", "mermap.list", "", "\x1b[2J", "é"),
    ]
    for name in names:
        folder = hang_triage._folder(tmp_path, name)
        assert folder.parent == tmp_path
        folder.mkdir()
    made = sorted(path.name for path in tmp_path.iterdir())
    assert len(made) == len(names)
    assert made[:2] == ["triage-01-one.basic", "triage-02-two.basic"]
    assert all(len(name) <= 100 and name.isascii() and name.isprintable() for name in made)


def test_the_console_of_each_boot_stays(fake_tree: Path, tmp_path: Path) -> None:
    env = logs(tmp_path / "logs", UNKNOWN, test_size=HANGS)
    consoles = [each["console"] for each in cell_of(fake_tree, env)["triage"]]
    assert len(set(consoles)) == len(consoles)
    assert [Path(each).parent.name for each in consoles][1] == "triage-02-mermap.test_size"
