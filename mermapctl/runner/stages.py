# SPDX-License-Identifier: GPL-2.0-only
"""The three stages of a cell, each one kunit.py process under watch: config, build, boot."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mermapctl.config import fragment, target
from mermapctl.config.fragment import MissingSymbol
from mermapctl.config.target import Accel
from mermapctl.config.toolchain import make_environment, of_build
from mermapctl.console.ktap import progress_of
from mermapctl.events import Note, Objects, StageEnded, StageStarted, TestEnded, Tick
from mermapctl.judge.verdict import Boot, Ended, Reason
from mermapctl.runner import (
    accelerator,
    build_log,
    guest,
    initramfs,
    kernel_modules,
    kunit,
    kvm_probe,
    up_to_date,
)
from mermapctl.runner.path_shims import Goals, write_ccache, write_make, write_qemu
from mermapctl.system import process
from mermapctl.tree import build_dir, ownership

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mermapctl.runner.job import Work

_PRINTK = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ")
"""What printk.time=1 (and CONFIG_PRINTK_CALLER) put before a line."""


_DEAD = "---[ end Kernel panic - not syncing"
"""A panic's last line where the machine stays afterwards: without panic=-1 (kernel/panic.c)."""
PANICKED = "the kernel panicked, and stays"
OVER = (PANICKED, initramfs.DONE)
"""Nothing more will come: no reason to wait, and no accelerator's fault."""


_LOOK_BYTES = 8 << 20


_STAMP = {
    # What would differ between two builds of the same source, and so miss in ccache and relink.
    "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970",
    "KBUILD_BUILD_USER": "mermapctl",
    "KBUILD_BUILD_HOST": "localhost",
    "KBUILD_BUILD_VERSION": "1",
}

_CCACHE = {"CCACHE_DEPEND": "true", "CCACHE_INODECACHE": "true"}
"""What ccache may save, and what it may cost where it has nothing yet.

A miss costs no run of the preprocessor: two builds of a kernel seldom share what it would find (on
6.12 an object of 0.24 s takes 0.38 s with it, 0.25 s without). The 400 headers of an object are
read once for all objects.
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """How a stage ended. `reason` and `detail` only where there can be no verdict."""

    seconds: float
    reason: Reason | None = None
    detail: str | None = None
    missing: tuple[MissingSymbol, ...] = ()


@dataclass(frozen=True, slots=True)
class Booted:
    """How a boot ended, on which accelerator, with the sentences that explain the choice."""

    seconds: float
    boot: Boot
    accelerator: str
    limits: kunit.BootRequest
    notes: tuple[str, ...] = ()
    complaint: str | None = None


def environment(work: Work) -> dict[str, str]:
    """The environment of a stage: our programs first, nothing of an outer make or build."""
    cleared = make_environment()
    if work.cell.target.native and not work.job.cross_compile:
        cleared.pop("CROSS_COMPILE", None)
    path = f"{work.programs}:{cleared.get('PATH', '/usr/bin:/bin')}"
    return kunit.environment({**_CCACHE, **cleared, **_STAMP, "PATH": path})


def _supervise(
    work: Work, argv: list[str], stdout: Path, watch: process.Watch
) -> process.SessionEnd:
    ownership.require(work.job.tree)
    return process.supervise(
        kunit.interpreted(argv),
        cwd=work.job.tree,
        env=environment(work),
        stdout=stdout,
        stderr=work.harness_log,
        watch=watch,
    )


def _tick(
    work: Work, also: Callable[[], str | None]
) -> Callable[[float, float], str | None]:
    def tick(_elapsed: float, _silent: float) -> str | None:
        work.tell(Tick())
        return also()

    return tick


def configure(work: Work) -> Stage:
    """Make the .config; what the tree did not give as requested is in `missing`."""
    work.tell(StageStarted("config"))
    # kunit.py does not let make compile Kconfig's own programs in parallel.
    write_make(work.programs, work.build_log, Goals(jobs=work.job.jobs))
    dot_config = work.job.build_dir / ".config"
    if not up_to_date.config_is_current(work.job.tree, work.job.build_dir):
        # kunit.py keeps one that has all that was asked for, whatever the tree's Kconfig says now.
        dot_config.unlink(missing_ok=True)
    tick = _tick(work, build_log.bound(work))
    watch = process.Watch(float(work.options.build_timeout), tick=tick)
    outcome = _supervise(work, kunit.config(work.job), work.harness_log, watch)
    ok = outcome.returncode == 0
    work.tell(StageEnded("config", outcome.seconds, ok))
    if dot_config.is_file():
        shutil.copyfile(dot_config, work.folder / "config")
    if ok:
        return Stage(outcome.seconds)
    return _failed(work, "kunit.py config", outcome)


def _failed(work: Work, what: str, outcome: process.SessionEnd) -> Stage:
    """Why a stage failed: symbols that its .config lacks, else what the logs say.

    kunit.py looks at the .config after the build once more, and Kconfig may have changed by then.
    """
    if outcome.ending is process.Ending.LIMIT:
        told = f"{what} did not end within {work.options.build_timeout} s (--build-timeout)"
        return Stage(outcome.seconds, Reason.BUILD_FAILED, told)
    if outcome.ending is process.Ending.STOPPED:
        told = f"{what} was stopped: {outcome.stopped_for}"
        return Stage(outcome.seconds, Reason.BUILD_FAILED, told)
    why = build_log.why(work, what, outcome)
    dot_config = work.job.build_dir / ".config"
    # kunit.py's own lines for the target count to it as much as those of the variant.
    asked = fragment.overlay(target.own_lines(work.cell.target), work.cell.variant.fragment)
    # Where kunit.py itself fell over, the .config is none, or an old one.
    answered = dot_config.is_file() and not build_log.fell_over(work)
    missing = fragment.missing(asked, dot_config) if answered else ()
    if not missing:
        return Stage(outcome.seconds, Reason.BUILD_FAILED, why)
    names = ", ".join(each.symbol for each in missing)
    detail = f"this tree and target did not give what was asked of {names}"
    return Stage(outcome.seconds, Reason.CONFIG_UNSATISFIED, detail, missing)


def build(work: Work) -> Stage:
    """Build the kernel; progress is read from make's log as it grows."""
    expected = build_dir.expected_objects(work.job.build_dir)
    made = 0
    start = work.build_log.stat().st_size if work.build_log.is_file() else 0
    position = start

    def look() -> None:
        nonlocal made, position
        if not work.build_log.is_file():
            return
        with work.build_log.open("rb") as log:
            log.seek(position)
            grown = log.read(_LOOK_BYTES)
        whole = grown[: grown.rfind(b"\n") + 1]
        position += len(whole)
        before, made = made, made + build_dir.objects_in(whole)
        if made != before:
            work.tell(Objects(made, expected if expected and made <= expected else None))

    work.tell(StageStarted("build"))
    _prepare_programs(work)
    bound = build_log.bound(work)

    def tick() -> str | None:
        look()
        return bound()

    watch = process.Watch(float(work.options.build_timeout), tick=_tick(work, tick))
    outcome = _supervise(work, kunit.build(work.job), work.harness_log, watch)
    look()
    ok = outcome.returncode == 0
    work.tell(StageEnded("build", outcome.seconds, ok))
    if not ok:
        return _failed(work, "kunit.py build", outcome)
    build_dir.remember_objects(work.job.build_dir, made)
    return Stage(outcome.seconds)


