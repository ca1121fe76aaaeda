# SPDX-License-Identifier: GPL-2.0-only
"""dask's TLS settings for a scheduler, of our options or of its own configuration; its log."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

from distributed.security import Security

from mermapctl.errors import UserError
from mermapctl.series.engines.scheduler_address import Scheduler
from mermapctl.system import inputs

_NAMES = ("distributed", "tornado")
_LOGGERS = tuple(f"{name}." for name in _NAMES)


_LARGEST = 4 << 20
"""Bytes of a file of TLS; a bundle of all public CAs has 220 kB."""


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
    ca, cert, key = (getattr(made, name) for name in given)
    for each in (ca, cert, key):
        _require_usable(each)
    _require_certificate(ca)
    try:
        made.get_connection_args(role)  # type: ignore[no-untyped-call]
    except (OSError, ssl.SSLError, ValueError) as error:
        raise UserError(
            f"the files of TLS cannot be used: {_named(cert)} with {_named(key)}: {error}",
            "`openssl x509 -noout -in FILE` reads a certificate, `openssl pkey -noout -in FILE` "
            "a key",
        ) from error
    return made


def _require_usable(given: str) -> None:
    """Raise UserError for what dask would wait for: a FIFO, or a key with a passphrase.

    OpenSSL asks for that on the terminal, for each connection. dask's configuration may have the
    contents of a file in its place.
    """
    try:
        pem = given.encode() if "\n" in given else inputs.read_regular(Path(given), _LARGEST)
    except OSError as error:
        raise UserError(f"a file of TLS cannot be used: {given}: {error.strerror}") from error
    if b"ENCRYPTED" in pem:
        raise UserError(
            f"the key of TLS, {_named(given)}, has a passphrase, which dask cannot be given",
            "`openssl pkey -in KEY -out NEW` writes it without one; keep that file to yourself",
        )


def _require_certificate(ca: str) -> None:
    """Raise UserError for a CA's file without a certificate: dask's error would name no file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if "\n" in ca:
            context.load_verify_locations(cadata=ca)
        else:
            context.load_verify_locations(ca)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise UserError(f"a file of TLS cannot be used: {_named(ca)} has no certificate") from error


def _named(given: str) -> str:
    return "the one in dask's configuration" if "\n" in given else given
