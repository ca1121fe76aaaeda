# SPDX-License-Identifier: GPL-2.0-only
"""Runs are traced by default; a failed one is booted once more without probes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mermapctl.config import plan, target
from mermapctl.config.plan import Request
from mermapctl.errors import UserError
from mermapctl.judge import unprobed
from mermapctl.judge.hang_trial import Outcome, Trial
from mermapctl.judge.result_types import Severity, Verdict
from mermapctl.judge.unprobed import Unprobed
from mermapctl.records import record
from mermapctl.render.documents import mail, markdown
from mermapctl.render.html import page
from tests import sample_records as samples
from tests.forkserver import command
from tests.interruption import interrupted
from tests.runner.test_run import document, processes_of, run
from tests.tables import LOGS

PROBES = "kprobe_event="
TEST = "mermap.test_tlb_flushed"
OFF = {
    "KPROBES": "# CONFIG_KPROBES is not set\n",
    "FTRACE": "# CONFIG_FTRACE is not set\n",
    "PRINTK_CALLER": "# CONFIG_PRINTK_CALLER is not set\n",
}


def console(name: str) -> str:
    return str(LOGS / f"{name}.log")


def told(path: str | None) -> str:
    return Path(path or "").read_text(encoding="utf-8", errors="replace")


def cell_of(tree: Path, first: str, second: str, *argv: str, **env: str) -> dict[str, Any]:
    """Return the cell of a run whose boots with and without probes print these consoles."""
    logs = {"FAKE_LOG": console(first), "FAKE_PLAIN_LOG": console(second)}
    (cell,) = document(tree, *argv, **logs, **env)["cells"]
    return dict(cell)


def arguments(path: Path) -> list[str]:
    """Return the kernel's command line of each boot."""
    boots = [json.loads(line) for line in path.read_text().splitlines()]
    return [boot[boot.index("-append") + 1] for boot in boots]


def test_a_plain_run_sees_the_flushes(fake_tree: Path, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    cell = cell_of(fake_tree, "trace-good", "good", FAKE_ARGS=str(said))
    (line,) = arguments(said)
    assert PROBES in line
    assert "CONFIG_KPROBE_EVENTS=y" in told(cell["artifacts"]["config"])
    assert (cell["verdict"], cell["variant"]) == ("passed", "base")
    (row,) = cell["flushes"]
    assert (row["observed"], row["words"]) == (1, "one flush at reuse, as required")
    assert (cell["confirmed"], cell["untraced"]) == (None, None)
    assert cell["artifacts"]["console_untraced"] is None


def test_without_probes_it_is_the_same_kernel_and_flushes_are_counted(
    fake_tree: Path, tmp_path: Path
) -> None:
    said = tmp_path / "arguments"
    traced = cell_of(fake_tree, "trace-good", "good")
    cell = cell_of(fake_tree, "trace-good", "good", "--no-trace", FAKE_ARGS=str(said))
    assert PROBES not in arguments(said)[0]
    assert "nothing has changed since the last build" in cell["notes"][0]
    assert told(cell["artifacts"]["config"]) == told(traced["artifacts"]["config"])
    (row,) = cell["flushes"]
    assert (row["counted"], row["observed"]) == (1, None)
    assert row["words"] == "one flush at reuse: counted, not observed"
    assert cell["notes"][1] == ("not traced (--no-trace): TLB flushes are counted, not observed")
    assert "--no-trace" in cell["reproduce"][0]
    assert "--no-trace" not in traced["reproduce"][0]
    assert cell["confirmed"] is None


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--trace"], "there is no --trace any more: runs are traced by default"),
        (["--variant=trace"], "there is no variant trace any more: runs are traced by default"),
        (["--variant=smp+trace"], "there is no variant trace any more"),
    ],
)
def test_former_ways_to_ask_for_a_trace_are_refused(
    fake_tree: Path, argv: list[str], message: str
) -> None:
    done = run(fake_tree, *argv)
    assert done.returncode == 2
    assert message in done.stderr
    assert "leave it out; --no-trace boots without probes" in done.stderr


