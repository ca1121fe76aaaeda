# SPDX-License-Identifier: GPL-2.0-only
"""The functions of a build at which the witness stops a guest. Pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

from mermapctl.runner.gdb_packets import StubError
from mermapctl.runner.system_map import SystemMap
from mermapctl.trace.probes import FLUSHES, NEEDED, OUTER, PREPARE, TABLES, TEARDOWN


class SiteKind(enum.StrEnum):
    """What begins at a function where the guest stops."""

    TEST = "test"
    GET = "get"
    PUT = "put"
    OUTER = "outer"
    FLUSH = "flush"
    PREPARE = "prep"
    TEARDOWN = "tear"
    TABLES = "tables"


CALLS = (SiteKind.GET, SiteKind.PUT, SiteKind.OUTER)
"""The calls that map and unmap. The guest stops at their return, too, and at that of `PREPARE`."""


class Site(NamedTuple):
    """A function at whose entry the guest stops; `probe` is its probe's name in a trace."""

    kind: SiteKind
    symbol: str
    probe: str


def sites(system_map: SystemMap, tests: Sequence[str], offset: int) -> dict[int, Site]:
    """Return the sites of a build by address, `offset` bytes above the address in System.map.

    Raises StubError if System.map does not name one of the functions that must be watched.
    """
    get, _, put = NEEDED
    wanted = [Site(SiteKind.GET, get.symbol, get.name), Site(SiteKind.PUT, put.symbol, put.name)]
    for each in wanted:
        if system_map.one(each.symbol) is None:
            raise StubError(f"{each.symbol}() is not in this build's System.map, or several times")
    wanted.append(Site(SiteKind.OUTER, OUTER.symbol, OUTER.name))
    wanted += [Site(SiteKind.FLUSH, each.symbol, each.name) for each in FLUSHES]
    wanted.append(Site(SiteKind.TEARDOWN, TEARDOWN.symbol, TEARDOWN.name))
    wanted.append(Site(SiteKind.PREPARE, PREPARE.symbol, PREPARE.name))
    wanted.append(Site(SiteKind.TABLES, TABLES.symbol, TABLES.name))
    wanted += [Site(SiteKind.TEST, test, "") for test in tests]
    return {
        address + offset: site
        for site in wanted
        for address in system_map.addresses.get(site.symbol, ())
    }
