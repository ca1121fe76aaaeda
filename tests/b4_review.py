# SPDX-License-Identifier: GPL-2.0-only
"""b4 as a library, for tests: its import changes how every mail of the process is encoded."""

from __future__ import annotations

import email.charset

_KEPT = dict(email.charset.CHARSETS)

from b4.review import checks as review  # noqa: E402

email.charset.CHARSETS.clear()
email.charset.CHARSETS.update(_KEPT)

__all__ = ["review"]
