# SPDX-License-Identifier: GPL-2.0-only
"""`mutate`: fates, the score, its report, and a session that goes on; real git and processes."""

from __future__ import annotations

import io
import itertools
import json
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from mermapctl.cli import root
from mermapctl.commands import mutate as command
from mermapctl.config.target import without_tree
from mermapctl.errors import UserError
from mermapctl.judge.result_types import Boot, Ended, Reason, Verdict
from mermapctl.mutation import compiled, lanes, score, sessions, trial
from mermapctl.mutation.compiled import CompiledObject
from mermapctl.mutation.mutant import Fate, Mutant, MutantResult
from mermapctl.mutation.report import SCHEMA, MutationReport
from mermapctl.render import mutation
from mermapctl.runner import boot
from mermapctl.runner.boot import Booted
from mermapctl.runner.job import Job
from mermapctl.runner.kernel import Kernel
from mermapctl.runner.kunit import BootRequest
from mermapctl.system import program
from tests import jobs
from tests import sample_records as samples
from tests.conftest import git

MUTANT = Mutant("mm/mermap.c", 85, "\tflush();", "\t(void)0;", "a flush is dropped", "look")
PASSED, FAILED = samples.cell_passed(), samples.cell_missing_flush()
DEAD = samples.cell_no_verdict(Reason.BOOT_FAILED)


@pytest.mark.parametrize(
    ("whole", "alone", "fate"),
    [
        (PASSED, PASSED, Fate.SURVIVED),
        (FAILED, FAILED, Fate.KILLED),
        (FAILED, PASSED, Fate.TRACE),
        (DEAD, DEAD, Fate.KILLED),
        (replace(DEAD, reason=Reason.HARNESS_ERROR), DEAD, Fate.UNJUDGED),
    ],
)
def test_a_console_decides_the_fate(whole: object, alone: object, fate: Fate) -> None:
    assert trial.judged(MUTANT, whole, alone).fate is fate  # type: ignore[arg-type]


def test_a_killed_mutant_names_test_and_finding() -> None:
    found = trial.judged(MUTANT, FAILED, FAILED)
    assert found.codes == ("missing-flush",)
    assert found.tests == ("mermap.test_tlb_flushed",)
    assert FAILED.verdict is Verdict.FAILED


def results(**numbers: int) -> list[MutantResult]:
    made = [fate for name, number in numbers.items() for fate in [Fate(name)] * number]
    return [
        MutantResult(replace(MUTANT, line=at), fate, said="look", function="f")
        for at, fate in enumerate(made, 1)
    ]


def test_the_score_counts_other_programs_with_a_verdict() -> None:
    tried = results(killed=5, trace=2, hung=1, survived=1, uncovered=1, equivalent=7, unbuilt=9)
    made = score.of([*tried, *results(unjudged=3)], sampled=False)
    assert (made.counted, made.seen, made.by_suite, made.low) == (10, 8, 6, None)
    sampled = score.of(tried, sampled=True)
    assert sampled.low is not None
    assert sampled.high is not None
    assert 0.45 < sampled.low < 0.8 < sampled.high < 0.95
    assert score.of(results(equivalent=4), sampled=True).share is None


