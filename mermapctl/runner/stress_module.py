# SPDX-License-Identifier: GPL-2.0-only
"""Build the stress suite's module against a kernel that was built, in its build directory.

kbuild leaves objects beside the sources (MO= is new in Linux 6.13), so the sources are copied:
neither the user's tree nor mermapctl's own files get one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import time
from pathlib import Path

from mermapctl.errors import HarnessError
from mermapctl.events import StageEnded, StageStarted
from mermapctl.judge import stress
from mermapctl.runner import kernel_modules, kunit
from mermapctl.runner.job import Job
from mermapctl.runner.kernel import Kernel
from mermapctl.runner.kernel_modules import Module
from mermapctl.system import files, inputs, paths, process
from mermapctl.tree import ownership

NAME = "mermap_stress"
STAMP = ".built-from"
_LIMIT = 600.0
_LACKS = re.compile(r'ERROR: modpost: "(\w+)" .*undefined!')
_ERROR = re.compile(r"\berror: |\*\*\* ")


def built(job: Job, kernel: Kernel) -> Module:
    """Return the module, built if the kernel or its sources have changed. Raises HarnessError."""
    place = job.build_dir / stress.PLACE
    made = _made_from(job, kernel)
    module = place / f"{NAME}.ko"
    with contextlib.suppress(OSError):
        if inputs.read_regular(place / STAMP) == made and module.is_file():
            return kernel_modules.read(module)
    began = time.monotonic()
    job.tell(StageStarted("stress module"))
    try:
        _make(job, place)
    except HarnessError:
        job.tell(StageEnded("stress module", time.monotonic() - began, ok=False))
        raise
    files.write_own(place / STAMP, made)
    job.tell(StageEnded("stress module", time.monotonic() - began, ok=True))
    return kernel_modules.read(module)


def _sources() -> list[Path]:
    return sorted(each for each in (paths.shipped("kernel") / "stress").iterdir() if each.is_file())


def _made_from(job: Job, kernel: Kernel) -> bytes:
    """Return what the module depends on: its sources, and the identity of the kernel."""
    digest = hashlib.sha256()
    for source in _sources():
        digest.update(source.name.encode() + b"\0" + inputs.read_regular(source))
    kernels = [files.identity(job.build_dir / name) for name in (kernel.image, ".config")]
    return json.dumps([digest.hexdigest(), kernels]).encode()


def _make(job: Job, place: Path) -> None:
    """Build the module from nothing, in two seconds: its objects may be those of another kernel."""
    ownership.require(job.tree)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for source in _sources():
        files.write_own(place / source.name, inputs.read_regular(source))
    done = process.run(
        command(job, place), env=kunit.environment(process.inherited()), timeout=_LIMIT
    )
    if done.returncode != 0:
        raise HarnessError(
            f"the stress suite does not build against this tree: {_why(done.stdout, done.stderr)}",
            "it needs the mermap's functions that are exported for KUnit; run without --stress",
        )


def command(job: Job, place: Path) -> list[str]:
    """Return make's command line for the module."""
    target = job.target
    argv = ["make", "-C", str(job.tree), f"O={job.build_dir}", f"M={place}"]
    argv += [f"ARCH={target.linux_arch}", f"--jobs={job.request.jobs}"]
    argv += [f"CROSS_COMPILE={target.cross_compile}"] if target.cross_compile else []
    return [*argv, "modules"]


def _why(out: str, err: str) -> str:
    lacking = sorted(dict.fromkeys(_LACKS.findall(err)))
    if lacking:
        return f"it exports no {', '.join(f'{name}()' for name in lacking)}"
    lines = [line.strip() for line in (*err.splitlines(), *out.splitlines())]
    return next((line for line in lines if _ERROR.search(line)), "make gives no reason")
