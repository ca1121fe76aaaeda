# SPDX-License-Identifier: GPL-2.0-only
"""`report checks`: b4's own runner of checks asks it about the mails of a real series."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mermapctl.commands import mail_checks
from mermapctl.judge.result_types import Verdict
from mermapctl.records.record import RunRecord, new_run, verdict_of
from mermapctl.records.series_facts import Series, SeriesCommit
from mermapctl.records.store import Store
from mermapctl.tree import mail_message
from mermapctl.tree.mail_origin import SeriesMail
from tests import sample_records as samples
from tests.conftest import git
from tests.forkserver import command
from tests.hostile import TEXTS
from tests.tree.mails import commit_five, mails, message_id

RUNNER = """
import argparse, email, email.policy, json, mailbox, sys
import b4
from b4.review import checks
b4.setup_config(argparse.Namespace(config={}))
perpatch, series = checks.load_check_cmds()
found = [email.message_from_bytes(each.as_bytes(), policy=email.policy.default)
         for each in mailbox.mbox(sys.argv[1])]
pairs = [(each["Message-Id"].strip().strip("<>"), each) for each in found]
results = {pairs[0][0]: checks.run_series_checks(pairs[0], series, sys.argv[2])}
results |= checks.run_perpatch_checks(pairs[1:], perpatch, sys.argv[2])
print(json.dumps([[mid, results[mid]] for mid, _ in pairs]))
"""


@pytest.fixture
def tree(made_tree: Path, fake_tree: Path) -> Path:
    """The stand-in tree with five changes on the branch `topic`."""
    assert made_tree != fake_tree
    commit_five(fake_tree)
    return fake_tree


def ran(tree: Path, cover: str | None, verdicts: str = "ppppp") -> RunRecord:
    """Store a run of the five changes: `p`assed, `f`ailed; `cover` is the mail it came from."""
    hashes = git(tree, "rev-list", "--reverse", "main..topic").split()
    commits = tuple(
        SeriesCommit(each, git(tree, "log", "-1", "--format=%s", each), None, _patch_id(tree, each))
        for each in hashes
    )
    cells = tuple(
        replace(samples.cell_passed() if how == "p" else samples.cell_missing_flush(), commit=each)
        for how, each in zip(verdicts, hashes, strict=True)
    )
    made = samples.series()
    assert isinstance(made.series, Series)
    mail = None
    if cover is not None:
        parsed = mail_message.parse(cover.encode())
        mail = SeriesMail(parsed.subject, parsed.author, 5, "--onto", parsed.message_id)
    series = replace(
        made.series, commits=commits, tip=hashes[-1], mail=mail, columns=made.series.columns[:1]
    )
    record = replace(made, series=series, cells=cells, verdict=verdict_of(cells))
    record = replace(record, run=new_run(("mermapctl", "run")))
    store = Store.open()
    store.begin(record)
    return store.finish(record)


def _patch_id(tree: Path, commit: str) -> str:
    shown = git(tree, "show", "--no-renames", "--full-index", commit)
    return mail_checks._patch_id(shown)


def result_of(mail: str) -> dict[str, Any]:
    done = command("report", "checks", stdin=mail)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result


def statuses(made: list[str]) -> list[str]:
    return [result_of(mail)["status"] for mail in made]


def test_b4s_own_runner_gets_the_results_of_a_real_mailbox(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = mails(tree)
    ran(tree, made[0], "ppppf")
    mailbox = tmp_path / "series.mbox"
    mailbox.write_text("".join(made))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    line = f"{sys.executable} -m mermapctl report checks"
    git(tree, "config", "b4.review-series-check-cmd", line)
    git(tree, "config", "b4.review-perpatch-check-cmd", line)
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(mailbox), str(tree)],
        cwd=tree, capture_output=True, text=True, check=True,
    )  # fmt: skip
    results = json.loads(done.stdout)
    assert [mid for mid, _ in results] == [message_id(each) for each in made]
    told = [[(each["tool"], each["status"]) for each in found] for _, found in results]
    assert told == [[("mermap", "fail")], *[[("mermap", "pass")]] * 4, [("mermap", "fail")]]
    ((cover,), *_, (last,)) = (found for _, found in results)
    assert cover["summary"].startswith("missing-flush in 1 of 5 cells, Linux 7.3.4")
    assert last["summary"].startswith("missing-flush, Linux 7.3.4")
    assert json.loads(last["details"])[0]["status"] == "fail"


def test_nothing_is_known_of_an_unknown_series(tree: Path) -> None:
    made = mails(tree)
    assert statuses(made) == ["warn"] * 6
    assert result_of(made[0])["summary"] == "not tested yet: no stored run has this series"


def test_a_mail_in_a_file_is_read_too(tree: Path, tmp_path: Path) -> None:
    cover = mails(tree)[0]
    (tmp_path / "mail").write_text(cover)
    done = command("report", "checks", str(tmp_path / "mail"))
    assert json.loads(done.stdout) == [result_of(cover)]
    done = command("report", "checks", str(tmp_path / "none"))
    assert (done.returncode, json.loads(done.stdout)[0]["status"]) == (0, "warn")


def test_a_series_that_is_only_alike_is_no_result(tree: Path) -> None:
    ran(tree, None)
    found = [result_of(mail) for mail in mails(tree)]
    # The first patch has none before it; what the others' kernels do depends on those.
    assert [each["status"] for each in found] == ["warn", "pass", "warn", "warn", "warn", "warn"]
    assert "a series with these subjects, perhaps another version" in found[0]["summary"]
    assert "same patch, in a series whose other patches may differ" in found[2]["summary"]


def test_another_version_of_a_tested_series_is_no_result(tree: Path) -> None:
    first = mails(tree)
    ran(tree, first[0])
    # The second version answers the cover letter of the first one, or has none of its own.
    answer = f"--in-reply-to={message_id(first[0])}"
    second = [
        each.replace("Message-Id: <", "Message-Id: <v2.") for each in mails(tree, "-v2", answer)
    ]
    assert statuses(second) == ["warn", "pass", "warn", "warn", "warn", "warn"]
    alone = mails(tree, "-v2", "--no-cover-letter", answer)
    assert statuses(alone) == ["pass", "warn", "warn", "warn", "warn"]
    git(tree, "checkout", "-q", "topic")
    (tree / "mm/five.c").write_text("/* changed */\n")
    git(tree, "commit", "-q", "-a", "--amend", "--no-edit")
    changed = mails(tree, "-v2", commits="topic~1..topic")
    assert "another patch of this subject" in result_of(changed[1])["summary"]


def test_the_newest_run_of_the_series_counts(tree: Path) -> None:
    made = mails(tree)
    ran(tree, made[0], "fffff")
    time.sleep(0.01)
    ran(tree, made[0], "ppppp")
    time.sleep(0.01)
    ran(tree, None, "fffff")  # newer, and perhaps another series
    assert statuses(made) == ["pass"] * 6


def test_no_verdict_is_a_warning(tree: Path) -> None:
    made = mails(tree)
    record = ran(tree, made[0])
    Store.open().replace(replace(record, verdict=Verdict.NO_VERDICT))
    assert result_of(made[0])["status"] == "warn"


@pytest.mark.parametrize("name", [name for name in TEXTS if "long" not in name])
def test_any_mail_gets_one_warning(name: str) -> None:
    text = TEXTS[name].encode("utf-8", "replace").decode()
    assert result_of(text)["status"] == "warn"
    assert (
        result_of(f"Subject: [PATCH 1/2] {text}\n\ndiff --git a/x b/x\n{text}")["status"] == "warn"
    )


def test_a_store_that_cannot_be_read_is_a_warning_and_no_failure(home: Path) -> None:
    (home / "state").write_text("no directory\n")
    result = result_of("Subject: [PATCH 0/2] x\n\n")
    assert result["status"] == "warn"
    assert result["summary"].startswith("not known: ")


def test_an_answer_takes_milliseconds(tree: Path) -> None:
    made = mails(tree)
    record = ran(tree, made[0])
    store = Store.open()
    for _ in range(30):
        other = replace(record, run=new_run(("mermapctl", "run")))
        store.begin(other)
    began = time.process_time()
    assert mail_checks.check(made[3].encode()) is not None
    assert time.process_time() - began < 0.5  # of this process; 20 ms on a quiet machine