def report(**changes: object) -> MutationReport:
    tried = tuple(results(killed=2, survived=2, equivalent=1))
    made = MutationReport(
        SCHEMA, "/linux", "c" * 40, "x86_64", "base", "mermap", ("mm/mermap.c",), 900, 4, 1, 9.0,
        interrupted=False, score=score.of(tried, sampled=True), results=tried,
        notes=("a <b> note",),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def shown(form: str, made: MutationReport) -> str:
    out = io.StringIO()
    mutation.print_report(made, form, out)
    return out.getvalue()


def test_every_form_has_the_score_and_the_survivors_as_diffs() -> None:
    for form in ("table", "markdown", "html"):
        text = shown(form, report())
        assert "2 of 4 mutants (50.0 %)" in text
        assert "mm/mermap.c:3 in f()" in text
        assert "-flush();" in text
        assert "+(void)0;" in text
        assert "look" in text
    assert "95 % interval of a sample: 15 to 85 %" in shown("table", report())
    assert "&lt;b&gt;" in shown("html", report())
    document = json.loads(shown("json", report()))
    assert document["score"]["seen"] == 2
    assert document["results"][0]["fate"] == "killed"
    cut = shown("table", report(interrupted=True))
    assert "5 of 900 mutants of mm/mermap.c, suite mermap, interrupted" in cut
    assert "no score" in shown("table", report(score=score.of([], sampled=False)))


@pytest.mark.parametrize(
    ("source", "error"),
    [("int f(void) { return 1; }", None), ("int f(void) { return 1 +; }", "expected expression")],
)
def test_a_file_is_compiled_by_kbuilds_command(
    fake_tree: Path, tmp_path: Path, source: str, error: str | None
) -> None:
    (tmp_path / "a b.c").write_text(source)
    (tmp_path / "x.o").write_bytes(b"the object of an earlier mutant")
    (tmp_path / ".x.o.cmd").write_text(
        "savedcmd_x.o := gcc -c -o x.o -DPOUND='\"$(pound)\"' -DM=$$((1)) 'a b.c'; true x.o\n"
    )
    target = without_tree("x86_64", "qemu-system-x86_64")
    job = jobs.job(fake_tree, target, build_dir=tmp_path, kunitconfig=tmp_path / "k")
    made = compiled.compile_file(job, "x.c")
    assert (made.digest is None, made.error is None) == (error is not None, error is None)
    assert (error or "") in (made.error or "")
    assert compiled.compile_file(job, "mm/other.c") == CompiledObject()


@pytest.fixture
def tree(fake_tree: Path) -> Path:
    (fake_tree / "mm/mermap.c").write_text("int f(int size)\n{\n\treturn size <= 4;\n}\n")
    (fake_tree / "mm/boots").write_text("a kernel\n")  # what its image contains
    git(fake_tree, "add", "mm")
    git(fake_tree, "commit", "-q", "-m", "mermap")
    return fake_tree


def mutate(tree: Path, *words: str) -> tuple[dict[str, object], str]:
    argv = ["mutate", f"--tree={tree}", "--accel=tcg", "--format=json", *words]
    done = CliRunner().invoke(root.root, argv)
    assert done.exit_code == 0, (done.exception, done.stderr)
    made: dict[str, object] = json.loads(done.stdout)
    return made, done.stderr


def test_a_session_goes_on_where_it_was_and_leaves_the_tree_alone(tree: Path) -> None:
    before = git(tree, "status", "--porcelain"), (tree / "mm/mermap.c").read_bytes()
    first, said = mutate(tree, "--rules=mermap")
    # The stand-in's kernel is the same whatever its source says.
    assert [each["fate"] for each in first["results"]] == ["equivalent"]  # type: ignore[attr-defined]
    assert "1 mutants, 0 tried before" in said
    again, said = mutate(tree, "--rules=mermap")
    assert again["results"] == first["results"]
    assert "1 tried before" in said
    assert "0 tried before" in mutate(tree, "--rules=mermap", "--rerun")[1]
    assert (git(tree, "status", "--porcelain"), (tree / "mm/mermap.c").read_bytes()) == before
    (tree / "mm/mermap.c").write_text("int f(int size)\n{\n\treturn size < 4;\n}\n")
    changed, said = mutate(tree, "--rules=mermap")
    assert "0 tried before" in said
    assert changed["commit"] != first["commit"]


def test_a_sample_ends_when_enough_mutants_count() -> None:
    order = results(unbuilt=2, killed=1, equivalent=1, survived=1, hung=1)

    def taken(wanted: int | None) -> int:
        return len(list(command._sampled(wanted, iter(order))))

    assert [taken(each) for each in (1, 2, 3, 4, None)] == [3, 5, 6, 6, 6]


def test_what_took_the_place_of_a_sessions_files_is_neither_read_nor_written(
    tree: Path, home: Path, tmp_path: Path
) -> None:
    first, _ = mutate(tree, "--rules=mermap")
    (place,) = (home / "state/mutants").iterdir()
    (result,) = place.glob("*.json")
    result.write_bytes(result.read_bytes()[:-9])
    other = tmp_path / "other"
    other.write_text("mine")
    made = [path for path in (place / "work").rglob("*") if path.is_file()]
    assert len(made) > 8
    for path, kind in zip(made, itertools.cycle(("FIFO", "directory", "link"))):
        path.unlink()
        if kind == "FIFO":
            os.mkfifo(path)
        elif kind == "directory":
            (path / "x").mkdir(parents=True)
        else:
            path.symlink_to(other)
    again, said = mutate(tree, "--rules=mermap")
    assert "0 tried before" in said
    fates = [[each["fate"] for each in made["results"]] for made in (first, again)]  # type: ignore[attr-defined]
    assert fates[0] == fates[1]
    assert other.read_text() == "mine"
    shutil.rmtree(place / "work")
    os.mkfifo(place / "work")
    assert mutate(tree, "--rules=mermap", "--rerun")[0]["score"] == first["score"]


SIZES = """int g(int size, int limit)
{
	if (size > limit)
		return 1;
	if (size < limit)
		return 2;
	return size <= 4 || limit >= 7;
}
"""


def test_lanes_share_the_mutants_and_keep_the_order_of_the_draw(tree: Path) -> None:
    (tree / "mm/mermap.c").write_text(SIZES)
    made, said = mutate(tree, "--rules=mermap", "--lanes=2")
    lines = [each["mutant"]["line"] for each in made["results"]]  # type: ignore[attr-defined]
    assert lines == [3, 5, 7, 7]
    tried = [line.split()[1] for line in said.splitlines() if " of 4: mm/mermap.c:" in line]
    assert tried == ["1", "2", "3", "4"]


def test_a_lane_that_ends_early_is_named_with_its_error(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_RUN_MUTANTS", "no-such-command")
    argv = ["mutate", f"--tree={tree}", "--accel=tcg", "--rules=mermap"]
    done = CliRunner().invoke(root.root, argv)
    assert "the process of a lane ended with 2" in str(done.exception)
    assert "no-such-command" in str(done.exception)


@pytest.mark.parametrize(
    ("mutants", "wanted", "cached", "number"),
    [(50, None, True, 1), (220, None, True, 2), (220, None, False, 1), (9000, None, False, 2),
     (50, 3, False, 3), (1, 3, False, 1)],
)  # fmt: skip
def test_a_further_lane_pays_for_its_first_build(
    monkeypatch: pytest.MonkeyPatch, mutants: int, wanted: int | None, cached: bool, number: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1})
    monkeypatch.setattr("mermapctl.series.budget.available_kb", lambda: 8_000_000)
    assert lanes.number(mutants, wanted, cached=cached) == number
    monkeypatch.setattr("mermapctl.series.budget.available_kb", lambda: 1_000_000)
    assert lanes.number(9000, None, cached=cached) == 1


def test_a_line_that_no_test_runs_is_compiled_but_not_booted(
    tmp_path: Path,
) -> None:
    (tmp_path / "x.c").write_text("int f(void) { return 1; }")
    (tmp_path / "x.o").touch()
    (tmp_path / ".x.o.cmd").write_text(f"savedcmd_x.o := gcc -c -o x.o {tmp_path}/x.c\n")
    target = without_tree("x86_64", "qemu-system-x86_64")
    job = jobs.job(tmp_path, target, build_dir=tmp_path, kunitconfig=tmp_path / "k")
    text = (tmp_path / "x.c").read_text()
    known = trial.Original(job, {"x.c": text}, {"x.c": "another"}, "image")
    tried = {
        after: trial.run(known, Mutant("x.c", 1, text, after, "C"), "f", covered=False).fate
        for after in ("int f(void) { return 2; }", "int f(void) { return 2 }")
    }
    assert list(tried.values()) == [Fate.UNCOVERED, Fate.UNBUILT]
    assert (tmp_path / "x.c").read_text() == text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--suite=example"], "which files does the suite example test"),
        (["mm"], "mutants are made of .c files"),
        (["mm/gone.c"], "no such file"),
        (["--variant=base", "--variant=smp"], "one --variant"),
    ],
)
def test_what_cannot_be_changed_is_wrong_usage(tree: Path, words: list[str], says: str) -> None:
    done = CliRunner().invoke(root.root, ["mutate", f"--tree={tree}", "--rules=mermap", *words])
    assert says in f"{done.exception}{done.stderr}"


