# SPDX-License-Identifier: GPL-2.0-only
"""The corpus of seeded faults: headers, patches, expectations, and its runner without a kernel."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mermapctl.cli.run import command
from mermapctl.tree import overlay, postings
from mermapctl.tree.postings import Posting
from tests.conftest import git
from tests.faults import corpus, page, seeded, trial
from tests.faults.corpus import FAULTS, ROOT, Case, Expected
from tests.faults.environment import ENVIRONMENTS
from tests.faults.stressed import Stressed
from tests.faults.trial import Trial
from tests.faults.verdicts import Judged
from tests.tables import LOGS
from tests.tree.test_postings import reference_excerpt

CASES = corpus.faults()
SEEDED = corpus.put_into_mermaps(CASES)
EVERY = (*CASES, *corpus.good())
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
KUNIT_SAYS = {"passed", "failed", "crashed", "no tests", "build failed", "config failed"}


@pytest.fixture
def excerpt(tmp_path: Path) -> Path:
    """Commit a small tree with the reference mermap."""
    tree = reference_excerpt(tmp_path / "excerpt")
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "the reference mermap")
    return tree


def known_codes() -> set[str]:
    """Return the codes in the tables of findings of docs/verdicts.md and docs/trace.md."""
    pages = (("verdicts", "\n## Findings\n"), ("trace", "\n## What is judged\n"))
    texts = [(ROOT / f"docs/{page}.md").read_text().split(head)[1] for page, head in pages]
    lines = "\n".join(text.split("\n## ")[0] for text in texts).splitlines()
    rows = [line.split("|")[1] for line in lines if line.startswith("| `")]
    return {code for row in rows for code in re.findall(r"`([a-z-]+)`", row)}


def test_the_corpus_is_large_and_counted() -> None:
    assert len(CASES) >= 24
    assert [case.name.split("-")[0] for case in CASES] == [
        f"{number:02}" for number in range(1, len(CASES) + 1)
    ]
    assert len({case.subject for case in CASES}) == len(CASES)


@each
def test_a_header_has_all_fields(case: Case) -> None:
    assert len(case.subject) <= 72
    assert case.body.endswith(".")
    assert case.kunit in KUNIT_SAYS
    assert case.environment in ENVIRONMENTS
    assert bool(case.patch) != bool(case.environment)


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.name)
def test_expectations_agree_with_themselves(case: Case) -> None:
    codes = known_codes()
    assert (case.witnessed or frozenset()) <= codes
    assert (case.stressed or frozenset()) <= codes
    for expected in filter(None, (case.plain, case.traced)):
        assert expected.codes <= codes
        assert expected.verdict in {"passed", "failed", "no-verdict"}
        assert bool(expected.reason) == (expected.verdict == "no-verdict")
        if not expected.reason:
            assert bool(expected.codes) == (expected.verdict == "failed")


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.name)
def test_the_options_of_run_exist(case: Case) -> None:
    parsed = command.make_context("run", list(case.run))
    assert parsed.params["form"] == "table"


@each
def test_every_fault_is_named(case: Case) -> None:
    last = case.traced or case.plain
    elsewhere = case.witnessed or case.stressed
    assert last.verdict != "passed" or elsewhere
    assert last.codes or elsewhere or last.reason in {"build-failed", "config-unsatisfied"}


@each
def test_a_mermap_that_the_four_tests_pass_is_tried_under_stress(case: Case) -> None:
    told_wrongly = case.plain.codes & {"output-corrupt", "test-missing"}
    passes = "passed" in {case.kunit, case.plain.verdict}
    assert (case.stressed is not None) == (passes and not told_wrongly)


def test_kunit_py_alone_would_not_do() -> None:
    assert sum(case.kunit == "passed" for case in CASES) >= 6


def test_a_good_configuration_has_no_error() -> None:
    good = corpus.good()
    assert len(good) >= 8
    errors = {case.name: case.plain.codes for case in good if case.plain.codes}
    assert errors == {"isolation-off": {"global-mapping-refused"}}


@pytest.mark.parametrize("case", SEEDED, ids=lambda case: case.name)
def test_a_patch_is_small_applies_and_goes(case: Case, excerpt: Path) -> None:
    with seeded.posted(excerpt, case.posting):
        git(excerpt, "add", "-A")
        git(excerpt, "commit", "-q", "--allow-empty", "-m", "the posting")
        assert seeded.applies(excerpt, case) == ""
    with seeded.seeded(excerpt, replace(case, posting=None)):
        rows = [line.split("\t") for line in git(excerpt, "diff", "--numstat").splitlines()]
        added, removed = (sum(int(row[column]) for row in rows) for column in (0, 1))
        assert bool(added + removed) == bool(case.patch)
        assert added <= 15
        assert removed <= 12
    assert git(excerpt, "status", "--porcelain") == ""


@pytest.mark.parametrize("posting", list(Posting))
def test_a_posting_and_its_fault_come_and_go_together(posting: Posting, excerpt: Path) -> None:
    before = git(excerpt, "ls-files", "-s")
    case = next(case for case in SEEDED if case.posting is posting)
    with seeded.seeded(excerpt, case):
        assert postings.of(excerpt) is None  # its fault
        assert set(git(excerpt, "diff", "--name-only").splitlines()) >= set(
            postings.load(posting).contents
        )
    assert git(excerpt, "status", "--porcelain") == ""
    assert git(excerpt, "ls-files", "-s") == before


@pytest.mark.parametrize("posting", list(Posting))
def test_each_posting_is_tried_with_six_faults_and_without(posting: Posting) -> None:
    names = [case.name for case in SEEDED if case.posting is posting]
    assert len(names) >= 6
    assert all(name.startswith(f"{posting}/") for name in names)
    assert [case.name for case in corpus.good() if case.posting is posting]


def test_a_posting_left_by_a_killed_run_is_reverted(excerpt: Path) -> None:
    loaded = postings.load(Posting.LATER)
    overlay.apply(excerpt, overlay.plan(excerpt, loaded))
    assert seeded.recover(excerpt, CASES) == "later"
    assert git(excerpt, "status", "--porcelain") == ""
    overlay.apply(excerpt, overlay.plan(excerpt, loaded))
    fault = CASES[1]
    assert fault.patch
    git(excerpt, "apply", str(fault.patch))
    assert seeded.recover(excerpt, CASES) == f"later/{fault.name}"
    assert git(excerpt, "status", "--porcelain") == ""


def test_a_posting_never_touches_what_is_not_committed(excerpt: Path) -> None:
    source = excerpt / "mm/memory.c"
    mine = source.read_text() + "/* mine */\n"
    source.write_text(mine)
    with (
        pytest.raises(RuntimeError, match="not as committed"),
        seeded.posted(excerpt, Posting.LATER),
    ):
        pytest.fail("applied to somebody's changes")
    assert seeded.recover(excerpt, CASES) is None
    assert source.read_text() == mine


def test_a_posting_needs_the_reference_that_it_changes(excerpt: Path) -> None:
    core = excerpt / "mm/mermap.c"
    core.write_text(core.read_text() + "/* older */\n")
    git(excerpt, "commit", "-q", "-a", "-m", "another version")
    with (
        pytest.raises(RuntimeError, match="another version of it"),
        seeded.posted(excerpt, Posting.FIRST),
    ):
        pytest.fail("applied to another version")
    assert git(excerpt, "status", "--porcelain") == ""


def test_a_fault_never_touches_what_is_not_committed(excerpt: Path) -> None:
    source = excerpt / "mm/mermap.c"
    mine = source.read_text() + "/* mine */\n"
    source.write_text(mine)
    with pytest.raises(RuntimeError, match="not as committed"), seeded.seeded(excerpt, CASES[0]):
        pytest.fail("applied to somebody's changes")
    assert source.read_text() == mine
    assert seeded.recover(excerpt, CASES) is None
    assert source.read_text() == mine


def test_a_fault_left_by_a_killed_run_is_reverted(excerpt: Path) -> None:
    fault = CASES[4]
    assert fault.patch
    git(excerpt, "apply", str(fault.patch))
    assert seeded.recover(excerpt, CASES) == fault.name
    assert git(excerpt, "status", "--porcelain") == ""


def test_a_fault_goes_when_its_trial_fails(excerpt: Path) -> None:
    with pytest.raises(KeyError), seeded.seeded(excerpt, CASES[0]):
        raise KeyError
    assert git(excerpt, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Subject: x\nVerdict: failed\nKunit: failed\n", "no line `---`"),
        ("Subject: x\nVerdict: failed\n\n\n---\n", "no header Kunit"),
        ("Subject: x\nVerdict: f\nKunit: f\nFindigns: y\n\n\n---\n", "unknown header Findigns"),
        ("Subject: x\nVerdict: f\nKunit: f\nOn: frist\n\n\n---\n", "'frist' is not a valid"),
    ],
)
def test_a_bad_header_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "99-bad.patch").write_text(text)
    with pytest.raises(ValueError, match=said):
        corpus.parse(tmp_path / "99-bad.patch")


def made(verdict: str, *codes: str, kunit: str = "failed", reason: str | None = None) -> Trial:
    got = Expected(verdict, reason, frozenset(codes))
    return Trial(got, kunit, (), 2.0, 1.0, None, "6.12.0", "tcg")


ONE = Case(
    "01-x", "a|b", "", Expected("passed", None, frozenset()),
    Expected("failed", None, frozenset({"stale-reuse"})), "passed",
)  # fmt: skip
PASSED, STALE = made("passed", kunit="passed"), made("failed", "stale-reuse")


@pytest.mark.parametrize(
    ("plain", "traced", "wrong"),
    [
        (PASSED, STALE, ()),
        (PASSED, None, ()),
        (made("failed", "hang"), STALE, ("failed where passed is right", "too many: hang")),
        (PASSED, made("failed", "leak"), ("no finding stale-reuse", "too many: leak")),
        (PASSED, PASSED, ("passed where failed is right", "no finding stale-reuse")),
        (
            made("no-verdict", reason="boot-failed"),
            STALE,
            (r"no-verdict \(boot-failed\) where passed",),
        ),
    ],
)
def test_a_misjudged_case_is_described(
    plain: Trial, traced: Trial | None, wrong: tuple[str, ...]
) -> None:
    judged = Judged(ONE, plain, traced)
    assert len(judged.wrong) == len(wrong)
    for said, pattern in zip(judged.wrong, wrong, strict=True):
        assert re.search(pattern, said)
    assert judged.missed_by_kunit == (plain.kunit == "passed")


def test_the_page_shows_right_and_wrong() -> None:
    faults = [Judged(ONE, PASSED, STALE), Judged(replace(ONE, name="02-y"), STALE, PASSED)]
    text = page.markdown(faults, [Judged(replace(ONE, run=("--smp=2",), traced=None), PASSED)])
    assert "2 faults: mermapctl judges 1 rightly, 1 wrongly; kunit.py passes 1 of them" in text
    first, second, good = [line for line in text.splitlines() if r"a\|b" in line]
    assert first == (
        r"| [01-x](../kernel/faults/01-x.patch) | a\|b | passed | failed | `stale-reuse` | none "
        "| — | right |"
    )
    assert second.endswith("no finding stale-reuse |")
    assert "**wrong**: run --no-trace: failed where passed is right" in second
    assert good == r"| a\|b | `--smp=2` | passed | passed | none | right |"
    assert "Linux 6.12.0, x86_64 under tcg; the faults took 8 seconds, 4 each." in text


def test_the_page_shows_what_stress_finds() -> None:
    case = replace(ONE, stressed=frozenset({"stale-reuse", "overlap"}))
    ran = Stressed(case, 1, "failed", "overlap", "g0.0.0.1|r0.0", "one", traced=True, seconds=4)
    right = Judged(case, PASSED, STALE, stressed=ran)
    missed = Judged(case, PASSED, STALE, stressed=Stressed(case, 1, "passed"))
    assert not right.wrong
    assert missed.wrong == ("run --stress: found passed", "run --stress: no history alone")
    rows = [line for line in page.markdown([right, missed], []).splitlines() if "01-x" in line]
    assert rows[0].endswith(r"| none | `overlap`: `g0.0.0.1\|r0.0` | right |")
    assert "| passed | **wrong**: run --stress: found passed;" in rows[1]
    assert right.seconds == Judged(case, PASSED, STALE).seconds + 4


Runner = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def runner(fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Run `make faults` on the stand-in tree with the reference mermap's files."""
    subprocess.run(["cp", "-r", f"{ROOT / 'kernel/files'}/.", str(fake_tree)], check=True)
    git(fake_tree, "add", "-A")
    git(fake_tree, "commit", "-q", "-m", "mermap")

    def call(log: str, *argv: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setenv("FAKE_LOG", str(LOGS / f"{log}.log"))
        options = [f"--tree={fake_tree}", f"--output={tmp_path / 'faults.md'}", *argv]
        return subprocess.run(
            [sys.executable, "-m", "tests.faults", *options],
            capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
        )  # fmt: skip

    return call


@pytest.mark.parametrize(
    ("log", "only", "code", "says"),
    [
        ("missing-flush", "01-no-flush", 0, "right"),
        ("good", "01-no-flush", 1, "run: passed where failed is right"),
        ("extra-flush", "01-no-flush", 1, "run: a finding too many: extra-flush"),
        ("good", "one-cpu", 0, "right"),
        ("missing-flush", "one-cpu", 1, "run: failed where passed is right"),
    ],
)
def test_the_runner_ends_with_its_verdict(
    runner: Runner, fake_tree: Path, tmp_path: Path, log: str, only: str, code: int, says: str
) -> None:
    done = runner(log, "--quick", f"--only={only}")
    assert done.returncode == code, done.stderr
    assert says in done.stdout
    assert git(fake_tree, "status", "--porcelain") == ""
    assert not (tmp_path / "faults.md").exists()


def test_a_name_that_no_case_has_is_a_mistake(runner: Runner) -> None:
    done = runner("good", "--only=nonesuch")
    assert done.returncode == 2
    assert "no case is called nonesuch" in done.stderr


def test_the_list_needs_no_kernel(runner: Runner) -> None:
    done = runner("good", "--list", "--quick")
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert "01-no-flush" in names
    assert not {case.name for case in EVERY if case.slow} & set(names)


def test_the_witness_is_a_mode_of_its_own(runner: Runner, fake_tree: Path, tmp_path: Path) -> None:
    listed = runner("good", "--witness", "--list").stdout.splitlines()
    assert "later/24-put-does-not-unmap            1, 2" in listed
    done = runner("good", "--witness", "--only=24-put")
    assert done.returncode == 1, done.stderr
    assert (
        "1: passed; found nothing, not not-unmapped; not-unmapped without an entry" in done.stdout
    )
    assert git(fake_tree, "status", "--porcelain") == ""
    assert not (tmp_path / "faults.md").exists()


def test_kunit_py_judges_no_missing_console(fake_tree: Path) -> None:
    assert trial.kunit_says(fake_tree, None) == "no tests"


def test_every_patch_is_in_the_corpus() -> None:
    assert sorted(path.stem for path in FAULTS.iterdir() if path.name != "README.md") == [
        case.name for case in CASES
    ]
