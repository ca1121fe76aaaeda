# SPDX-License-Identifier: GPL-2.0-only
"""Which mail the commits of a tree came from, kept in the git directory of that tree.

It counts for exactly those commits: with one more, or one changed, they are no longer the series of
that mail.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mermapctl.system import files, inputs

_FILE = ".git/mermapctl-mail.json"
_LARGEST = 1 << 18


@dataclass(frozen=True, slots=True)
class SeriesMail:
    """The mail that a series came in: its cover letter, or its first patch where it has none.

    `message_id` and `references` have no angle brackets; `message_id` is null if the mail has none.
    `base_from` is what named the commit below: "--onto", or "base-commit" for the mail's trailer.
    """

    subject: str
    author: str
    patches: int
    base_from: str
    message_id: str | None = None
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MailOrigin:
    """The commits after `base` up to `tip` are the series of `mail`; `digest` is its patches'."""

    base: str
    tip: str
    digest: str
    mail: SeriesMail


def write(tree: Path, origin: MailOrigin) -> None:
    """Keep the origin in a new tree of ours. Raises HarnessError."""
    files.write_own(tree / _FILE, msgspec.json.format(msgspec.json.encode(origin)) + b"\n")


def read(tree: Path) -> MailOrigin | None:
    """Return the origin of a tree; None if it has none, or it cannot be read."""
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        data = inputs.read_regular(tree / _FILE, _LARGEST)
        return msgspec.json.decode(data, type=MailOrigin)
    return None