def test_a_suite_that_fails_unchanged_has_no_score(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_LOG", str(Path(__file__).parents[1] / "logs/missing-flush.log"))
    argv = ["mutate", f"--tree={tree}", "--accel=tcg", "--rules=mermap"]
    done = CliRunner().invoke(root.root, argv)
    assert "does not pass on the unchanged files" in str(done.exception)


@pytest.mark.parametrize(("used", "boots", "said"), [(7.0, 1, "it loops"), (1.0, 2, "hung twice")])
def test_a_loop_costs_one_limit_and_an_idle_guest_gets_a_longer_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, used: float, boots: int, said: str
) -> None:
    target = without_tree("x86_64", "qemu-system-x86_64")
    job = jobs.job(tmp_path, target, build_dir=tmp_path, kunitconfig=tmp_path / "k")
    kernel = Kernel({}, "bzImage", None, None, None, lingers=False, own_init=False)
    limits = []

    def silent(job: Job, *_: object) -> Booted:
        limits.append(job.timeout)
        hung = Boot(ended=Ended.SILENCE)
        return Booted(kernel, 8.0, hung, "tcg", BootRequest("mermap", (), (), 30))

    moments = iter((10.0, 10.0 + used))
    monkeypatch.setattr(program, "processor_seconds", lambda: next(moments))
    monkeypatch.setattr(boot, "boot", silent)
    monkeypatch.setattr("mermapctl.runner.kernel.read", lambda _job: kernel)
    monkeypatch.setattr(trial, "_judged", lambda *_, **__: DEAD)
    found = trial._booted(job, MUTANT)
    assert (found.fate, found.said, len(limits)) == (Fate.HUNG, said, boots)
    assert limits == [job.timeout, trial.PATIENT * job.timeout][:boots]


def test_two_trees_with_the_same_files_try_no_mutant_at_the_same_time(
    tree: Path, home: Path, tmp_path: Path
) -> None:
    assert mutate(tree, "--rules=mermap")[0]["made"] == 1
    (place,) = sessions.root().iterdir()
    assert stat.S_IMODE((home / "state").stat().st_mode) == 0o700
    twin = tmp_path / "twin" / tree.name
    shutil.copytree(tree, twin)
    argv = ["mutate", f"--tree={twin}", "--accel=tcg", "--rules=mermap", "--no-wait"]
    with sessions.locked(place, "another", wait=True, waiting=print):
        done = CliRunner().invoke(root.root, argv)
    assert isinstance(done.exception, UserError)
    assert "the same mutants are being tried by process" in done.exception.message
    assert CliRunner().invoke(root.root, argv).exit_code == 0
    assert [*sessions.root().iterdir()] == [place]
