# SPDX-License-Identifier: GPL-2.0-only
"""RunRecord: the record of a run. Its JSON form is the public document, schema 1."""

from __future__ import annotations

import datetime as dt
import enum
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from mermapctl import __version__
from mermapctl.config.fragment import MissingSymbol
from mermapctl.config.module_guard import Guard
from mermapctl.console.ktap import Suite, Tally
from mermapctl.console.splat import Splat
from mermapctl.errors import HarnessError
from mermapctl.judge.compiler_warnings import CompilerWarning
from mermapctl.judge.cost import Cost
from mermapctl.judge.coverage import Coverage
from mermapctl.judge.hang_trial import Trial
from mermapctl.judge.repeats import Repeats
from mermapctl.judge.reproduction import Reproduction
from mermapctl.judge.result_types import Boot, Finding, Flush, Reason, Verdict
from mermapctl.judge.stress import StressSummary
from mermapctl.judge.unprobed import Unprobed
from mermapctl.judge.witness_summary import WitnessSummary
from mermapctl.records.bisect_facts import Bisect
from mermapctl.records.farm_facts import LostTry
from mermapctl.records.host import Host, host_facts
from mermapctl.records.json_text import encoded
from mermapctl.records.series_facts import Place, Series
from mermapctl.system import proc
from mermapctl.trace.summary import TraceTable

SCHEMA = 1
RUN_ID = re.compile(r"\d{8}-\d{6}-\d{3}[0-9a-f]{4}", re.ASCII)
"""The form of `new_run_id`."""


class State(enum.StrEnum):
    """The state of a run; a `running` record whose process is gone was killed."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Tool:
    """The program that wrote the document."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Run:
    """One `mermapctl run`; `started` is RFC 3339, `command` the argument list that was given.

    `process` identifies `pid` beyond its reuse (see `process_mark`).
    """

    id: str
    started: str
    seconds: float
    command: tuple[str, ...]
    host: Host | None = None
    state: State = State.FINISHED
    pid: int | None = None
    process: str | None = None


@dataclass(frozen=True, slots=True)
class TreeFacts:
    """The state of the kernel tree; a tree without git has no commit."""

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
    """Absolute paths of a cell's files; `console` is the one that was judged.

    `tree_diff` are the changes of a modified tree, a patch for `git apply` on the commit.
    """

    console: str | None = None
    config: str | None = None
    kunitconfig: str | None = None
    build_log: str | None = None
    directory: str | None = None
    console_untraced: str | None = None
    witness: str | None = None
    tree_diff: str | None = None


