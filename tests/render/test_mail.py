# SPDX-License-Identifier: GPL-2.0-only
"""The mail, read back with Python's mail parser and a shell."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from email import message_from_string, policy
from typing import TYPE_CHECKING

import pytest

from mermapctl.judge.result_types import Reason
from mermapctl.records.record import TreeFacts
from mermapctl.render.documents import mail
from tests import sample_records as samples
from tests.hostile import TEXTS, Console, infect

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
