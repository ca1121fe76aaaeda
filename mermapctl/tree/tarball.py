# SPDX-License-Identifier: GPL-2.0-only
"""Checks tar's listing line by line and refuses harmful members. Pure.

The listing is GNU tar's `--verbose --verbose --quoting-style=c --numeric-owner` in the C locale. It
names a member before tar writes it.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from dataclasses import dataclass

MOST_MEMBERS = 300_000
"""6.12 has 92,000, directories included."""
MOST_BYTES = 8 << 30
"""6.12 has 1.5 GB."""
MOST_RATIO = 100
"""Bytes unpacked for one byte packed; xz makes a twelfth of a kernel."""
FREE_BYTES = 64 << 20
"""Always allowed, whatever the ratio: a small file may pack better."""

GIT = b".git"
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
_KINDS = {b"-": "file", b"d": "directory", b"l": "link", b"h": "hard link"}
_MADE = b"Creating directory:"
"""tar prints this for a directory that a member needs and that is no member itself."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member as tar lists it: `mode` is as in ls, `link` the target of either kind of link."""

    kind: str
    mode: bytes
    size: int
    name: bytes
    link: bytes | None = None

    @property
    def parts(self) -> tuple[bytes, ...]:
        """Split the name into components as tar counts them."""
        return tuple(part for part in self.name.split(b"/") if part)

    @property
    def shown(self) -> str:
        """Return the name for messages."""
        return repr(self.name.decode("utf-8", "backslashreplace"))


def parse(line: bytes) -> Member | None:
    """Parse one line of the listing; None for a directory that tar makes on its own.

    Raises ValueError for a line that tar does not write.
    """
    head, quote, rest = line.partition(b'"')
    fields = head.split()
    if quote and _MADE in head:
        return None
    names = [_unquoted(each) for each in _QUOTED.findall(quote + rest)]
    if not names or len(fields) < 3 or not (kind := fields[0][:1]):
        raise ValueError(line)
    size = int(fields[2]) if fields[2].isdigit() else 0  # for a device: major,minor
    link = names[1] if len(names) > 1 else None
    return Member(_KINDS.get(kind, "special"), fields[0], size, names[0], link)


def _unquoted(quoted: bytes) -> bytes:
    r"""Read a C string of tar; its escapes (\n, \", \\, \303) are Python's too."""
    if b"\\" not in quoted:
        return quoted[1:-1]
    return bytes(ast.literal_eval("b" + quoted.decode("ascii")))


def depth(first: Member) -> int:
    """Return how many directories to strip: 1 for one top directory, as in all known tarballs.

    tar counts a leading ``.`` as a directory too.
    """
    name = first.name.rstrip(b"/")
    if name == b".":
        return 1
    bare = name.removeprefix(b"./")
    return int(bare != name) + int(first.kind == "directory" or b"/" in bare)


def is_git(name: bytes) -> bool:
    """Return whether git on any system reads a file name as `.git`.

    HFS+ ignores case and invisible characters; NTFS ignores a trailing dot, blank or `:stream`, and
    accepts `git~1` (core.protectHFS, core.protectNTFS in git-config(1)).
    """
    text = unicodedata.normalize("NFKC", name.decode("utf-8", "ignore"))
    seen = "".join(each for each in text if unicodedata.category(each) not in {"Cf", "Cc"})
    plain = re.split(r"[:\\]", seen.casefold())[0].rstrip(" .")
    return plain in {".git", "git~1"}


class Admission:
    """Checks member after member and reports the first that must be refused.

    `strip` leading directories of each name are dropped; `packed` is the tarball's size in bytes.
    """

    def __init__(self, strip: int, packed: int) -> None:
        self.strip = strip
        self.limit = min(MOST_BYTES, max(FREE_BYTES, MOST_RATIO * packed))
        self.members = 0
        self.bytes = 0
        self.files: set[tuple[bytes, ...]] = set()
        self.links: set[tuple[bytes, ...]] = set()
        self.clean: set[tuple[bytes, ...]] = set()

    def path(self, member: Member) -> tuple[bytes, ...]:
        """Return a member's path in the tree, as components."""
        return tuple(part for part in member.parts[self.strip :] if part != b".")

    def refusal(self, member: Member) -> str | None:
        """Return why this member must be refused; None if it is allowed."""
        self.members += 1
        self.bytes += member.size
        if self.members > MOST_MEMBERS:
            return f"it has more than {MOST_MEMBERS:,} members"
        if self.bytes > self.limit:
            return f"it unpacks to more than {self.limit:,} bytes"
        return self._of_its_own(member) or self._among_others(member)

    def _of_its_own(self, member: Member) -> str | None:
        if member.kind == "special":
            return f"{member.shown} is a device, a FIFO, or of a kind that no source has"
        if member.name.startswith(b"/") or b".." in member.parts:
            return f"{member.shown} leads out of the tree"
        if member.kind == "file" and (member.mode[3:4] in b"sS" or member.mode[6:7] in b"sS"):
            return f"{member.shown} would run as its owner (setuid or setgid)"
        for part in member.parts:
            if part != GIT and is_git(part):
                return f"{member.shown} is named as git's own directory on some systems"
        return None

    def _among_others(self, member: Member) -> str | None:
        path = self.path(member)
        if member.kind == "link":
            self.links.add(path)
            self.clean.clear()
        else:
            self.links.discard(path)
        if self._below_a_link(path):
            return f"{member.shown} is below a symbolic link of the same tarball"
        if member.kind == "file":
            self.files.add(path)
        elif member.kind == "hard link":
            # tar lists the target with the directories already stripped.
            target = tuple(part for part in (member.link or b"").split(b"/") if part)
            if target not in self.files or self._below_a_link((*target, b"")):
                return f"{member.shown} is a hard link to what is no file of the tarball"
            self.files.add(path)
        return None

    def _below_a_link(self, path: tuple[bytes, ...]) -> bool:
        above = path[:-1]
        if not self.links or above in self.clean:
            return False
        if any(path[:length] in self.links for length in range(1, len(path))):
            return True
        self.clean.add(above)
        return False
