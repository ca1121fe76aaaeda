# SPDX-License-Identifier: GPL-2.0-only
"""Faults outside a kernel: environments by the names in a fault's header."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

QEMU = "qemu-system-x86_64"

# Like QEMU under nested virtualisation without hardware support: it prints this and stays.
_FAILING_KVM = """\
#!/bin/sh
case " $* " in
*" -accel kvm "*)
    echo 'KVM internal error. Suberror: 1'
    echo 'emulation failure'
    exec sleep 600 ;;
esac
exec {qemu} "$@"
"""


@contextlib.contextmanager
def _failing_kvm() -> Iterator[dict[str, str]]:
    qemu = shutil.which(QEMU)
    if qemu is None:
        raise FileNotFoundError(f"{QEMU} is not installed")
    with tempfile.TemporaryDirectory(prefix="mermapctl-fault-") as name:
        program = Path(name, QEMU)
        program.write_text(_FAILING_KVM.format(qemu=shlex.quote(qemu)), encoding="utf-8")
        program.chmod(0o755)
        yield {**os.environ, "PATH": f"{name}:{os.environ['PATH']}"}


@contextlib.contextmanager
def _as_it_is() -> Iterator[dict[str, str]]:
    yield dict(os.environ)


ENVIRONMENTS: dict[str | None, Callable[[], contextlib.AbstractContextManager[dict[str, str]]]] = {
    None: _as_it_is,
    "failing-kvm": _failing_kvm,
}
