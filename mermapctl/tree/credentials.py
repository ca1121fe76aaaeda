# SPDX-License-Identifier: GPL-2.0-only
"""User names and passwords in URLs: taken out before a URL is printed, kept or passed on. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(/+)([^\s/?#]*)(\S*)")
_WHOLE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(/+)([^/?#]*)(.*)", re.DOTALL)
_NO_PORT = re.compile(r"[^\[].*:(?!\d*$)")
_BY_KEY = frozenset({"ssh", "git+ssh", "ssh+git", "sftp", "rsync"})
"""Schemes whose user is a part of the address: what they prove themselves with is not in a URL."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a URL said of its user, percent signs decoded; `password` is None where it has none.

    `place` is the scheme and the host that they are for, such as https://git.example.org:8443.
    """

    place: str
    user: str = field(repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def single_lines(self) -> bool:
        """Whether git's credential protocol, which has one value a line, can say them."""
        return not re.search(r"[\0-\x1f\x7f]", self.user + (self.password or ""))


def take(url: str) -> tuple[str, Credentials | None]:
    """A URL without its credentials, and the credentials of its web server, if it had some."""
    found = _WHOLE.search(url)
    if found is None:
        return url, None
    scheme, _, userinfo, host = _split(found)
    clean = _WHOLE.sub(_cleaned, url)
    if not userinfo or scheme.lower() in _BY_KEY:
        return clean, None
    user, colon, password = userinfo.partition(":")
    place = f"{scheme}://{re.split('[/?#]', host)[0]}"
    return clean, Credentials(place, unquote(user), unquote(password) if colon else None)


def without(text: str) -> str:
    """Any text with URLs in it, without their credentials."""
    return _URL.sub(_cleaned, text)


def _split(url: re.Match[str]) -> tuple[str, str, str | None, str]:
    """Scheme, slashes, what stands before the @ (None where there is none), and all after it.

    A password with a raw "/", "?" or "#" ends the host too early: its "port" is no number then.
    """
    scheme, slashes, authority, rest = url.groups()
    if "@" in authority:
        userinfo, _, host = authority.rpartition("@")
        return scheme, slashes, userinfo, host + rest
    if "@" in rest and _NO_PORT.match(authority):
        userinfo, _, host = (authority + rest).rpartition("@")
        return scheme, slashes, userinfo, host
    return scheme, slashes, None, authority + rest


def _cleaned(url: re.Match[str]) -> str:
    scheme, slashes, userinfo, host = _split(url)
    kept = ""
    if userinfo and scheme.lower() in _BY_KEY:
        kept = userinfo.partition(":")[0] + "@"
    return f"{scheme}:{slashes}{kept}{host}"
