# SPDX-License-Identifier: GPL-2.0-only
"""Removes user names and passwords from URLs before they are printed or stored. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(/+)([^\s/?#]*)(\S*)")
_WHOLE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(/+)([^/?#]*)(.*)", re.DOTALL)
_NO_PORT = re.compile(r"[^\[].*:(?!\d*$)")
_BY_KEY = frozenset({"ssh", "git+ssh", "ssh+git", "sftp", "rsync"})
"""Schemes whose user is part of the address; the URL does not contain their secret."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """User and password of a URL, percent signs decoded; `password` is None if absent.

    `place` is the scheme and host they belong to, such as https://git.example.org:8443.
    """

    place: str
    user: str = field(repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def single_lines(self) -> bool:
        """Whether git's credential protocol, with one value a line, can carry them."""
        return not re.search(r"[\0-\x1f\x7f]", self.user + (self.password or ""))


def take(url: str) -> tuple[str, Credentials | None]:
    """Split a URL into the URL without credentials and the credentials, if any."""
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
    """Remove the credentials from all URLs in a text."""
    return _URL.sub(_cleaned, text)


def _split(url: re.Match[str]) -> tuple[str, str, str | None, str]:
    """Split into scheme, slashes, the part before the @ (None without @), and the rest.

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