@pytest.mark.parametrize("symbol", sorted(OFF))
def test_a_fragment_that_switches_the_trace_off_wins(
    fake_tree: Path, tmp_path: Path, symbol: str
) -> None:
    own, said = tmp_path / "own.kunitconfig", tmp_path / "arguments"
    own.write_text(OFF[symbol])
    asked = (f"--config={own}",)
    cell = cell_of(fake_tree, "trace-good", "good", *asked, FAKE_ARGS=str(said))
    assert PROBES not in arguments(said)[0]
    assert "CONFIG_KPROBE_EVENTS=y" not in told(cell["artifacts"]["config"])
    (note,) = cell["notes"]
    assert note.startswith(f"not traced (# CONFIG_{symbol} is not set ({own}:1)): ")
    assert cell["verdict"] == "passed"


def test_probes_of_the_users_own_are_not_replaced(fake_tree: Path, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    own = "--kernel-arg=kprobe_event=p:mine,vfs_read"
    cell = cell_of(fake_tree, "good", "good", own, FAKE_ARGS=str(said))
    assert arguments(said)[0].count(PROBES) == 1
    assert "takes the place of the trace's probes" in cell["notes"][0]


def test_a_command_line_without_room_has_no_probes(fake_tree: Path, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    cell = cell_of(fake_tree, "good", "good", f"--kernel-arg=x={'y' * 1300}", FAKE_ARGS=str(said))
    assert PROBES not in arguments(said)[0]
    assert "has no room left for the probes" in cell["notes"][0]


def test_a_tree_that_refuses_the_symbols_is_built_without_them(
    fake_tree: Path, tmp_path: Path
) -> None:
    said = tmp_path / "arguments"
    env = {"FAKE_UNSATISFIED": "KPROBE_EVENTS", "FAKE_ARGS": str(said)}
    for again in (False, True):
        cell = cell_of(fake_tree, "trace-good", "good", **env)
        assert cell["verdict"] == "passed"
        assert any("this tree and target do not give what a trace" in n for n in cell["notes"])
        assert cell["missing"] == []
        assert PROBES not in arguments(said)[-1]
        assert any("nothing has changed" in note for note in cell["notes"]) is again


def test_lockdep_keeps_its_one_report_for_the_suite(fake_tree: Path, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    own = tmp_path / "own.kunitconfig"
    own.write_text("CONFIG_PROVE_LOCKING=y\n")
    for asked in (f"--config={own}", "--variant=debug"):
        cell = cell_of(fake_tree, "trace-good", "good", asked, FAKE_ARGS=str(said))
        assert cell["verdict"] == "passed"
        assert any("lockdep stops at its first report" in note for note in cell["notes"])
        assert PROBES not in arguments(said)[-1]


def test_another_suite_and_another_target_have_nothing_to_trace(fake_tree: Path) -> None:
    cells = plan.make(target.read(fake_tree), Request(targets=("um", "x86_64"), suite="example"))
    assert [cell.traced for cell in cells] == [False, False]
    assert [cell.variant.fragment.value("KPROBES") for cell in cells] == [None, None]
    assert [cell.untraced for cell in cells] == [None, None]


def test_a_failure_is_there_without_probes_too(fake_tree: Path, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    cell = cell_of(fake_tree, "missing-flush", "missing-flush", FAKE_ARGS=str(said))
    assert [PROBES in line for line in arguments(said)] == [True, False]
    assert (cell["verdict"], cell["confirmed"]) == ("failed", True)
    plain = cell["untraced"]
    assert (plain["verdict"], plain["symptoms"], plain["stands"]) == ("failed", [TEST], False)
    assert plain["words"] == f"booted again without probes: it fails there too ({TEST})"
    first, second = cell["artifacts"]["console"], cell["artifacts"]["console_untraced"]
    assert first.endswith("/console.log")
    assert second.endswith("/console-untraced.log")
    assert PROBES in told(first)
    assert PROBES not in told(second)
    assert PROBES in " ".join(cell["kernel_args"])
    assert PROBES in cell["reproduce"][-1]


def test_a_failure_only_with_probes_is_marked_and_stays_a_failure(fake_tree: Path) -> None:
    cell = cell_of(fake_tree, "missing-flush", "good")
    assert (cell["verdict"], cell["confirmed"]) == ("failed", False)
    codes = {finding["code"]: finding for finding in cell["findings"]}
    assert codes["only-with-probes"]["severity"] == "warning"
    assert codes["only-with-probes"]["summary"] == f"{TEST} fails only with probes"
    assert cell["untraced"]["verdict"] == "passed"


def test_a_failure_of_another_kind_does_not_confirm(fake_tree: Path) -> None:
    cell = cell_of(fake_tree, "missing-flush", "region-too-small")
    assert (cell["verdict"], cell["confirmed"]) == ("failed", False)
    words = cell["untraced"]["words"]
    assert f"but otherwise (mermap.test_size); only with probes: {TEST}" in words
    assert "only-with-probes" not in [finding["code"] for finding in cell["findings"]]


def test_a_boot_without_probes_does_not_refute_findings_of_a_trace(fake_tree: Path) -> None:
    cell = cell_of(fake_tree, "trace-counted-not-done", "good")
    assert (cell["verdict"], cell["confirmed"]) == ("failed", None)
    assert cell["untraced"]["verdict"] == "passed"
    assert cell["untraced"]["words"] == (
        "booted again without probes: the suite passes there; what the trace alone shows is "
        "neither confirmed nor denied by it"
    )


def test_a_kernel_that_gives_no_account_with_probes_is_judged_without(fake_tree: Path) -> None:
    cell = cell_of(fake_tree, "panic-before-ktap", "good")
    assert (cell["verdict"], cell["reason"], cell["detail"]) == ("passed", None, None)
    assert (cell["confirmed"], cell["untraced"]["stands"]) == (None, True)
    (row,) = cell["flushes"]
    assert (row["observed"], row["words"]) == (None, "one flush at reuse: counted, not observed")
    assert "Kernel panic" in cell["untraced"]["words"]
    assert [finding["code"] for finding in cell["findings"]] == ["only-with-probes"]
    assert cell["artifacts"]["console"] == cell["artifacts"]["console_untraced"]
    first = Path(cell["artifacts"]["directory"]) / "console.log"
    assert "Kernel panic" in first.read_text()
    assert PROBES not in " ".join(cell["kernel_args"])
    assert PROBES not in cell["reproduce"][-1]


def test_a_kernel_that_gives_no_account_at_all_has_no_verdict(fake_tree: Path) -> None:
    cell = cell_of(fake_tree, "panic-before-ktap", "panic-before-ktap")
    assert (cell["verdict"], cell["reason"]) == ("no-verdict", "boot-failed")
    assert (cell["confirmed"], cell["untraced"]["stands"]) == (True, False)
    assert cell["artifacts"]["console"].endswith("/console.log")


def test_a_hang_costs_its_time_once(fake_tree: Path, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    env = {"FAKE_BOOT": "stay", "FAKE_ARGS": str(said)}
    cell = cell_of(fake_tree, "hang-one-cpu", "good", "--silence=1", "--no-triage", **env)
    assert len(arguments(said)) == 1
    assert (cell["verdict"], cell["confirmed"], cell["untraced"]) == ("failed", None, None)
    assert cell["notes"] == [
        "not booted again without probes: the hang would take its time once more"
    ]


def test_the_boots_after_a_hang_have_no_probes_and_confirm_it(
    fake_tree: Path, tmp_path: Path
) -> None:
    said = tmp_path / "arguments"
    env = {"FAKE_BOOT": "stay", "FAKE_ARGS": str(said)}
    cell = cell_of(fake_tree, "hang-one-cpu", "hang-one-cpu", "--silence=1", **env)
    first, *others = arguments(said)
    assert others
    assert [PROBES in line for line in (first, *others)] == [True, *[False] * len(others)]
    assert cell["confirmed"] is True
    assert cell["notes"][-1].startswith("booted without probes it hangs too (mermap.")


@pytest.mark.parametrize(
    ("outcomes", "confirmed"),
    [
        ([("test_size", Outcome.HUNG)], True),
        ([("test_size", Outcome.PASSED), (None, Outcome.HUNG)], True),
        ([("test_size", Outcome.PASSED), (None, Outcome.PASSED)], False),
        ([("test_size", Outcome.PASSED)], None),
        ([("test_size", Outcome.PASSED), (None, Outcome.UNKNOWN)], None),
    ],
)
def test_hang_triage_confirms_without_probes(
    outcomes: list[tuple[str | None, Outcome]], confirmed: bool | None
) -> None:
    trials = [Trial("mermap", test, outcome, 1.0) for test, outcome in outcomes]
    said = unprobed.by_trials(trials)
    assert (said.confirmed if said else None) is confirmed


def test_an_interrupted_second_boot_leaves_the_first_verdict(fake_tree: Path) -> None:
    env = {
        "FAKE_LOG": console("missing-flush"),
        "FAKE_PLAIN_LOG": console("good"),
        "FAKE_PLAIN_BOOT": "trickle,stubborn",
    }
    (cell,) = interrupted(fake_tree, until="booting once more without probes", env=env)["cells"]
    assert (cell["verdict"], cell["reason"]) == ("failed", "interrupted")
    assert "during the boot without probes" in cell["detail"]
    assert cell["findings"][0]["code"] == "missing-flush"
    assert cell["confirmed"] is None
    assert PROBES in told(cell["artifacts"]["console"])
    assert not processes_of(fake_tree)


@pytest.mark.parametrize(
    ("first", "second", "verdict", "confirmed"),
    [
        ("missing-flush", "good", "failed", False),
        ("missing-flush", "missing-flush", "failed", True),
        ("trace-counted-not-done", "good", "failed", None),
        ("panic-before-ktap", "good", "passed", None),
        ("panic-before-ktap", "panic-before-ktap", "no-verdict", True),
    ],
)
def test_judging_both_boots_again_gives_the_same(
    fake_tree: Path, first: str, second: str, verdict: str, confirmed: bool | None
) -> None:
    before = cell_of(fake_tree, first, second)
    assert (before["verdict"], before["confirmed"]) == (verdict, confirmed)
    done = command("report", "rejudge", "latest")
    assert done.returncode in {0, 1, 3}, done.stderr
    shown = command("report", "latest", "--format=json")
    (after,) = json.loads(shown.stdout)["cells"]
    assert after == before


def plain(verdict: Verdict, *symptoms: str) -> Unprobed:
    return Unprobed(verdict, 0.7, symptoms=symptoms)


@pytest.mark.parametrize(
    ("traced", "second", "confirmed", "words"),
    [
        (["a", "b"], plain(Verdict.FAILED, "a"), True, "too (a); only with probes: b"),
        (["a"], plain(Verdict.FAILED, "a", "b"), True, "too (a); only without: b"),
        (["a"], plain(Verdict.FAILED, "b"), False, "otherwise (b); only with probes: a"),
        (["a"], plain(Verdict.PASSED), False, "it passes there"),
        (["a"], plain(Verdict.NO_VERDICT), None, "no verdict there"),
        ([], plain(Verdict.FAILED, "b"), None, "the suite fails there (b)"),
        ([], plain(Verdict.PASSED), None, "the suite passes there"),
    ],
)
def test_two_boots_are_held_against_each_other(
    traced: list[str], second: Unprobed, confirmed: bool | None, words: str
) -> None:
    said = unprobed.compare(traced, second)
    assert said.confirmed is confirmed
    assert words in said.words
    only = confirmed is False and second.verdict is Verdict.PASSED
    assert (said.finding is not None) is only
    if said.finding:
        assert said.finding.severity is Severity.WARNING


def test_every_format_tells_the_second_boot() -> None:
    words = "booted again without probes: it fails there too (mermap.test_tlb_flushed)"
    made = samples.failed()
    second = Unprobed(Verdict.FAILED, 0.7, symptoms=(TEST,), words=words)
    cells = tuple(replace(cell, confirmed=True, untraced=second) for cell in made.cells)
    told_twice = replace(made, cells=cells)
    assert words in page.render(told_twice)
    assert "booted again without probes: it fails there too" in markdown.render(told_twice)
    assert words in " ".join(mail.render(told_twice).split())
    assert record.from_json(record.to_json(told_twice)) == told_twice


def test_a_record_of_the_variant_that_was_is_still_read() -> None:
    old = samples.traced()
    assert old.cells[0].variant == "trace"
    raw = json.loads(record.to_json(old))
    for cell in raw["cells"]:
        del cell["confirmed"], cell["untraced"], cell["artifacts"]["console_untraced"]
    assert record.from_json(json.dumps(raw).encode()) == old


def test_the_variant_that_was_cannot_be_asked_for(fake_tree: Path) -> None:
    with pytest.raises(UserError, match="runs are traced by default"):
        plan.make(target.read(fake_tree), Request(variants=("base+trace",)))
