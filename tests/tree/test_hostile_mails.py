# SPDX-License-Identifier: GPL-2.0-only
"""Mails as anybody may send them to a list: each is read or has empty fields, none is fatal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mermapctl.commands import tree_apply
from mermapctl.tree import mail_message
from tests.forkserver import command

HEAD = b"From: A <a@example.org>\nMessage-Id: <1@example.org>\nSubject: [PATCH 1/1] x\n"
DIFF = b"\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"


def nested(depth: int) -> bytes:
    part = b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n'
    return HEAD + b"".join(part % (each, each) for each in range(depth)) + DIFF


@pytest.mark.parametrize(
    "charset",
    [b"undefined", b"idna", b"punycode", b"rot13", b"base64", b"\0", b"nothing", b"unicode_escape"],
)
def test_a_body_in_any_encoding_is_read(charset: bytes) -> None:
    read = mail_message.parse(HEAD + b"Content-Type: text/plain; charset=" + charset + DIFF)
    assert (read.has_diff, read.title) == (True, "x")


@pytest.mark.parametrize(
    "subject",
    [
        b"=?unicode_escape?q?=5Cud800?=",
        b"=?utf-7?q?+2AA-?=",
        b"=?undefined?q?x?=",
        b"=?idna?b?//8=?=",
        b"=?utf-8?b?A?=",
        b"\xff\xfe",
    ],
)
def test_a_subject_in_any_encoding_can_be_stored(subject: bytes) -> None:
    read = mail_message.parse(b"Subject: [PATCH] " + subject + b"\nFrom: " + subject + DIFF)
    assert json.dumps([read.subject, read.author], ensure_ascii=False).encode()


@pytest.mark.parametrize("raw", [nested(5000), b"Content-Type: message/rfc822\n\n" * 5000 + DIFF])
def test_parts_in_parts_without_end_are_no_patch(raw: bytes) -> None:
    read = mail_message.parse(raw)
    assert not read.is_patch
    assert read.raw.endswith(raw)


def test_a_mailbox_of_countless_mails_is_refused(fake_tree: Path, tmp_path: Path) -> None:
    mailbox = tmp_path / "many.mbox"
    mailbox.write_bytes(b"From a@b Thu Jan  1 00:00:00 1970\n\n\n" * (tree_apply.MOST + 2))
    done = command("tree", "apply", str(mailbox), f"--tree={fake_tree}", "-o", str(tmp_path / "n"))
    assert done.returncode == 2
    assert "has more than 10,000 mails" in done.stderr
