# SPDX-License-Identifier: GPL-2.0-only
"""The user's name and address as git's configuration has them; none is guessed.

`git var GIT_AUTHOR_IDENT` would make one of the login and the host.
"""

from __future__ import annotations

import re

from mermapctl.errors import HarnessError
from mermapctl.system import process
from mermapctl.tree import git

_SECONDS = 10
_NAME = re.compile(r"[^<>\n\r\0]{1,200}")
_MAIL = re.compile(r"[^<>@\s\0]{1,200}@[^<>@\s\0]{1,200}")


def of_user() -> str | None:
    """Return "Name <address>" from user.name and user.email; None unless git has both."""
    name, mail = (_configured(each) for each in ("user.name", "user.email"))
    known = _NAME.fullmatch(name) and _MAIL.fullmatch(mail) and f"{name}{mail}".isprintable()
    return f"{name} <{mail}>" if known else None


def _configured(setting: str) -> str:
    """Return a setting of git here; empty where git has none, or does not run."""
    ask = ["git", "config", "--get", setting]
    try:
        said = process.run(ask, env=git.environment(own=False), timeout=_SECONDS)
    except HarnessError:
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""