def _prepare_programs(work: Work) -> None:
    """A make that makes just the kernel, and does not ask again what it has just been told."""
    goal = work.image_goal
    current = up_to_date.config_is_current(work.job.tree, work.job.build_dir)
    goals = (goal, *(("modules",) if work.cell.modular else ())) if goal else ()
    if work.plain_image:
        # Nobody shall boot what an earlier build packed and take it for this one.
        (work.job.build_dir / work.job.target.kernel_image).unlink(missing_ok=True)
    write_make(work.programs, work.build_log, Goals(goals, current))
    if work.options.ccache:
        write_ccache(work.programs, of_build(work.job.cross_compile).cc)


class _Listening:
    """Reads a console as it comes: tests for the progress, complaints for the accelerator."""

    def __init__(self, work: Work, accel: str, *, patient: bool) -> None:
        self.work = work
        self.kvm = accel == "kvm"
        self.patient = patient
        self.rest = b""
        self.guest_spoke = False

    def output(self, chunk: bytes) -> str | None:
        *lines, rest = (self.rest + chunk).split(b"\n")
        self.rest = rest[-4096:]
        for raw in lines:
            line = _PRINTK.sub("", raw[:4096].decode(errors="backslashreplace"))
            progress = progress_of(line)
            if progress is not None and progress.kind == "result" and progress.depth > 0:
                self.work.tell(TestEnded(progress.name, progress.ok is True))
            complaint = accelerator.complaint(raw) if self.kvm else None
            if complaint:
                return complaint
            if line.startswith(_DEAD):
                return PANICKED
            if line.startswith(initramfs.DONE):
                return initramfs.DONE
            self.guest_spoke = self.guest_spoke or _from_guest(line)
        return None

    def tick(self, elapsed: float, _silent: float) -> str | None:
        self.work.tell(Tick())
        if self.kvm and not self.patient and not self.guest_spoke and elapsed > accelerator.MUTE:
            return f"the guest said nothing for {accelerator.MUTE:g} s under KVM"
        return None


