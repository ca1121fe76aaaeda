# SPDX-License-Identifier: GPL-2.0-only
"""Source of a new kernel tree: a tarball, a git URL, or an existing tree."""

from __future__ import annotations

import contextlib
import enum
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path

from mermapctl.errors import UserError
from mermapctl.tree import credentials
from mermapctl.tree.credentials import Credentials
from mermapctl.tree.find import is_kernel

OLDEST = (6, 12)
"""The oldest version on which the reference mermap is tested."""
DISTRIBUTION = Path("/usr/src")

_TARBALL = re.compile(r"\.tar(\.(xz|gz|bz2|zst|lzma))?$|\.t[gx]z$")
_VERSION = re.compile(r"^linux-(?:[\w.]+-)*source-(\d+)\.(\d+)(?:\.(\d+))?\D*\.tar\b")
# RFC 3986's scheme, and git's own HOST:PATH (no slash before the colon). No option matches.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|(?!-)[^/]+:")
_STABLE = "https://git.kernel.org/pub/scm/linux/kernel/git/stable/linux.git"
_OTHERWISE = (
    "or give --source: a linux-*.tar.xz, a kernel tree, or a git URL with a tag, "
    f"such as {_STABLE}#v6.12"
)


class SourceKind(enum.StrEnum):
    """How to make a tree of a source: unpack, clone over a network, clone locally, copy."""

    TARBALL = "tarball"
    URL = "git URL"
    REPOSITORY = "git repository"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class Source:
    """A source; `location` is an absolute path or a URL, `ref` the branch or tag after its #.

    A URL's user and password are not in `location`, which is printed and kept.
    """

    kind: SourceKind
    location: str
    ref: str | None = None
    credentials: Credentials | None = field(default=None, repr=False, compare=False)

    @property
    def spelled(self) -> str:
        """Spell the source as --source accepts it."""
        return f"{self.location}#{self.ref}" if self.ref else self.location

    @property
    def name(self) -> str:
        """Return a name for commit messages, the same on every machine."""
        last = re.split(r"[/:]", self.location.rstrip("/"))[-1]
        return f"{last}#{self.ref}" if self.ref else last


def identify(text: str) -> Source:
    """Identify the source that --source names. Raises UserError listing what it could be."""
    path = Path(text)
    with contextlib.suppress(RuntimeError):  # an unknown ~user
        path = path.expanduser()
    if _TARBALL.search(text) and (path.is_file() or not _URL.match(text)):
        if not path.is_file():
            raise UserError(
                f"there is no tarball {credentials.without(str(path))}",
                "give the path of a linux-*.tar.xz",
            )
        return Source(SourceKind.TARBALL, str(path.absolute()))
    if path.is_dir():
        return _directory(path.absolute())
    before, _, ref = str(path).partition("#")
    if ref and Path(before).is_dir():
        return _directory(Path(before).absolute(), ref)
    text, secret = credentials.take(text)
    if _URL.match(text):
        if _TARBALL.search(text):
            raise UserError(
                f"{text} is a tarball on another machine",
                "download it first, and give its path",
            )
        if secret and not secret.single_lines:
            raise UserError(
                f"--source {text}: its user or password holds a control character",
                "a git server can be told printable ones only",
            )
        location, _, ref = text.partition("#")
        return Source(SourceKind.URL, location, ref or None, secret)
    what = "is neither a tarball, a kernel tree nor a git URL" if path.exists() else "is not there"
    raise UserError(f"--source {text} {what}", "a tarball's name ends in .tar.xz, .tar.gz, …")


def _directory(path: Path, ref: str | None = None) -> Source:
    if (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir()):
        return Source(SourceKind.REPOSITORY, str(path), ref)
    if ref:
        raise UserError(f"{path} is no git repository: it has no {ref}", "leave out the #")
    if not is_kernel(path):
        raise UserError(
            f"{path} is neither a kernel tree nor a git repository",
            "a kernel tree has a Makefile with a VERSION, and a Kconfig",
        )
    if (path / ".config").exists() or (path / "include/config").exists():
        raise UserError(
            f"{path} was built in place: what it would give is not a kernel's source alone",
            f"make -C {path} mrproper (it deletes the .config there), or give another source",
        )
    return Source(SourceKind.DIRECTORY, str(path))


def tarballs(directory: Path = DISTRIBUTION) -> dict[tuple[int, int, int], Path]:
    """List the distribution's linux-source tarballs by version, newest first.

    Debian has them directly there, Ubuntu one directory deeper behind a link; a newer kernel for an
    older Ubuntu has its series in the name (linux-hwe-6.14-source-6.14.0).
    """
    found: dict[tuple[int, int, int], Path] = {}
    for pattern in ("linux-*source-*.tar*", "linux-*source-*/linux-*source-*.tar*"):
        for path in sorted(directory.glob(pattern)):
            version = _VERSION.search(path.name)
            if version and path.is_file() and _TARBALL.search(path.name):
                found.setdefault(
                    (int(version[1]), int(version[2]), int(version[3] or 0)), path.absolute()
                )
    return dict(sorted(found.items(), reverse=True))


def newest(directory: Path = DISTRIBUTION) -> Source:
    """Return the newest supported tarball. Raises UserError naming the package to install."""
    there = tarballs(directory)
    for version, path in there.items():
        if version[:2] >= OLDEST:
            return Source(SourceKind.TARBALL, str(path))
    oldest = ".".join(map(str, OLDEST))
    if there:
        versions = ", ".join(f"{major}.{minor}" for major, minor, _ in there)
        message = f"linux-source {versions} in {directory} is too old: {oldest} is the oldest"
    else:
        message = f"there is no linux-source tarball in {directory}"
    raise UserError(message, f"{_install()}{_OTHERWISE}")


def _install() -> str:
    """Return the package to install, if known to exist: Debian 12 (security) and 13 have it."""
    with contextlib.suppress(OSError):
        system = platform.freedesktop_os_release()
        if system.get("ID") == "debian" and system.get("VERSION_ID") in {"12", "13"}:
            return f"apt-get install linux-source-{'.'.join(map(str, OLDEST))}, "
    return "install your distribution's kernel source, 6.12 or newer, if it has one, "