@dataclass(frozen=True, slots=True)
class LogFacts:
    """A log among several that were judged together; `kernel` is the version that it prints."""

    name: str
    kernel: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One commit x target x variant and its result.

    An emulated boot is `reproducible` where the guest's clock counts its instructions, 2**`shift`
    ns each, and `seed` sets its random numbers and the turns of its CPUs; elsewhere these are null.
    `cpu`, `smp`, `kernel_args` are those of the guest, defaults included; `notes` are one-sentence
    facts (such as "KVM cannot run this kernel; repeated under TCG"). `detail` explains `reason` (a
    line of the log). `boot`, `suite` (the glob of suites requested) and `allow_splats` are the
    judge's inputs besides the console, to judge it again. `omitted` suites are not kept, since
    there were too many: `omitted_bad` of them did not pass, and `unlisted` counts the statuses of
    their tests. `counts` are all tests by KTAP and the console's end, kept or not. `flavour` is
    ``module`` where the suite was one, ``module-all`` where KUnit was one too; `guards` are lines
    of the tree that are false there. `triage` are the boots that followed a hang. `not_exercised`
    names what no event of the trace could have broken: a mermap wrong only there passes. `untraced`
    is the boot without probes that followed a traced one, `confirmed` whether the failure is there
    too (null: not tried, or that boot cannot show it). `witness` is what the witness outside saw,
    `repeats` what all boots of `run --repeat` say, `reproduction` whether a failed boot prints the
    same console again (`--confirm`), `cost` the instructions that were counted (`--cost`),
    `stress` what the stress suite showed (`--stress`),
    `coverage` the lines and branches that ran (`--coverage`).
    `log` is absent but for one of several logs. `reused` is the run whose verdict this is, as
    nothing that decides it has changed; `inherited` the commit whose kernel is the same, byte by
    byte, and was booted in place of this one. `warnings` are those of the compiler and of objtool
    for all objects of the kernel; null if it was not built, or some objects are older. `machine` is
    the worker of a farm that ran it, null for the machine of the run; `tries` ended before without
    a result.
    """

    target: str | None
    variant: str | None
    verdict: Verdict
    commit: str | None = None
    reason: Reason | None = None
    detail: str | None = None
    accelerator: str | None = None
    reproducible: bool | None = None
    seed: int | None = None
    shift: int | None = None
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
    trace: TraceTable | None = None
    not_exercised: tuple[str, ...] | None = None
    boot: Boot | None = None
    suite: str | None = None
    allow_splats: bool = False
    omitted: int = 0
    omitted_bad: int = 0
    unlisted: Tally | None = None
    counts: Tally | None = None
    flavour: str | None = None
    guards: tuple[Guard, ...] = ()
    triage: tuple[Trial, ...] = ()
    confirmed: bool | None = None
    untraced: Unprobed | None = None
    witness: WitnessSummary | None = None
    repeats: Repeats | None = None
    reproduction: Reproduction | None = None
    cost: Cost | None = None
    stress: StressSummary | None = None
    coverage: Coverage | None = None
    reused: str | None = None
    inherited: str | None = None
    warnings: tuple[CompilerWarning, ...] | None = None
    machine: Host | None = None
    tries: tuple[LostTry, ...] = ()
    log: LogFacts | msgspec.UnsetType = msgspec.UNSET

    @property
    def place(self) -> Place:
        """The place in the grid of a series."""
        return (self.commit, self.target, self.variant)

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and what the boots after the first say."""
        boots = (self.untraced, self.witness, self.repeats, self.reproduction, self.stress)
        told = [each.words for each in (*boots, *self.tries) if each]
        told += [f"ran on {self.machine.name}"] if self.machine else []
        return (*self.notes, *filter(None, told))

    @property
    def configuration(self) -> str | None:
        """The variant, with the flavour if any: ``base (module)``."""
        return f"{self.variant} ({self.flavour})" if self.flavour else self.variant


@dataclass(frozen=True, slots=True)
class Former:
    """The verdict before the record was judged again at `replaced` (RFC 3339).

    `cells` are the cells' verdicts in the record's order.
    """

    verdict: Verdict
    tool: Tool
    replaced: str
    cells: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A whole run. `run` prints it at its end and `report` later.

    `former` is not empty where `report rejudge` has replaced a verdict; the oldest comes first.
    `series` is absent but for a run of several commits; its `cells` are then oldest commit first.
    `bisect` is absent but for `mermapctl bisect`, whose `cells` are the first ones of each commit.
    """

    schema: int
    tool: Tool
    run: Run
    tree: TreeFacts
    verdict: Verdict
    cells: tuple[Cell, ...]
    former: tuple[Former, ...] = ()
    series: Series | msgspec.UnsetType = msgspec.UNSET
    bisect: Bisect | msgspec.UnsetType = msgspec.UNSET


_DECODER = msgspec.json.Decoder(RunRecord)
_OTHERWISE = "Its consoles lie beside it and can be judged with `mermapctl report log FILE`."


def to_json(record: RunRecord) -> bytes:
    """Return the JSON document of `record`: UTF-8, one object, a newline at the end.

    Invalid Unicode (lone surrogates from undecodable bytes) becomes U+FFFD.
    """
    try:
        raw = encoded(record, indent=1)
    except UnicodeEncodeError:
        raw = encoded(_encodable(msgspec.to_builtins(record)), indent=1)
    return raw + b"\n"


def from_json(data: bytes, origin: str = "the record") -> RunRecord:
    """Read the record in a JSON document; errors name it by `origin`.

    Raises HarnessError where it is damaged or comes from a newer schema.
    """
    try:
        record = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # brackets
        _refuse_newer(_schema(data), origin)
        raise HarnessError(f"{origin} is damaged, or no run record: {error}", _OTHERWISE) from error
    _refuse_newer(record.schema, origin)
    return record


def _schema(data: bytes) -> int:
    """Return the document's schema number where only that is readable, else 0."""
    try:
        head = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        return msgspec.json.decode(head["schema"], type=int)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        return 0


