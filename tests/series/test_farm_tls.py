# SPDX-License-Identifier: GPL-2.0-only
"""The files of TLS: what is none is named, and nothing waits for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed")

import dask
from cryptography.hazmat.primitives import serialization

from mermapctl.errors import UserError
from mermapctl.series.engines.cluster_security import security_of
from mermapctl.series.engines.scheduler_address import Scheduler
from tests.series.farming import certify

FARM = "tls://127.0.0.1:1"
CA, CERT, KEY = "ca.pem", "cert.pem", "key.pem"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Make the files of a farm's member, and others in place of them."""
    made = tmp_path / "tls"
    certify(made)
    (made / "directory").mkdir()
    os.mkfifo(made / "fifo")
    (made / "empty").write_text("")
    (made / "cut").write_bytes((made / CERT).read_bytes()[:200])
    with (made / "large").open("wb") as file:
        file.truncate(1 << 30)
    key = serialization.load_pem_private_key((made / KEY).read_bytes(), None)
    for name, form in (
        ("locked", serialization.PrivateFormat.PKCS8),
        ("locked-before", serialization.PrivateFormat.TraditionalOpenSSL),
    ):
        secret = serialization.BestAvailableEncryption(b"passphrase")
        (made / name).write_bytes(key.private_bytes(serialization.Encoding.PEM, form, secret))
    return made


def configured(ca: str, cert: str, key: str) -> Any:
    top = "distributed.comm.tls"
    files = {f"{top}.ca-file": ca, f"{top}.client.cert": cert, f"{top}.client.key": key}
    return dask.config.set(files)


def refused(place: Path, ca: str, cert: str, key: str) -> str:
    files = [place / each for each in (ca, cert, key)]
    with pytest.raises(UserError) as by_options:
        security_of(Scheduler(FARM, *files))
    with configured(*map(str, files)), pytest.raises(UserError) as by_configuration:
        security_of(Scheduler(FARM))
    assert by_options.value.message == by_configuration.value.message
    return by_options.value.message


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("directory", CERT, KEY), "directory: it is a directory"),
        (("fifo", CERT, KEY), "fifo: it is a FIFO"),
        ((CA, "fifo", KEY), "fifo: it is a FIFO"),
        ((CA, CERT, "fifo"), "fifo: it is a FIFO"),
        ((CA, CERT, "large"), "large: it is larger than"),
        ((CA, CERT, "gone"), "gone: No such file"),
        (("empty", CERT, KEY), "empty has no certificate"),
        (("cut", CERT, KEY), "cut has no certificate"),
        ((CA, "cut", KEY), "cut with "),
        ((CA, CERT, "empty"), "empty: "),
        ((CA, CERT, "locked"), "locked, has a passphrase"),
        ((CA, CERT, "locked-before"), "locked-before, has a passphrase"),
    ],
)
def test_a_file_of_tls_that_is_none_is_named(
    place: Path, files: tuple[str, str, str], said: str
) -> None:
    assert said in refused(place, *files)


def test_the_contents_of_the_files_may_be_in_dasks_configuration(place: Path) -> None:
    ca, cert, key = ((place / each).read_text() for each in (CA, CERT, KEY))
    with configured(ca, cert, key):
        assert security_of(Scheduler(FARM)) is not None
    said = "the one in dask's configuration has no certificate"
    with configured("no\n", cert, key), pytest.raises(UserError, match=said):
        security_of(Scheduler(FARM))
