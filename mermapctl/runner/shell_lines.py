# SPDX-License-Identifier: GPL-2.0-only
"""The shell lines that run a cell again."""

from __future__ import annotations

import shlex
from pathlib import Path

from mermapctl.config.plan import BUILD_SECONDS, SHIFT, Request
from mermapctl.runner import kunit
from mermapctl.runner.job import Job


def _mermapctl_command(job: Job) -> list[str]:
    """Build the `mermapctl run` of this cell alone; defaults that may change are written out.

    --config names the copies of the user's fragments in the cell's folder.
    """
    request, planned = job.request, job.cell
    argv = ["mermapctl", "run", f"--tree={job.checkout.tree if job.checkout else job.tree}"]
    if job.checkout and job.checkout.commit:
        argv += [f"--commits={job.checkout.commit}^..{job.checkout.commit}", "--rerun"]
    argv += [f"--target={planned.target.name}"]
    argv += [f"--variant={planned.variant.name}", f"--suite={planned.suite}"]
    argv += [f"--config={path}" for path in own_fragments(job)]
    argv += [f"--accel={request.accel}"] if planned.target.qemu else []
    if planned.target.qemu:
        argv += [f"--seed={request.seed}"] if request.reproducible else ["--no-reproducible"]
        argv += [f"--repeat={request.repeat}"] if request.repeat > 1 else []
        if request.shifts != (SHIFT,):
            argv += [f"--shifts={','.join(map(str, request.shifts))}"]
    argv += [f"--smp={request.smp}"] if request.smp else []
    argv += [f"--cpu={request.cpu}"] if request.cpu else []
    argv += [f"--kernel-arg={argument}" for argument in request.kernel_args]
    argv += [] if request.default_args else ["--no-default-args"]
    argv += [f"--cross-compile={request.cross_compile}"] if request.cross_compile else []
    argv += [f"--timeout={request.timeout}", f"--silence={request.silence}"]
    if request.build_timeout != BUILD_SECONDS:
        argv += [f"--build-timeout={request.build_timeout}"]
    argv += ["--allow-splats"] if request.allow_splats else []
    argv += [f"--as-module={planned.modular}"] if planned.modular else []
    argv += [] if request.triage else ["--no-triage"]
    argv += [] if request.trace else ["--no-trace"]
    argv += ["--confirm"] if request.confirm else []
    if request.cost:
        limit = request.cost_limit
        argv += ["--cost"] if limit is None else [f"--cost-limit={limit:g}%"]
    argv += _stress(request)
    if request.coverage:
        argv += ["--coverage", *(f"--coverage-of={path}" for path in request.coverage_of)]
        argv += ["--coverage-tests"] if request.coverage_tests else []
    if request.witness is not None:
        argv += ["--witness" if request.witness else "--no-witness"]
    return argv


def _stress(request: Request) -> list[str]:
    if request.stress is None:
        return []
    history = request.stress.history
    return ["--stress", f"--history={history}" if history else f"--rounds={request.stress.rounds}"]


def lines(job: Job) -> tuple[str, ...]:
    """List the shell lines: mermapctl's, then those of kunit.py, in a lane behind a checkout."""
    commands = [shlex.join(_mermapctl_command(job))]
    if not job.cell.obstacle:
        commands += [job.checkout.line] if job.checkout else []
        commands += map(shlex.join, (kunit.config(job), kunit.build(job)))
    return tuple(commands)


def own_fragments(job: Job) -> list[Path]:
    """List the files in the cell's folder that keep the user's own fragments."""
    return [job.folder / f"own-{number}.kunitconfig" for number in range(len(job.cell.own))]
