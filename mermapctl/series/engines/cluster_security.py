# SPDX-License-Identifier: GPL-2.0-only
"""dask's TLS settings for a scheduler, of our options or of its own configuration; its log."""

from __future__ import annotations

import logging
import ssl
from typing import Any

from distributed.security import Security

from mermapctl.errors import UserError
from mermapctl.series.engines.scheduler_address import Scheduler

_NAMES = ("distributed", "tornado")
_LOGGERS = tuple(f"{name}." for name in _NAMES)


def silence() -> None:
    """Let dask and tornado log nothing: what happens is reported in sentences of ours."""
    found = [name for name in logging.root.manager.loggerDict if name.startswith(_LOGGERS)]
    for name in (*_NAMES, *found):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def security_of(scheduler: Scheduler, role: str = "client") -> Any:
    """Return dask's security for a `client` or a `worker`. Raises UserError if a file is missing.

    None without encryption.
    """
    if not scheduler.encrypted:
        return None
    given = {
        "tls_ca_file": scheduler.ca,
        f"tls_{role}_cert": scheduler.cert,
        f"tls_{role}_key": scheduler.key,
    }
    made = Security(  # type: ignore[no-untyped-call]
        require_encryption=True,
        **{name: str(path) for name, path in given.items() if path is not None},
    )
    lacking = [name for name in given if not getattr(made, name)]
    if lacking:
        raise UserError(
            f"{scheduler.address} needs a CA, a certificate and its key: "
            f"{', '.join(lacking)} is not set",
            "--tls-ca, --tls-cert, --tls-key, or distributed.comm.tls in dask's configuration",
        )
    try:
        made.get_connection_args(role)  # type: ignore[no-untyped-call]
    except (OSError, ssl.SSLError, ValueError) as error:
        raise UserError(f"the files of TLS cannot be used: {error}") from error
    return made