def _from_guest(line: str) -> bool:
    """Whether a console line is the guest's, not kunit.py's or QEMU's own."""
    ours = ("qemu-system-", "Running tests with:", "$ ", "KVM ")
    return bool(line.strip()) and not line.startswith(ours) and "Starting KUnit Kernel" not in line


def boot(work: Work, again: str | None = None) -> Booted:
    """Boot the kernel, under KVM where that works, else (again, if need be) under emulation.

    `again` is the accelerator of a boot before, whose choice then stands.
    """
    asked = work.options.accel
    accel, note = (again, None) if again else accelerator.choose(asked, work.cell.target)
    limits, notes = guest.limits(work)
    if work.own_init:
        _pack_initramfs(work)
    notes += [note] if note else []
    for each in notes:
        work.tell(Note(each))
    spent = 0.0
    while True:
        outcome = _boot_once(work, accel, limits, patient=asked is Accel.KVM)
        spent += outcome.seconds
        over = outcome.stopped_for in OVER
        failed = outcome.ending is process.Ending.STOPPED and not over
        if not failed or asked is not Accel.AUTO:
            break
        work.console.rename(work.console_kvm)
        notes.append(_kvm_failed(outcome.stopped_for or "no reason given"))
        work.tell(Note(notes[-1]))
        accel = "tcg"
    if accel == "kvm" and (over or outcome.ending is process.Ending.EXITED):
        accelerator.forget_failure()
    if over:
        facts = Boot(Ended.EXITED, None, float(work.options.timeout))
        return Booted(spent, facts, accel, limits, tuple(notes))
    ended = {
        process.Ending.EXITED: Ended.EXITED,
        process.Ending.LIMIT: Ended.TIMEOUT,
        process.Ending.SILENCE: Ended.SILENCE,
        process.Ending.STOPPED: Ended.ACCELERATOR_FAILED,
    }[outcome.ending]
    facts = Boot(ended, outcome.silence, float(work.options.timeout))
    return Booted(spent, facts, accel, limits, tuple(notes), outcome.stopped_for)


def _kvm_failed(reason: str) -> str:
    """What a boot that KVM did not bring to its end says of it; kept where the host is to blame.

    A guest that is known to be right is asked: a kernel that says nothing may be at fault itself.
    """
    answer = kvm_probe.probe(accelerator.KVM)
    again = "booted again under software emulation"
    if answer.ability is kvm_probe.Ability.WORKS:
        return f"this kernel does not run under KVM ({reason}), which runs other guests; {again}"
    if answer.ability is kvm_probe.Ability.BROKEN:
        accelerator.remember_failure(reason)
    return f"KVM cannot run this kernel ({reason}); {again}"


def _pack_initramfs(work: Work) -> None:
    """Make the initramfs that inserts the suite, or only waits. Raises HarnessError."""
    program = work.folder / "init"
    initramfs.compile_init(work.job.tree, of_build(work.job.cross_compile), program)
    inserted = _insertions(work) if work.cell.modular else []
    initramfs.write(work.initramfs, program.read_bytes(), inserted, lingers=work.lingers)
    program.unlink()


def _insertions(work: Work) -> list[kernel_modules.Insertion]:
    """The modules that were built, in order. Raises HarnessError where there is no suite."""
    prefix = f"{kernel_modules.KUNIT}."
    asked = [each for each in work.cell.kernel_args if each.startswith(prefix)]
    parameters = (f"filter_glob={work.cell.suite}", "enable=1")
    return kernel_modules.insertions(
        kernel_modules.built(work.job.build_dir),
        (*parameters, *(each.removeprefix(prefix) for each in asked)),
    )


def _boot_once(
    work: Work, accel: str, limits: kunit.BootRequest, *, patient: bool
) -> process.SessionEnd:
    options = work.options
    if work.cell.target.qemu:
        plain = work.plain_image
        kernel = work.job.build_dir / plain if plain else None
        qemu = work.cell.target.qemu
        write_qemu(work.programs, qemu, accel, stay=work.own_init, kernel=kernel)
    # kunit.py's own limit is the second net: ours ends the whole session, its ends QEMU only.
    guarded = replace(limits, timeout=limits.timeout + 30)
    command = kunit.boot(work.job, guarded, work.can)
    listening = _Listening(work, accel, patient=patient)
    work.tell(StageStarted("boot", float(options.timeout)))
    watch = process.Watch(
        limit=float(options.timeout),
        silence=float(options.silence),
        output=listening.output,
        tick=listening.tick,
    )
    work.console.unlink(missing_ok=True)
    outcome = _supervise(work, command, work.console, watch)
    ok = outcome.ending is process.Ending.EXITED or outcome.stopped_for == initramfs.DONE
    work.tell(StageEnded("boot", outcome.seconds, ok))
    return outcome
