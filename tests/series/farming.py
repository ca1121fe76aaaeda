# SPDX-License-Identifier: GPL-2.0-only
"""A farm on this machine: certificates, a scheduler, workers; each is a process of its own."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.tables import TESTS

SCHEDULER = """\
import asyncio, sys
from distributed import Scheduler
from distributed.security import Security

async def serve(ca, cert, key):
    security = Security(
        tls_ca_file=ca, tls_scheduler_cert=cert, tls_scheduler_key=key, require_encryption=True
    )
    address = {"host": "tls://127.0.0.1", "port": 0, "dashboard_address": "127.0.0.1:0"}
    async with Scheduler(**address, security=security) as scheduler:
        print(scheduler.address, flush=True)
        await scheduler.finished()

asyncio.run(serve(*sys.argv[1:]))
"""

MERMAPCTL = "from mermapctl.__main__ import main; main()"


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certify(place: Path) -> tuple[str, ...]:
    """Make a CA and a certificate of it; return the options that name them."""
    now = dt.datetime.now(dt.UTC)
    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def made(subject: str, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
        builder = x509.CertificateBuilder(
            issuer_name=_name("farm"),
            subject_name=_name(subject),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - dt.timedelta(hours=1),
            not_valid_after=now + dt.timedelta(days=1),
        ).add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    place.mkdir()
    (place / "ca.pem").write_bytes(made("farm", authority, ca=True))
    (place / "cert.pem").write_bytes(made("member", own, ca=False))
    secret = own.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (place / "key.pem").write_bytes(secret)
    names = ("ca", "cert", "key")
    return tuple(f"--tls-{name}={place / name}.pem" for name in names)


@dataclass
class TestFarm:
    """A scheduler behind TLS, and the workers that a test starts."""

    __test__ = False

    home: Path
    tls: tuple[str, ...]
    scheduler: subprocess.Popen[str]
    address: str
    workers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    @property
    def options(self) -> tuple[str, ...]:
        """The options of a client or a worker."""
        return (f"--scheduler={self.address}", *self.tls)

    def hire(self, name: str, first: str = "", limit: str = "", **env: str) -> None:
        """Start a worker, and wait until it is connected.

        `first` is Python that runs in it before, `limit` what a shell does before.
        """
        argv = [sys.executable, "-P", "-c", f"{first}\n{MERMAPCTL}", "worker"]
        argv += [f"--name={name}", "--cores=1", *self.options]
        if limit:
            argv = ["bash", "-c", f'{limit}; exec "$@"', "bash", *argv]
        self.workers[name] = worker = subprocess.Popen(
            argv,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "MERMAPCTL_HOME": str(self.home / name),
                "PYTHONPATH": str(TESTS.parent),
                **env,
            },
        )
        assert worker.stderr is not None
        said = worker.stderr.readline()
        assert "waits for cells" in said, said + worker.stderr.read()

    def dismiss(self) -> None:
        """End the workers."""
        _end(*self.workers.values())

    def close(self) -> None:
        """End all."""
        _end(*self.workers.values(), self.scheduler)


def _end(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def farm(place: Path) -> Iterator[TestFarm]:
    """Yield a farm without workers; it ends with the block."""
    place.mkdir()
    tls = certify(place / "tls")
    files = [option.partition("=")[2] for option in tls]
    log = place / "scheduler.log"
    with log.open("wb") as file:
        scheduler = subprocess.Popen(
            [sys.executable, "-c", SCHEDULER, *files],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
    assert scheduler.stdout is not None
    address = scheduler.stdout.readline().strip()
    made = TestFarm(place, tls, scheduler, address)
    try:
        assert address.startswith("tls://"), log.read_text()
        yield made
    finally:
        made.close()


def wait_until(happened: object, seconds: float = 30.0) -> None:
    """Wait until a function returns true."""
    assert callable(happened)
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
