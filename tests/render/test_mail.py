# SPDX-License-Identifier: GPL-2.0-only
"""The mail, read back with Python's mail parser and a shell."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from email import message_from_bytes, message_from_string, policy
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest

from mermapctl.commands.judge_log import of_logs
from mermapctl.judge.result_types import Finding, Reason, Severity, Verdict
from mermapctl.records.record import TreeFacts
from mermapctl.records.series_facts import Series
from mermapctl.render.documents import mail
from tests import sample_records as samples
from tests.hostile import TEXTS, Console, infect
from tests.tables import LOGS

if TYPE_CHECKING:
    from mermapctl.records.record import RunRecord

OURS = re.compile(
    r"No verdict|To reproduce:$|Tested-by: \[your name\]|Found with mermapctl 0.1.0\.$|"
    r"[ *] |CONFIG_|== |$"
)
"""Allowed beginnings of lines; a kernel's text is never at the beginning."""


def split(record: RunRecord, tester: str | None = None) -> tuple[str, str]:
    message = message_from_string(mail.render(record, tester=tester), policy=policy.default)
    assert list(message) == ["Subject"]
    return message["Subject"], message.get_content()


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("passed", "mermap: KUnit suite passed on 7.3.4"),
        ("failed", "[BUG] mermap: missing-flush on 7.3.4"),
        ("multi cell", "[BUG] mermap: missing-flush (+5) on 7.3.4"),
        ("no verdict", "mermap: no verdict on 7.3.4: boot-failed"),
        ("bare log", "[BUG] mermap: missing-flush in a console log"),
        ("another suite", "example: KUnit suite passed on 7.3.4"),
        ("nothing ran", "mermap: no verdict on 7.3.4: no cell ran"),
    ],
)
def test_the_subject_of_each_record(name: str, subject: str) -> None:
    assert split(samples.SAMPLES[name]())[0] == subject


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("passed", "  test_size             passed\n"),
        ("passed", "\nTested-by: A. Tester <a@example.org>\n"),
        ("failed", "* missing-flush (test_tlb_flushed): Addresses were handed out again and\n  no"),
        ("failed", "    evidence: flushes 0, expected 1\n"),
        ("failed", "  Expected mc->tlb_flushes == 1, but\n      mc->tlb_flushes == 0 (0x0)\n"),
        ("failed", "  commit:    fcf46f19ecac0123456789abcdef0123456789ab\n"),
        ("multi cell", "fails in 6 of 8 configurations"),
        ("multi cell", "  x86_64/debug  failed      3 passed, 1 passed but with an error\n"),
        ("no verdict", "No verdict: boot failed: Kernel panic - not syncing: initcall that "),
        ("no verdict", "CONFIG_PREEMPT_RT=y became n.\n  CONFIG_PREEMPT_RT is n, not y, on"),
        ("no verdict", "    blocked by EXPERT [=n] (init/Kconfig:1589): nothing asks for it\n"),
        ("nothing ran", "The run was interrupted before its end; the report is incomplete.\n\n"),
        ("another suite", "The example KUnit suite passed, without a complaint: 1 passed."),
        ("multi cell", "    evidence:\n      title: WARNING: mm/mermap.c:189 at __mermap_get"),
        ("failed", "  date:      2026-11-23 07:05:12 UTC\n"),
        ("bare log", "  judged:    2026-11-23 07:05:12 UTC\n"),
    ],
)
def test_the_mail_contains_its_sentences(name: str, said: str) -> None:
    assert said in split(samples.SAMPLES[name](), tester="A. Tester <a@example.org>")[1]


@pytest.mark.parametrize(
    ("record", "trailers"),
    [
        (samples.passed(), 1),
        (samples.failed(), 0),
        (samples.repeated(), 0),
        (samples.no_verdict(Reason.BUILD_FAILED), 0),
        (replace(samples.passed(), tree=replace(samples.passed().tree, dirty=True)), 0),
        (replace(samples.passed(), tree=TreeFacts(kernel="7.3.4-gfcf46f19ecac")), 1),
        (replace(samples.passed(), tree=TreeFacts(kernel="7.3.4-gfcf46f19ecac-dirty")), 0),
    ],
)
def test_only_a_commit_that_passed_is_called_tested(record: RunRecord, trailers: int) -> None:
    assert mail.render(record).count("Tested-by:") == trailers


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_72_columns_of_plain_text(name: str) -> None:
    text = mail.render(samples.SAMPLES[name]())
    assert text.isascii()
    assert "\t" not in text
    assert max(map(len, text.splitlines())) <= 72
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_a_shell_takes_the_reproduce_lines() -> None:
    command = (
        "printf '%s\\n' --arch=x86_64 --qemu_args='-cpu Haswell -smp 2' --long=/a/path/that/is/long"
        f' {"x" * 100} "two words" --kunitconfig=/runs/1/kunitconfig'
    )
    cell = replace(samples.cell_missing_flush(), reproduce=(command,))
    body = split(samples.record(cell))[1]
    block = body.partition("To reproduce:\n\n")[2].partition("\n\n")[0]
    assert block.count("\\\n") >= 3
    run = subprocess.run(["sh", "-c", block], capture_output=True, text=True, check=True)
    whole = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert run.stdout == whole.stdout
    assert len(run.stdout.splitlines()) == 6


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("sample", ["multi cell", "no verdict", "passed"])
def test_no_text_of_a_kernel_becomes_a_header_a_trailer_or_a_patch(sample: str, name: str) -> None:
    record = infect(samples.SAMPLES[sample](), TEXTS[name])
    text = mail.render(record, console=Console(TEXTS[name]))
    split(record)
    assert re.fullmatch(r"[\x20-\x7e\n]*", text)
    lines = text.splitlines()
    opening = lines.index("", 2)  # counts only
    assert [line for line in lines[opening:] if not OURS.match(line)] == []
    assert [line for line in lines if len(line) > 72 and " " in line.strip().rstrip("\\ ")] == []
    assert len(text) < 300_000


