# SPDX-License-Identifier: GPL-2.0-only
"""Points in time as git takes them: `36h`, `2 weeks ago`, `yesterday`, `2026-01-31 12:00`."""

from __future__ import annotations

import datetime as dt
import re

from mermapctl.errors import UserError
from mermapctl.records.record import rfc3339

_UNITS = {
    "second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400,
    "fortnight": 14 * 86400, "month": 30 * 86400, "year": 365 * 86400,
}  # fmt: skip
_SHORT = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}
_NUMBERS = ("a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SPELLED = {"an": 1, "one": 1, "last": 1} | {name: at for at, name in enumerate(_NUMBERS, 1)}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_AGE = re.compile(r"(\d{1,5})([smhdw])", re.ASCII)
_AGO = re.compile(
    rf"(?P<number>\d{{1,5}}|{'|'.join(_SPELLED)})[ .]?(?P<unit>{'|'.join(_UNITS)})s?(?:[ .]ago)?",
    re.ASCII,
)
_WEEKDAY = re.compile(rf"(?:last[ .])?({'|'.join(_WEEKDAYS)})")
_FORMS = (
    "%Y/%m/%d", "%d.%m.%Y", "%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%b %d, %Y",
    "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %Y %z", "%a %b %d %H:%M:%S %Y",
)  # fmt: skip
"""Beside ISO 8601: those of git's date formats that name a year."""


def moment(text: str, now: dt.datetime | None = None) -> str:
    """Convert a date, or an age before `now`, to RFC 3339 in UTC. Raises UserError."""
    present = now or dt.datetime.now(dt.UTC)
    try:
        then = _relative(text.strip().lower(), present) or _absolute(text.strip())
        if then is not None:
            return rfc3339(then.astimezone(dt.UTC))
    except (ValueError, OverflowError, OSError):
        pass
    raise UserError(
        f"{text!r} is no point in time",
        "Write 2026-01-31, '2026-01-31 12:00', 36h, 7d, '2 weeks ago' or yesterday.",
    )


def _relative(text: str, now: dt.datetime) -> dt.datetime | None:
    """Return a point before `now`, at the same time of day; None if the text is no age."""
    if found := _AGE.fullmatch(text):
        return now - dt.timedelta(seconds=int(found[1]) * _UNITS[_SHORT[found[2]]])
    if found := _AGO.fullmatch(text):
        said = found["number"]
        number = int(said) if said.isdigit() else _SPELLED[said]
        return now - dt.timedelta(seconds=number * _UNITS[found["unit"]])
    if found := _WEEKDAY.fullmatch(text):
        local = now.astimezone()
        days = (local.weekday() - _WEEKDAYS.index(found[1])) % 7 or 7
        return now - dt.timedelta(days=days)
    if text in {"now", "yesterday"}:
        return now - dt.timedelta(days=text == "yesterday")
    if text in {"today", "midnight"}:
        return now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    return None


def _absolute(text: str) -> dt.datetime | None:
    if re.fullmatch(r"@\d{1,11}", text, re.ASCII):
        return dt.datetime.fromtimestamp(int(text[1:]), dt.UTC)
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        for form in _FORMS:
            try:
                return dt.datetime.strptime(text, form)  # noqa: DTZ007 - local, as git reads it
            except ValueError:
                continue
    return None
