# SPDX-License-Identifier: GPL-2.0-only
"""Boot a cell's kernel: supervise one kunit.py process and read its console as it grows."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mermapctl.config.target import Accel
from mermapctl.config.toolchain import of_build
from mermapctl.console.ktap import progress_of
from mermapctl.events import Note, StageEnded, StageStarted, TestEnded, Tick
from mermapctl.judge.result_types import Boot, Ended
from mermapctl.runner import (
    accelerator,
    boot_killed,
    boot_request,
    counters,
    guest_clock,
    initramfs,
    kernel_modules,
    kunit,
    kunit_session,
    kvm_probe,
)
from mermapctl.runner.guest_clock import GuestClock
from mermapctl.runner.job import Job
from mermapctl.runner.kernel import Kernel
from mermapctl.runner.path_shims import write_qemu
from mermapctl.system import inputs, process

_PRINTK = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ")
"""The prefix of a console line under printk.time=1, with or without CONFIG_PRINTK_CALLER."""


_DEAD = "---[ end Kernel panic - not syncing"
"""The last line of a panic after which the machine stays on: without panic=-1 (kernel/panic.c)."""
PANICKED = "the kernel panicked, and stays"
SILENT = "the suite is silent for longer than it ever took"
OVER = (PANICKED, initramfs.DONE)
"""Reasons to stop waiting: the guest prints nothing more. None is a fault of the accelerator."""


@dataclass(frozen=True, slots=True)
class Booted:
    """How a boot of `kernel` ended, on which accelerator, and sentences that explain the choice.

    `clock` is the guest's own clock; None if the guest has the host's.
    """

    kernel: Kernel
    seconds: float
    boot: Boot
    accelerator: str
    limits: kunit.BootRequest
    notes: tuple[str, ...] = ()
    complaint: str | None = None
    clock: GuestClock | None = None


class _Listening:
    """Reads a console as it grows; reports tests as progress, stops at a complaint about KVM."""

    def __init__(self, job: Job, accel: str, *, patient: bool) -> None:
        self.job = job
        self.kvm = accel == "kvm"
        self.patient = patient
        self.rest = b""
        self.guest_spoke = False
        self.in_suite = False

    def output(self, chunk: bytes) -> str | None:
        *lines, rest = (self.rest + chunk).split(b"\n")
        self.rest = rest[-4096:]
        for raw in lines:
            line = _PRINTK.sub("", raw[:4096].decode(errors="backslashreplace"))
            progress = progress_of(line)
            if progress is not None:
                self.in_suite = progress.kind != "result" or progress.depth > 0
            if progress is not None and progress.kind == "result" and progress.depth > 0:
                self.job.tell(TestEnded(progress.name, progress.ok is True))
            complaint = accelerator.complaint(raw) if self.kvm else None
            if complaint:
                return complaint
            if line.startswith(_DEAD):
                return PANICKED
            if line.startswith(initramfs.DONE):
                return initramfs.DONE
            self.guest_spoke = self.guest_spoke or _from_guest(line)
        return None

    def tick(self, elapsed: float, silent: float) -> str | None:
        self.job.tell(Tick())
        counters.bound(self.job)
        patience = self.job.patience
        if patience is not None and self.in_suite and silent > patience:
            return SILENT
        if self.kvm and not self.patient and not self.guest_spoke and elapsed > accelerator.MUTE:
            return f"the guest said nothing for {accelerator.MUTE:g} s under KVM"
        return None


def _from_guest(line: str) -> bool:
    """Return whether a console line comes from the guest, not from kunit.py or QEMU."""
    ours = ("qemu-system-", "Running tests with:", "$ ", "KVM ")
    return bool(line.strip()) and not line.startswith(ours) and "Starting KUnit Kernel" not in line


def boot(job: Job, kernel: Kernel, again: str | None = None) -> Booted:
    """Boot the kernel under KVM if that works, otherwise under software emulation.

    If KVM fails during the boot, boot again under emulation. `again` is the accelerator of an
    earlier boot of this kernel; it is then used without a new choice. A boot that was killed from
    outside is repeated once, unless a program is attached to it.
    """
    asked = job.request.accel
    accel, note = (again, None) if again else accelerator.choose(asked, job.target)
    limits, notes = boot_request.limits(job, kernel)
    if kernel.own_init:
        _pack_initramfs(job, lingers=kernel.lingers)
    for each in notes:
        job.tell(Note(each))
    notes += [note] if note else []  # no news: the report has it
    spent, killed, first = 0.0, None, True
    while True:
        kills = boot_killed.kills()
        outcome = _boot_once(job, kernel, accel, limits, patient=asked is Accel.KVM)
        spent += outcome.seconds
        over = outcome.stopped_for in OVER
        failed = outcome.ending is process.Ending.STOPPED and not over
        killed = boot_killed.who(job, outcome, kills)
        if killed and first and not job.cell.more_qemu_args:  # nothing is attached to the guest
            notes.append(_kept_killed(job, killed))
            first = False
            continue
        if not failed or asked is not Accel.AUTO:
            break
        job.console.rename(job.console_kvm)
        notes.append(_kvm_failed(outcome.stopped_for or "no reason given"))
        job.tell(Note(notes[-1]))
        accel = "tcg"
    clock = guest_clock.of_boot(job, kernel, accel)
    if why := guest_clock.why_threads(job, kernel, accel):
        notes.append(f"not reproducible: {why}")
    if accel == "kvm" and (over or outcome.ending is process.Ending.EXITED):
        accelerator.forget_failure()
    facts = _facts(job, outcome, killed, over=over)
    complaint = None if over else outcome.stopped_for
    return Booted(kernel, spent, facts, accel, limits, tuple(notes), complaint, clock)


def _facts(job: Job, outcome: process.SessionEnd, killed: str | None, *, over: bool) -> Boot:
    """Return how a boot ended; `over`: the guest had nothing more to print."""
    limit = float(job.timeout)
    if over:
        return Boot(Ended.EXITED, None, limit)
    ended = {
        process.Ending.EXITED: Ended.EXITED,
        process.Ending.LIMIT: Ended.TIMEOUT,
        process.Ending.SILENCE: Ended.SILENCE,
        process.Ending.STOPPED: Ended.ACCELERATOR_FAILED,
    }[outcome.ending]
    return Boot(Ended.KILLED if killed else ended, outcome.silence, limit, killed)


def _kept_killed(job: Job, killed: str) -> str:
    """Keep the console of a boot that was killed; return the note on it, which is reported."""
    kept = job.console.with_stem(f"{job.console.stem}-killed")
    job.console.rename(kept)
    note = f"{killed} during the boot ({kept.name}): booted once more"
    job.tell(Note(note))
    return note


def _kvm_failed(reason: str) -> str:
    """Return the note on a boot that KVM did not bring to its end; record a KVM that runs no guest.

    Runs a small guest that is known to work: a kernel that prints nothing may itself be at fault.
    """
    answer = kvm_probe.probe(accelerator.KVM)
    again = "booted again under software emulation"
    if answer.ability is kvm_probe.Ability.WORKS:
        return f"this kernel does not run under KVM ({reason}), which runs other guests; {again}"
    if answer.ability is kvm_probe.Ability.BROKEN:
        accelerator.remember_failure(reason)
    return f"KVM cannot run this kernel ({reason}); {again}"


def _ended_in_words(job: Job, outcome: process.SessionEnd) -> str:
    """Return how a boot ended, as a phrase; empty if the guest ended it."""
    if outcome.ending is process.Ending.SILENCE:
        return f"the console was silent for {outcome.silence:.0f} s"
    if outcome.ending is process.Ending.LIMIT:
        return f"stopped after {job.timeout} s (--timeout)"
    if outcome.ending is not process.Ending.STOPPED or outcome.stopped_for == initramfs.DONE:
        return ""
    if outcome.stopped_for == PANICKED:
        return PANICKED
    again = job.request.accel is Accel.AUTO
    return "KVM does not work here" + (", software emulation" if again else "")


def _pack_initramfs(job: Job, *, lingers: bool) -> None:
    """Pack the initramfs whose init inserts the suite, or only waits. Raises HarnessError."""
    program = job.folder / "init"
    initramfs.compile_init(job.tree, of_build(job.target.cross_compile), program)
    initramfs.write(
        job.initramfs,
        inputs.read_regular(program),
        _insertions(job),
        lingers=lingers,
        counts=job.cell.sends_counters,
    )
    program.unlink()


def _insertions(job: Job) -> Sequence[kernel_modules.Insertion]:
    """Return the modules in order of insertion, none where the suite is built in.

    Raises HarnessError if the suite is a module, and no module has a suite.
    """
    if job.insertions is not None:
        return job.insertions
    if not job.cell.modular:
        return ()
    prefix = f"{kernel_modules.KUNIT}."
    asked = [each for each in job.cell.kernel_args if each.startswith(prefix)]
    parameters = (f"filter_glob={job.cell.suite}", "enable=1")
    return kernel_modules.insertions(
        kernel_modules.built(job.build_dir),
        (*parameters, *(each.removeprefix(prefix) for each in asked)),
    )


def _load_judge() -> None:
    """Import what judges the boot, which takes 70 ms, while kunit.py and the guest start."""
    importlib.import_module("mermapctl.runner.cell_boots")


def _boot_once(
    job: Job, kernel: Kernel, accel: str, limits: kunit.BootRequest, *, patient: bool
) -> process.SessionEnd:
    """Boot, and return how that ended."""
    if job.target.qemu:
        plain = job.build_dir / kernel.plain_image if kernel.plain_image else None
        qemu = job.target.qemu
        clock = guest_clock.of_boot(job, kernel, accel)
        options = clock.options if clock else ()
        write_qemu(
            job.programs, qemu, accel, options,
            stay=kernel.own_init, kernel=plain, ring=limits.traced,
        )  # fmt: skip
    # Give kunit.py a later limit of its own: ours ends the whole session, kunit.py's only QEMU.
    guarded = replace(limits, timeout=limits.timeout + 30)
    command = kunit.boot(job, guarded, job.can)
    listening = _Listening(job, accel, patient=patient)
    job.tell(StageStarted("boot", float(job.timeout)))
    watch = process.Watch(
        limit=float(job.timeout),
        silence=float(job.silence),
        started=_load_judge,
        output=listening.output,
        tick=listening.tick,
    )
    job.console.unlink(missing_ok=True)
    counters.forget(job)
    outcome = kunit_session.supervise(job, command, job.console, watch)
    if outcome.stopped_for == SILENT:
        outcome = replace(outcome, ending=process.Ending.SILENCE, stopped_for=None)
    ok = outcome.ending is process.Ending.EXITED or outcome.stopped_for == initramfs.DONE
    job.tell(StageEnded("boot", outcome.seconds, ok, _ended_in_words(job, outcome)))
    return outcome