def _refuse_newer(schema: int, origin: str) -> None:
    if schema > SCHEMA:
        raise HarnessError(
            f"{origin} was written by a newer mermapctl "
            f"(schema {schema}; version {__version__} reads up to {SCHEMA})",
            "Read it with that mermapctl, or upgrade this one.",
        )


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    return value


def now() -> str:
    """Return the time as RFC 3339 in UTC, to the millisecond."""
    return rfc3339(dt.datetime.now(dt.UTC))


def rfc3339(moment: dt.datetime) -> str:
    """Format a time in UTC, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_run_id(moment: dt.datetime) -> str:
    """Return a unique id of a run begun at `moment` (UTC); ids sort by time to the millisecond."""
    return f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03d}{os.urandom(2).hex()}"


def new_run(command: tuple[str, ...], host: Host | None = None) -> Run:
    """Make a run that begins now in this process; `command` is its argument list."""
    pid = os.getpid()
    moment = dt.datetime.now(dt.UTC)
    return Run(
        id=new_run_id(moment),
        started=rfc3339(moment),
        seconds=0.0,
        command=command,
        host=host or host_facts(),
        state=State.RUNNING,
        pid=pid,
        process=process_mark(pid),
    )


def this_tool() -> Tool:
    """Return the tool of a record made now."""
    return Tool("mermapctl", __version__)


def process_mark(pid: int) -> str | None:
    """Return boot id and start time in ticks, which identify process `pid` among reused ids.

    None where there is no such process. Source: proc(5), /proc/PID/stat field 22.
    """
    found, boot = proc.stat(pid), proc.boot_id()
    if boot is None or found is None or not found.living:  # a zombie has ended
        return None
    return f"{boot}/{found.started}"


def still_running(run: Run) -> bool:
    """Return whether the process of `run` is alive; assumed for another machine's."""
    if run.state is not State.RUNNING or run.pid is None:
        return False
    if run.host is not None and run.host.name != platform.node():
        return True
    mark = process_mark(run.pid)
    return mark is not None and (run.process is None or run.process == mark)


def begin(
    *,
    command: tuple[str, ...],
    tree: TreeFacts,
    cells: tuple[Cell, ...] = (),
    host: Host | None = None,
) -> RunRecord:
    """Make the record of a run that begins now; it has no verdict until its cells have."""
    return RunRecord(SCHEMA, this_tool(), new_run(command, host), tree, Verdict.NO_VERDICT, cells)


def verdict_of(cells: Sequence[Cell]) -> Verdict:
    """Return failed if a cell failed, else no verdict if a cell has none, else passed.

    A commit that does not have the suite yet has nothing to tell.
    """
    verdicts = {cell.verdict for cell in cells if cell.reason is not Reason.ABSENT}
    if Verdict.FAILED in verdicts:
        return Verdict.FAILED
    return Verdict.PASSED if verdicts == {Verdict.PASSED} else Verdict.NO_VERDICT


def verdict_of_bisect(cells: Sequence[Cell]) -> Verdict:
    """Return failed if a kernel failed, else no verdict: it does not test whether all pass."""
    failed = verdict_of(cells) is Verdict.FAILED
    return Verdict.FAILED if failed else Verdict.NO_VERDICT
