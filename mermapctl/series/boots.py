# SPDX-License-Identifier: GPL-2.0-only
"""Boots by kernel, as a bisect counts them: each one is a line, written when it was judged.

The kernel of a commit is found by the key of its cell (`key.of_files`), the boots by the key of the
kernel (`same_kernel.key_of`). So two commits with the same kernel share their boots, and a bisect
that was killed goes on with all boots that had ended.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mermapctl.errors import HarnessError
from mermapctl.judge.result_types import Severity, Verdict
from mermapctl.judge.unprobed import symptoms
from mermapctl.records import first_bad
from mermapctl.records.first_bad import Key
from mermapctl.records.record import Cell
from mermapctl.runner import repeat
from mermapctl.runner.job import Job
from mermapctl.series import same_kernel
from mermapctl.series.cell_job import CellJob
from mermapctl.system import cache_file, inputs, paths

_LARGEST = 16 << 20
"""Bytes of a kernel's boots: a boot takes 500."""
_NUMBERS = range(1_000_000)
"""Numbers of boots: the next boot has the number after the last one, and a seed by it."""
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class KernelBoot:
    """A boot with a verdict; `number` counts the boots of its kernel from 0, each with a seed.

    `errors` make it fail, `warnings` do not; `symptoms` names the tests that failed. `console` is
    a digest of what the guest printed, `run` the run that booted it.
    """

    number: int
    verdict: Verdict
    errors: tuple[Key, ...]
    warnings: tuple[Key, ...]
    symptoms: tuple[str, ...]
    seed: int | None
    shift: int | None
    console: str
    run: str


@dataclass(frozen=True, slots=True)
class _Kernel:
    """Which kernel a commit has: its key."""

    kernel: str


def _place(kind: str, key: str) -> Path:
    return paths.cache_dir() / "series" / "boots" / kind / key[:2] / key


def kernel_of(files_key: str) -> str | None:
    """Return the key of the kernel that a cell had when it was built last; None if it was not."""
    found = cache_file.read(_place("kernels", files_key), _Kernel)
    return found.kernel if found and _KEY.fullmatch(found.kernel) else None


def of_kernel(kernel: str, only: str | None = None) -> tuple[KernelBoot, ...]:
    """Return the boots of a kernel by number, those of the run `only` alone if it is given."""
    try:
        data = inputs.read_regular(_place("boots", kernel), _LARGEST)
    except OSError:
        return ()
    found: dict[int, KernelBoot] = {}
    for line in data.split(b"\n"):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            boot = msgspec.json.decode(line, type=KernelBoot)
            if boot.number in _NUMBERS and only in (None, boot.run):
                found[boot.number] = boot
    return tuple(found[number] for number in sorted(found))


class Keeper:
    """Keeps the boots of one cell of a bisect, in the cell's process."""

    def __init__(self, asked: CellJob, known: int) -> None:
        self._asked = asked
        self._known = known
        self._kernel = ""

    def built(self, job: Job, cell: Cell) -> Cell | None:
        """Remember the kernel; return the cell where enough boots of it are known already."""
        asked = self._asked
        self._kernel = same_kernel.key_of(asked, job) or asked.key
        cache_file.write(_place("kernels", asked.key), _Kernel(self._kernel))
        boots = of_kernel(self._kernel, asked.run if asked.rerun else None)
        return cell if len(boots) > self._known else None

    def judged(self, job: Job, cell: Cell) -> None:
        """Add a boot with a verdict. Raises HarnessError."""
        if cell.verdict is Verdict.NO_VERDICT:
            return
        asked = self._asked
        number = job.request.seed - asked.request.seed + self._known
        failed = cell.verdict is Verdict.FAILED
        boot = KernelBoot(
            number,
            cell.verdict,
            tuple(first_bad.errors(cell)) if failed else (),
            tuple((each.code, each.test) for each in cell.findings if _warns(each.severity)),
            symptoms(cell.suites, cell.findings) if failed else (),
            cell.seed,
            cell.shift,
            repeat.digest(job).hex(),
            asked.run,
        )
        _append(_place("boots", self._kernel), msgspec.json.encode(boot))


def _warns(severity: Severity) -> bool:
    return severity is Severity.WARNING


def _append(path: Path, line: bytes) -> None:
    """Write a line at the end, behind what a killed process left of one. Raises HarnessError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # open(2) of a FIFO would wait for a reader.
        descriptor = os.open(path, _APPEND, 0o644)
        with open(descriptor, "ab") as file:  # noqa: PTH123
            file.write(b"\n" + line + b"\n")
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror}") from error
