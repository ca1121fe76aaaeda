# SPDX-License-Identifier: GPL-2.0-only
"""The mails of a thread -> the one series that is meant, whole. Pure.

b4 applies what is left of a series with a patch missing, takes patches of another series for those
that are missing, and exits with 0. So the patches are counted here, and b4 is given these alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mermapctl.errors import UserError
from mermapctl.tree import mail_diffstat
from mermapctl.tree.mail_diffstat import DiffSize
from mermapctl.tree.mail_message import MailMessage

MOST = 1000
"""Patches of a series, as for `run --commits`."""
_WHOLE = "a mailbox of the whole thread has them: b4 mbox MESSAGE-ID, or the thread's mbox.gz"


@dataclass(frozen=True, slots=True)
class MailedSeries:
    """A whole series: its patches in order, and the cover letter if it has one.

    `older` are the first subjects of the other series of the thread.
    """

    cover: MailMessage | None
    patches: tuple[MailMessage, ...]
    older: tuple[str, ...] = ()

    @property
    def top(self) -> MailMessage:
        """The mail that a reply answers: the cover letter, or the first patch."""
        return self.cover or self.patches[0]

    @property
    def mails(self) -> tuple[MailMessage, ...]:
        """All of it, the cover letter first."""
        return (self.cover, *self.patches) if self.cover else self.patches

    @property
    def prerequisites(self) -> int:
        """Number of patches that must be below the series, on top of its base commit."""
        return sum(each.prerequisites for each in self.mails)

    def base(self) -> str | None:
        """Return the hash in the base-commit trailer. Raises UserError if there are several."""
        found = dict.fromkeys(base for each in self.mails for base in each.bases)
        if len(found) > 1:
            raise UserError(
                f"the series names {len(found)} base commits: "
                f"{', '.join(base[:12] for base in found)}",
                "choose one: --onto REV",
            )
        return next(iter(found), None)


_Group = tuple[int, int]
"""Version and number of patches: what all mails of one series have in common."""


def whole(mails: Iterable[MailMessage], named: str | None = None) -> MailedSeries:
    """Return the series with the mail `named`, else the newest one. Raises UserError.

    Raises for a series with a patch missing, twice or cut off, and where two could be meant.
    """
    # A mail may have come twice, by two lists. Of two that differ, none is passed over in silence.
    once = {(each.id, each.subject): each for each in mails}
    groups: dict[_Group, list[MailMessage]] = {}
    for each in once.values():
        if each.is_patch or each.is_cover:
            groups.setdefault((each.version, each.count), []).append(each)
    if not any(each.is_patch for each in once.values()):
        raise UserError(
            "no patch is among the mails: none with a diff and a subject such as [PATCH 1/5]",
            "give a mailbox with all mails of a series, or the Message-Id of one of them",
        )
    chosen = _chosen(groups, next((each for each in once.values() if each.id == named), None))
    older = tuple(group[0].subject for key, group in groups.items() if key != chosen)
    covers = [each for each in groups[chosen] if each.is_cover]
    patches = [each for each in groups[chosen] if not each.is_cover]
    if len(covers) > 1:
        raise _two(covers)
    _require_whole(chosen, patches)
    patches.sort(key=lambda each: each.number)
    _require_uncut(patches)
    return MailedSeries(covers[0] if covers else None, tuple(patches), older)


def _chosen(groups: dict[_Group, list[MailMessage]], named: MailMessage | None) -> _Group:
    if named is not None and (named.version, named.count) in groups and not named.is_reply:
        return (named.version, named.count)
    newest = max(version for version, _ in groups)
    found = [key for key in groups if key[0] == newest]
    if len(found) > 1:
        raise _two([groups[key][0] for key in found])
    return found[0]


def _two(mails: Sequence[MailMessage]) -> UserError:
    subjects = " and ".join(each.subject for each in mails[:3])
    return UserError(
        f"two series of one version are among the mails: {subjects}",
        "give a mailbox with one of them alone",
    )


def _require_whole(key: _Group, patches: Sequence[MailMessage]) -> None:
    """Raise UserError if a patch is missing, is there twice, or has a number that cannot be."""
    version, count = key
    name = f"v{version} of the series" if version > 1 else "the series"
    if count > MOST:
        raise UserError(f"{name} has {count} patches; {MOST} are the most")
    numbers = [each.number for each in patches]
    missing = [number for number in range(1, count + 1) if number not in numbers]
    if missing:
        some = ", ".join(f"{number}/{count}" for number in missing[:5])
        some += ", …" if len(missing) > 5 else ""
        have = count - len(missing)
        raise UserError(
            f"{name} has {count} patches, and {have} of them are here: {some} "
            f"{'is' if len(missing) == 1 else 'are'} missing",
            _WHOLE,
        )
    doubled = [each for each in patches if numbers.count(each.number) > 1]
    if doubled:
        doubled.sort(key=lambda each: each.number)
        raise _two(doubled)
    if len(patches) > count:
        high = max(patches, key=lambda each: each.number)
        raise UserError(f"no series has a patch of that number: {high.subject}", _WHOLE)


def _require_uncut(patches: Sequence[MailMessage]) -> None:
    """Raise UserError if a patch has fewer files than its diffstat."""
    for each, found, said in _edited(patches):
        if found.files < said.files:
            raise UserError(
                f"patch {each.number}/{each.count} is cut off: it has {found}, and its diffstat "
                f"says {said}: {each.title}",
                "fetch the mail again; if its author edited it, apply the series by git am",
            )


def edited(patches: Iterable[MailMessage]) -> list[str]:
    """Return in words which patches have other lines than their diffstat says."""
    return [
        f"patch {each.number}/{each.count} has {found}, and its diffstat says {said}: "
        "edited, or cut off"
        for each, found, said in _edited(patches)
    ]


def _edited(patches: Iterable[MailMessage]) -> Iterator[tuple[MailMessage, DiffSize, DiffSize]]:
    """Yield each patch that is not what its diffstat says, with what it has and what that says."""
    for each in patches:
        said, found = mail_diffstat.stated(each.text), mail_diffstat.counted(each.text)
        if said is not None and said != found:
            yield each, found, said
