# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl tree apply`: make a tree with a series of patches that came by mail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mermapctl.errors import HarnessError, UserError
from mermapctl.events import CellStarted, Listener, Note
from mermapctl.system import files, inputs, paths, process, scratch
from mermapctl.system.process import Completed
from mermapctl.tree import (
    b4,
    build_dir,
    find,
    git,
    mail_message,
    mailed_series,
    mailed_tree,
    ownership,
)
from mermapctl.tree.mailed_series import MailedSeries
from mermapctl.tree.mailed_tree import Applied, SeriesBase

LARGEST = 32 << 20
"""Bytes of a mailbox: the longest thread of linux-mm has 5 MB."""
MOST = 10_000
"""Mails of a mailbox: a series has up to 1,000 patches, and each may be there in some versions."""
_MESSAGE_ID = re.compile(
    r"(?:https?://\S+/)?<?(?P<id>[^\s<>@/-][^\s<>@/]{0,200}@[^\s<>@/]{1,200})>?/?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """What is to be applied: a mailbox, `-` or a Message-Id; where to; and to which tree."""

    source: str
    onto: str | None = None
    tree: Path | None = None
    directory: Path | None = None


def apply(asked: ApplyRequest, tell: Listener) -> Applied:
    """Make the tree, or return it if it is there with this series on this base.

    Raises UserError before anything is written for a series that is not whole, has no base, or
    does not apply.
    """
    tell(CellStarted("tree apply", 1, 1))
    program = b4.program()
    lender = find.resolve(asked.tree)
    ownership.require(lender)
    with scratch.directory("mail") as made:
        place = made.resolve()
        series = _series(program, asked.source, place)
        _tell_of(series, tell)
        base = mailed_tree.base_of(lender, series, asked.onto)
        _tell_of_base(series, base, tell)
        patches = _ready(program, series, place)
    directory = _directory(asked, series)
    build_dir.require_plain(directory)
    if directory.is_relative_to(lender):
        raise UserError(f"{directory} is in the tree {lender}", "name a place beside it: -o DIR")
    digest = mailed_tree.digest(patches)
    there = mailed_tree.standing(directory, digest, base)
    return there or mailed_tree.make(directory, lender, series, patches, base, tell)


def _series(program: str, source: str, place: Path) -> MailedSeries:
    """Read the mails, and return the series that is meant."""
    path = Path(source)
    is_file = source == "-" or _exists(path)
    found = None if is_file else _MESSAGE_ID.fullmatch(source)
    if not is_file and found is None:
        raise UserError(
            f"{source} is neither a file nor a Message-Id",
            "give a mailbox (-: standard input), or a Message-Id such as 2026@example.org",
        )
    if found is not None:
        path = b4.thread(program, found["id"], place)
    mails = _mails(path, source, place)
    named = found["id"] if found is not None else None
    return mailed_series.whole(map(mail_message.parse, mails), named)


def _exists(path: Path) -> bool:
    """Return whether a path is there, or cannot be looked at: reading it then says why."""
    try:
        return path.exists()
    except OSError:
        return True


def _mails(path: Path, source: str, place: Path) -> list[bytes]:
    """Split a mailbox by git's rules. Raises UserError."""
    where = "standard input" if source == "-" else str(path)
    try:
        if source == "-":
            with inputs.open_stream(Path("/dev/stdin")) as stream:
                data = stream.read(LARGEST + 1)
        else:
            data = inputs.read_regular(path, LARGEST)
    except OSError as error:
        raise UserError(f"cannot read {where}: {error.strerror or error}", _GIVE) from error
    if len(data) > LARGEST:
        raise UserError(f"{where} is larger than {LARGEST:,} bytes", _GIVE)
    if data.startswith(b"\x1f\x8b"):
        raise UserError(f"{where} is compressed", f"gunzip it first: gunzip -c {where} | … -")
    if data.count(b"\nFrom ") > MOST:
        raise UserError(f"{where} has more than {MOST:,} mails", _GIVE)
    said, found = _split(data, place / "mails")
    if said.returncode != 0:
        raise UserError(f"{where} is no mailbox: {said.stderr.strip()[:300]}", _GIVE)
    return list(map(_without_from, found))


def _split(data: bytes, mails: Path) -> tuple[Completed, list[bytes]]:
    """Split a mailbox by git's rules into a new directory; return how git ended, and the mails.

    Raises HarnessError if the disk is full, which git does not notice.
    """
    mails.mkdir()
    words = ["git", "mailsplit", "--mboxrd", "-b", f"-o{mails}"]
    said = process.run(words, cwd=mails, env=git.environment(), input=data)
    files.require_room(mails)
    if said.returncode < 0:
        raise git.failed("git mailsplit", said.stderr)
    return said, [inputs.read_regular(each) for each in sorted(mails.iterdir())]


def _without_from(raw: bytes) -> bytes:
    """Remove the line that separates a mail from the one before, which mailsplit leaves."""
    return raw.partition(b"\n")[2] if raw.startswith(b"From ") else raw


_GIVE = "give a mailbox with the mails of one series"


def _tell_of(series: MailedSeries, tell: Listener) -> None:
    tell(Note(f"series: {series.top.subject}, {len(series.patches)} of {len(series.patches)}"))
    if series.older:
        some = "; ".join(series.older[:3])
        tell(Note(f"not applied, as it is another version or series: {some}"))
    for each in mailed_series.edited(series.patches):
        tell(Note(each))


def _tell_of_base(series: MailedSeries, base: SeriesBase, tell: Listener) -> None:
    short, subject = base.commit.id[:12], base.commit.subject
    if base.said is None:
        tell(Note(f"base: {short} ({subject}), named by the series' base-commit"))
        return
    named = {each for mail in series.mails for each in mail.bases} - {base.commit.id}
    differs = (
        f"; the series names {', '.join(sorted(each[:12] for each in named))}" if named else ""
    )
    tell(Note(f"base: {short} ({subject}), chosen by --onto {base.said}{differs}"))


def _ready(program: str, series: MailedSeries, place: Path) -> bytes:
    """Return the patches as b4 makes them ready. Raises HarnessError if they are not these."""
    mailbox = place / "chosen.mbx"
    files.make(mailbox, b"".join(map(_boxed, (each.raw for each in series.mails))))
    data = inputs.read_regular(b4.ready(program, mailbox, place))
    ready = [mail_message.parse(each) for each in _split(data, place / "ready")[1]]
    if [each.id for each in ready] != [each.id for each in series.patches]:
        raise HarnessError(
            f"b4 gives {len(ready)} patches, and not the {len(series.patches)} of the series in "
            "their order",
            "try `b4 am -m MBOX` by hand",
        )
    return data


_FROM = re.compile(rb"^(>*From )", re.MULTILINE)


def _boxed(raw: bytes) -> bytes:
    """Return a mail for a mailbox in the form mboxrd."""
    text = _FROM.sub(rb">\1", raw.replace(b"\r\n", b"\n"))
    return b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + text.rstrip(b"\n") + b"\n\n"


def _directory(asked: ApplyRequest, series: MailedSeries) -> Path:
    if asked.directory is None:
        return paths.cache_dir() / "mail" / mailed_tree.slug(series)
    try:
        return asked.directory.expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{asked.directory}: {error}", "name another directory") from error