# A series from the mail: the report is a reply to its cover letter.


def mailed(**changed: Any) -> RunRecord:
    """Return the record of a series from the mail, with facts of the mail changed."""
    record = samples.mailed()
    assert isinstance(record.series, Series)
    assert record.series.mail is not None
    return replace(
        record, series=replace(record.series, mail=replace(record.series.mail, **changed))
    )


def parsed(text: str) -> EmailMessage:
    message = message_from_bytes(text.encode(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def test_a_series_from_the_mail_is_answered() -> None:
    text = mail.render(samples.mailed(), tester="A. Tester <a@example.org>")
    message = parsed(text)
    subject = "Re: [PATCH v3 0/3] mm: mappings that are local to one process and one CPU, again"
    assert message["Subject"] == subject
    assert message["In-Reply-To"] == "<20261120.3-0@example.org>"
    assert message["References"].split() == [
        "<20261101.1-0@example.org>",
        "<20261110.2-0@example.org>",
        "<20261120.3-0@example.org>",
    ]
    assert list(message) == ["Subject", "In-Reply-To", "References"]
    assert max(map(len, text.splitlines())) <= 72
    body = message.get_content()
    assert "  base:      000000000000, named by the series\n" in body
    assert "  aaaaaaaaaaaa  absent               mm: types\n" in body
    assert body.endswith("\nTested-by: A. Tester <a@example.org>\n")


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.NO_VERDICT])
def test_a_series_that_did_not_pass_is_answered_without_the_trailer(verdict: Verdict) -> None:
    text = mail.render(replace(samples.mailed(), verdict=verdict), tester="A <a@example.org>")
    assert text.startswith("Subject: Re: [PATCH v3 0/3]")
    assert "Tested-by:" not in text


def test_the_remarks_of_a_series_are_named() -> None:
    made = samples.mailed()
    note = Finding("some-remark", Severity.NOTE, "it is no failure")
    cells = tuple(replace(cell, findings=(note,)) for cell in made.cells)
    text = " ".join(mail.render(replace(made, cells=cells)).split())
    assert "on a series of 3 commits, with remarks (some-remark): " in text
    assert "below" not in text


def test_a_mail_without_a_message_id_has_no_thread() -> None:
    message = parsed(mail.render(mailed(message_id=None)))
    assert list(message) == ["Subject"]
    assert message["Subject"].startswith("Re: [PATCH v3 0/3] mm:")


def test_the_base_that_a_user_chose_is_named() -> None:
    assert "chosen by the tester" in mail.render(mailed(base_from="--onto"))


@pytest.mark.parametrize(
    ("subject", "read"),
    [
        ("Re: [PATCH] x", "Re: [PATCH] x"),
        ("[PATCH] \u00fc \u4e16\u754c", "Re: [PATCH] \u00fc \u4e16\u754c"),
        ("[PATCH] x\nBcc: all@example.org", "Re: [PATCH] x Bcc: all@example.org"),
        ("", "Re: (no subject)"),
    ],
)
def test_any_subject_stays_one_header(subject: str, read: str) -> None:
    text = mail.render(mailed(subject=subject))
    message = parsed(text)
    assert message["Subject"] == read
    assert list(message) == ["Subject", "In-Reply-To", "References"]
    assert text.isascii()


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_of_a_mail_becomes_a_header_of_the_reply(name: str) -> None:
    hostile = TEXTS[name]
    record = mailed(
        subject=hostile, message_id=hostile, references=(hostile, "a@b"), author=hostile
    )
    text = mail.render(record)
    message = message_from_bytes(text.encode("utf-8", "replace"), policy=policy.compat32)
    assert set(message.keys()) <= {"Subject", "In-Reply-To", "References"}
    head = text.partition("\n\n")[0]
    assert head.isascii()
    assert head.isprintable() or all(each.isprintable() for each in head.split("\n"))


def test_a_testers_name_is_spelled_as_it_is() -> None:
    text = mail.render(samples.passed(), tester="J\u00fcrgen \u4e16 <j@example.org>")
    message = parsed(text)
    assert message.get_content_charset() == "utf-8"
    assert message.get_content().endswith("Tested-by: J\u00fcrgen \u4e16 <j@example.org>\n")


def test_the_gets_before_a_reuse_are_named_so() -> None:
    record = of_logs([str(LOGS / "trace-counted-not-done.log")], ("mermapctl",), suite=None)
    lines = mail.render(record).splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("  TLB flushes"))
    assert lines[at].endswith(" gets before reuse")
    assert max(map(len, lines[at : at + 3])) <= 72
    assert len(lines[at + 1]) == len(lines[at])
