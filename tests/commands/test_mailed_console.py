# SPDX-License-Identifier: GPL-2.0-only
"""`report log MAIL`: the console in a mail is decoded, unquoted and judged."""

from __future__ import annotations

import email.policy
import gzip
from email.message import EmailMessage
from typing import TYPE_CHECKING

import pytest

from mermapctl.commands.judge_log import of_logs
from mermapctl.console import mailed_console
from mermapctl.judge.result_types import Reason, Verdict
from tests.judge.consoles import PASS, failed, mermap
from tests.tables import LOGS

if TYPE_CHECKING:
    from pathlib import Path

    from mermapctl.records.record import RunRecord

GOOD = (LOGS / "good.log").read_text()
SHORT = mermap(PASS)
BAD = mermap(failed(1, "    # test_size: EXPECTATION FAILED at mm/tests/mermap_kunit.c:9\n"))
HELLO, BYE = (
    "Hello,\n\nI booted it, and it says:\n\n",
    "\nIt was ok 3 times.\n\n-- \nA. Developer\n",
)


def message(text: str = HELLO + BYE, cte: str = "8bit") -> EmailMessage:
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["From"] = "A Developer <dev@example.org>"
    mail["Subject"] = "Re: [PATCH v2 3/7] mm: it works here"
    mail["Date"] = "Thu, 4 May 2023 11:59:59 +0000"
    mail["Message-ID"] = "<20230504.1@example.org>"
    mail.set_content(text, cte=cte)
    return mail


def quoted(text: str, mark: str) -> str:
    return "".join(mark + line for line in text.splitlines(keepends=True))


def judged(tmp_path: Path, mail: EmailMessage | bytes, *, suite: str = "mermap") -> RunRecord:
    path = tmp_path / "mail.eml"
    path.write_bytes(mail if isinstance(mail, bytes) else mail.as_bytes())
    return of_logs([str(path)], ("mermapctl",), suite=suite)


@pytest.mark.parametrize("cte", ["8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("mark", ["", "> ", ">> ", "> > ", "| ", ">"])
@pytest.mark.parametrize(
    ("console", "verdict"), [(SHORT, Verdict.PASSED), (BAD, Verdict.FAILED)], ids=["good", "bad"]
)
def test_a_console_among_prose_is_judged(
    tmp_path: Path, console: str, verdict: Verdict, mark: str, cte: str
) -> None:
    (cell,) = judged(tmp_path, message(HELLO + quoted(console, mark) + BYE, cte)).cells
    assert cell.verdict is verdict
    assert [suite.name for suite in cell.suites] == ["mermap"]
    assert len(cell.suites[0].tests) == 4
    assert "in the text of a mail" in cell.notes[0]


@pytest.mark.parametrize("cte", ["quoted-printable", "base64"])
def test_each_attachment_is_a_cell(tmp_path: Path, cte: str) -> None:
    mail = message()
    mail.add_attachment(GOOD, filename="good.log", cte=cte)
    mail.add_attachment(BAD, filename="bad.txt", cte=cte)
    mail.add_attachment("diff --git a/x b/x\n", filename="fix.patch", cte=cte)
    record = judged(tmp_path, mail)
    assert [cell.verdict for cell in record.cells] == [Verdict.PASSED, Verdict.FAILED]
    named = [cell.log.name for cell in record.cells if cell.log]
    assert named == ["mail.eml: good.log", "mail.eml: bad.txt"]


def test_a_console_given_as_octets_is_judged(tmp_path: Path) -> None:
    mail = message()
    mail.add_attachment(GOOD.encode(), "application", "octet-stream", filename="console.log")
    (cell,) = judged(tmp_path, mail).cells
    assert cell.verdict is Verdict.PASSED


def test_flowed_text_is_joined(tmp_path: Path) -> None:
    raw = message(HELLO + SHORT.replace("    ok 3", "     ok 3")).as_bytes()
    lines = [" " + line if line[:1] == " " else line for line in SHORT.splitlines()]
    flowed = "\n".join(lines).replace("ok 3 test", "ok 3 \ntest") + "\n"
    head = raw.partition(b"\r\n\r\n")[0].replace(b'utf-8"', b'utf-8"; format=flowed')
    assert b"flowed" in head
    (cell,) = judged(tmp_path, head + b"\r\n\r\n" + (HELLO + flowed).encode()).cells
    assert (cell.verdict, len(cell.suites[0].tests)) == (Verdict.PASSED, 4)


@pytest.mark.parametrize("until", ["    ok 3", "    ok 1", "ok 1 mermap"])
def test_a_quotation_that_ends_early_gives_no_verdict(tmp_path: Path, until: str) -> None:
    part = SHORT[: SHORT.rindex(until)]
    (cell,) = judged(tmp_path, message(HELLO + quoted(part, "> ") + BYE)).cells
    assert (cell.verdict, cell.reason) == (Verdict.NO_VERDICT, Reason.QUOTED)


PACKED = message()
PACKED.add_attachment(gzip.compress(GOOD.encode()), "application", "gzip", filename="c.log.gz")
MANY = message()
for _ in range(3):
    MANY.add_attachment("x\n", filename="a.log")
NONE = {
    "no console": (message().as_bytes(), "a mail without a console"),
    "a patch": (message("---\n+++ a/x\n+    KUNIT_CASE(a),\n").as_bytes(), "without a console"),
    "packed": (PACKED.as_bytes(), "packed"),
    "nothing attached is a console": (MANY.as_bytes(), "without a console"),
    "many parts": (
        b"From: a@b.c\nSubject: x\nContent-Type: multipart/mixed; boundary=a\n\n"
        + b"".join(
            b"--a\nContent-Type: multipart/mixed; boundary=b%d\n\n" % n for n in range(2000)
        ),
        "too many parts",
    ),
    "mails in mails": (
        b"From: a@b.c\nSubject: x\n" + b"Content-Type: message/rfc822\n\n" * 5000,
        "too many parts",
    ),
    "several mails": (
        (b"From dev@example.org Thu May  4 11:59:59 2023\n" + message(SHORT).as_bytes()) * 2,
        "several mails",
    ),
}


@pytest.mark.parametrize("name", sorted(NONE))
def test_a_mail_without_a_console_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    raw, what = NONE[name]
    (cell,) = judged(tmp_path, raw).cells
    assert (cell.verdict, cell.reason) == (Verdict.NO_VERDICT, Reason.NOT_A_CONSOLE)
    (finding,) = cell.findings
    assert what in finding.summary


def test_a_mail_beyond_the_bound_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailed_console, "MOST_BYTES", 1000)
    (cell,) = judged(tmp_path, message(HELLO + GOOD)).cells
    assert cell.reason is Reason.NOT_A_CONSOLE
