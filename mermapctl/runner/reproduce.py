# SPDX-License-Identifier: GPL-2.0-only
"""The shell lines that run a cell again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from mermapctl.config.plan import BUILD_SECONDS
from mermapctl.runner import kunit

if TYPE_CHECKING:
    from pathlib import Path

    from mermapctl.runner.job import Job


def _mermapctl_command(job: Job) -> list[str]:
    """Build the `mermapctl run` of this cell alone; defaults that may change are written out.

    --config names the copies of the user's fragments in the cell's folder.
    """
    options, planned = job.options, job.cell
    argv = ["mermapctl", "run", f"--tree={job.tree}"]
    argv += [f"--target={planned.target.name}"]
    argv += [f"--variant={planned.variant.name}", f"--suite={planned.suite}"]
    argv += [f"--config={path}" for path in own_fragments(job)]
    argv += [f"--accel={options.accel}"] if planned.target.qemu else []
    argv += [f"--smp={options.smp}"] if options.smp else []
    argv += [f"--cpu={options.cpu}"] if options.cpu else []
    argv += [f"--kernel-arg={argument}" for argument in options.kernel_args]
    argv += [] if options.default_args else ["--no-default-args"]
    argv += [f"--cross-compile={options.cross_compile}"] if options.cross_compile else []
    argv += [f"--timeout={options.timeout}", f"--silence={options.silence}"]
    if options.build_timeout != BUILD_SECONDS:
        argv += [f"--build-timeout={options.build_timeout}"]
    argv += ["--allow-splats"] if options.allow_splats else []
    argv += [f"--as-module={planned.modular}"] if planned.modular else []
    argv += [] if options.triage else ["--no-triage"]
    argv += [] if options.trace else ["--no-trace"]
    argv += ["--witness"] if options.witness else []
    return argv


def lines(job: Job) -> tuple[str, ...]:
    """List the shell lines: mermapctl's, then those of kunit.py."""
    commands = [_mermapctl_command(job)]
    if not job.cell.obstacle:
        commands += [kunit.config(job), kunit.build(job)]
    return tuple(map(shlex.join, commands))


def own_fragments(job: Job) -> list[Path]:
    """List the files in the cell's folder that keep the user's own fragments."""
    return [job.folder / f"own-{number}.kunitconfig" for number in range(len(job.own))]
