# SPDX-License-Identifier: GPL-2.0-only
"""The address of a dask scheduler, and which one is refused: without TLS, dask runs anybody's code.

Imports no dask.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from mermapctl.errors import UserError

_ADDRESS = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:(?P<port>\d{1,5}))?/?"
)
_PORT = 8786
"""dask's default port of a scheduler."""


@dataclass(frozen=True, slots=True)
class Scheduler:
    """A scheduler's address, and the files of TLS; those that are None are dask's own settings."""

    address: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @property
    def encrypted(self) -> bool:
        """Whether it is reached by TLS."""
        return self.address.startswith("tls://")


def checked(
    spelled: str, ca: Path | None, cert: Path | None, key: Path | None, *, insecure: bool
) -> Scheduler:
    """Return the scheduler of an address. Raises UserError for what is none, or is not safe."""
    found = _ADDRESS.fullmatch(spelled)
    if found is None or not 0 < int(found["port"] or _PORT) < 65536:
        raise UserError(
            f"--scheduler {spelled} is no address of a scheduler", "such as tls://farm.example:8786"
        )
    if found["scheme"] not in {"tls", "tcp"}:
        raise UserError(
            f"--scheduler {spelled}: {found['scheme']}:// is neither tls:// nor tcp://",
            f"tls://{found['host']}:{found['port'] or _PORT}",
        )
    files = {"--tls-ca": ca, "--tls-cert": cert, "--tls-key": key}
    if found["scheme"] == "tcp":
        given = [name for name, path in files.items() if path is not None]
        if given:
            raise UserError(f"{given[0]} is for tls://, and not for {spelled}")
        if not insecure and not _is_loopback(found["host"]):
            raise UserError(
                f"{spelled} is not encrypted: anyone who reaches its port can run programs on "
                "every worker",
                "use tls:// (docs/howto/farm.md); --insecure-scheduler allows it in a network of "
                "your own",
            )
    for name, path in files.items():
        if path is not None and not path.is_file():
            raise UserError(f"{name} {path} is no file")
    address = f"{found['scheme']}://{found['host']}:{found['port'] or _PORT}"
    return Scheduler(address, ca, cert, key)


def _is_loopback(host: str) -> bool:
    """Return whether a host is this machine; a name that DNS answers may be any, but localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
