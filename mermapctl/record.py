# SPDX-License-Identifier: GPL-2.0-only
"""RunRecord: what is kept of a run. Its JSON form is the public document, schema 1."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from mermapctl.diagnosis import Finding, Flush, Reason, Verdict
from mermapctl.ktap import Suite
from mermapctl.splat import Splat

SCHEMA = 1


class State(enum.StrEnum):
    """Where a run stands; a `running` record whose process is gone was killed."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Tool:
    """The program that wrote the document."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Host:
    """The machine of the run."""

    name: str
    system: str
    machine: str
    cpus: int
    python: str
    qemu: str | None = None
    compiler: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One `mermapctl run`; `started` is RFC 3339, `command` the argument list that was given."""

    id: str
    started: str
    seconds: float
    command: tuple[str, ...]
    host: Host | None = None
    state: State = State.FINISHED
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class TreeFacts:
    """The kernel tree as it stood; a tree that is not git has no commit."""

    kernel: str | None = None
    commit: str | None = None
    describe: str | None = None
    dirty: bool = False
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds spent; null where the phase did not happen."""

    config: float | None = None
    build: float | None = None
    boot: float | None = None


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Absolute paths of what a cell left behind."""

    console: str | None = None
    config: str | None = None
    kunitconfig: str | None = None
    build_log: str | None = None
    directory: str | None = None


@dataclass(frozen=True, slots=True)
class MissingSymbol:
    """A symbol that the tree's olddefconfig did not give as requested."""

    symbol: str
    requested: str
    resolved: str | None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One commit x target x variant and what came of it.

    `cpu`, `smp`, `kernel_args` are what the guest was booted with, defaults included;
    `notes` are one-sentence facts (such as "KVM cannot run this kernel; repeated under TCG").
    `detail` explains `reason` (the line that says so).
    """

    target: str | None
    variant: str | None
    verdict: Verdict
    commit: str | None = None
    reason: Reason | None = None
    detail: str | None = None
    accelerator: str | None = None
    cpu: str | None = None
    smp: int | None = None
    kernel_args: tuple[str, ...] = ()
    phases: Phases = field(default_factory=Phases)
    suites: tuple[Suite, ...] = ()
    splats: tuple[Splat, ...] = ()
    flushes: tuple[Flush, ...] = ()
    findings: tuple[Finding, ...] = ()
    missing: tuple[MissingSymbol, ...] = ()
    notes: tuple[str, ...] = ()
    reproduce: tuple[str, ...] = ()
    artifacts: Artifacts = field(default_factory=Artifacts)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run, whole. What `run` prints at its end and `report` prints later come from this."""

    schema: int
    tool: Tool
    run: Run
    tree: TreeFacts
    verdict: Verdict
    cells: tuple[Cell, ...]
