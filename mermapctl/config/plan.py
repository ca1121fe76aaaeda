# SPDX-License-Identifier: GPL-2.0-only
"""The plan of a run: its cells, each a target x a variant, with everything its boot needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from mermapctl.config import coverage, fragment, modular, variants
from mermapctl.config.coverage import Profile
from mermapctl.config.fragment import Fragment
from mermapctl.config.modular import Modular
from mermapctl.config.target import Accel, KernelTree, Target
from mermapctl.config.variants import Variant
from mermapctl.errors import CommitError, UserError

SUITE = "mermap"
PROBE = "kprobe_event"
"""The kernel parameter that sets a trace's probes; the kernel keeps the last one given."""
SEED = 1
"""Of the turns of CPUs and the random numbers of a guest, where none is given."""
SHIFT = 4
"""An instruction takes 2 to the power of this many ns of an emulated guest's time. Seconds a
boot, measured on 6.12 with and without probes: 0.9 and 0.4 at 4; 1.0 and 0.5 at 6; 1.5 with probes
at 8; 12 without at 0. With the host's clock: 0.8 and 0.4."""
ROUNDS = 100
"""Histories of the stress suite where no number is given."""
BUILD_SECONDS = 4 * 3600
"""What config and build may take, each: a kernel of base takes minutes, a whole one an hour."""


@dataclass(frozen=True, slots=True)
class Stress:
    """`rounds` histories of the stress suite by the request's seed, or the one `history`."""

    rounds: int = ROUNDS
    history: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked of a run; `silence`, `timeout` and `build_timeout` in seconds.

    With `hasty` a suite whose times are known may be silent for less than `silence`.
    `witness` is whether the witness watches a boot of its own: None where that adds something.
    With `reproducible` an emulated boot depends on the kernel, QEMU, `seed` and a shift alone:
    `repeat` boots take the seeds from there on and go round the `shifts`. `confirm` boots a failed
    kernel again with its seed; `cost` counts instructions, and a rise by `cost_limit` per cent or
    more is a warning. `stress` adds a boot of the suite with random histories. `coverage` counts
    the lines that run of the files `coverage_of` (none: of the mermap), with `coverage_tests` also
    for each test booted alone.
    """

    tree: Path | None = None
    targets: tuple[str, ...] = ("x86_64",)
    variants: tuple[str, ...] = ("base",)
    suite: str = SUITE
    configs: tuple[Path, ...] = ()
    timeout: int = 300
    silence: int = 60
    build_timeout: int = BUILD_SECONDS
    jobs: int = 1
    accel: Accel = Accel.AUTO
    smp: int | None = None
    cpu: str | None = None
    kernel_args: tuple[str, ...] = ()
    default_args: bool = True
    cross_compile: str | None = None
    allow_splats: bool = False
    wait: bool = True
    rebuild: bool = False
    trace: bool = True
    ccache: bool = True
    as_module: Modular | None = None
    symbols: tuple[str, ...] = ()
    hasty: bool = False
    triage: bool = True
    witness: bool | None = None
    reproducible: bool = True
    seed: int = SEED
    repeat: int = 1
    shifts: tuple[int, ...] = (SHIFT,)
    confirm: bool = False
    cost: bool = False
    cost_limit: float | None = None
    stress: Stress | None = None
    coverage: bool = False
    coverage_of: tuple[str, ...] = ()
    coverage_tests: bool = False


@dataclass(frozen=True, slots=True)
class CellPlan:
    """One cell to be run: a target and a variant, on a tree, for a request.

    `own` is what its --config and --kconfig-add gave. `obstacle` says why the cell cannot be run,
    before anything is built. `untraced` is the reason why its boot has no probes, in words (""
    where it needs none). `profile` is what its kernel counts, if that was asked for.
    """

    request: Request
    tree: KernelTree
    own: tuple[Fragment, ...]
    target: Target
    variant: Variant
    suite: str
    kernel_args: tuple[str, ...]
    cpu: str | None = None
    smp: int | None = None
    obstacle: str | None = None
    modular: Modular | None = None
    more_qemu_args: tuple[str, ...] = ()
    untraced: str | None = None
    profile: Profile | None = None

    @property
    def name(self) -> str:
        """The name of the cell in sentences: ``x86_64 base``."""
        flavour = " as a module" if self.modular else ""
        return f"{self.target.name} {self.variant.name}{flavour}"

    @property
    def build_name(self) -> str:
        """The variant part of the build directory: another suite is another configuration."""
        name = self.variant.name
        suite = self.suite.partition(".")[0]  # one test of a suite is no other kernel
        name = name if suite == SUITE else f"{name}-{suite}"
        if self.modular:
            name = f"{name}-{self.modular.flavour}"
        elif self.inserts_modules:  # another kernel than that of a plain run
            name = f"{name}-stress"
        return f"{name}-coverage" if self.profile else name

    @property
    def inserts_modules(self) -> bool:
        """Whether a boot of its kernel inserts modules: the tested suite, or the stress suite."""
        return self.modular is not None or self.request.stress is not None

    @property
    def make_variables(self) -> tuple[str, ...]:
        """Variables of make's command line that choose the objects which count."""
        return coverage.make_variables(self.profile, self.target) if self.profile else ()

    @property
    def sends_counters(self) -> bool:
        """Whether its guest sends counters by a second serial port; UML writes files instead."""
        return self.profile is not None and self.target.qemu is not None

    @property
    def traced(self) -> bool:
        """Whether every get, put and flush is to be seen."""
        return bool(self.variant.wished) and self.untraced is None

    @property
    def qemu_args(self) -> tuple[str, ...]:
        """What QEMU is given beyond the tree's own arguments."""
        if self.target.qemu is None:
            return ()
        cpu = ("-cpu", self.cpu) if self.cpu else ()
        smp = ("-smp", str(self.smp)) if self.smp else ()
        return (*cpu, *smp, *self.more_qemu_args)


def parameter(argument: str) -> str:
    """Return a kernel parameter's name: ``pti`` for ``pti=on``; ``nopti`` counts as ``pti``."""
    name = argument.partition("=")[0].replace("-", "_")
    return "pti" if name == "nopti" else name


def kernel_args(
    defaults: Iterable[str], variant: Iterable[str], user: Iterable[str]
) -> tuple[str, ...]:
    """Defaults, then the variant's, then the user's; a later one takes out an earlier namesake."""
    merged: list[str] = []
    for group in (tuple(defaults), tuple(variant), tuple(user)):
        named = {parameter(argument) for argument in group}
        merged = [argument for argument in merged if parameter(argument) not in named]
        merged.extend(group)
    return tuple(merged)


def _cell(
    tree: KernelTree, request: Request, own: tuple[Fragment, ...], target: Target, name: str
) -> CellPlan:
    variant = variants.resolve(name, own, request.suite, target.name)
    if request.cross_compile:  # what builds the kernel is also what is looked for and asked
        target = replace(target, cross_compile=request.cross_compile)
    variant = _with_lines(variant, target, request)
    smp = request.smp or variant.smp
    one_cpu = target.one_cpu_args if smp in {None, 1} else ()
    defaults = (*target.kernel_args, *one_cpu) if request.default_args else ()
    obstacle = None
    if variant.targets and target.name not in variant.targets:
        obstacle = _only_for(variant)
    elif request.suite == SUITE:
        obstacle = tree.mermap_obstacle(target)
    if not obstacle:
        obstacle = _no_modules(tree.path, target, request)
    profile = None
    if request.coverage and not obstacle:
        profile = coverage.profile(tree.path, target, request.coverage_of, request.suite)
    return CellPlan(
        request=request,
        tree=tree,
        own=own,
        target=target,
        variant=variant,
        suite=request.suite,
        kernel_args=kernel_args(defaults, variant.kernel_args, request.kernel_args),
        cpu=request.cpu or variant.cpu,
        smp=smp,
        obstacle=obstacle,
        modular=request.as_module,
        untraced=_untraced(variant, request),
        profile=profile,
    )


def _with_lines(variant: Variant, target: Target, request: Request) -> Variant:
    """Return the variant with the lines of modules and of the coverage, if asked for."""
    asked = variant.fragment
    if request.as_module:
        asked = modular.fragment_of(asked, request.as_module)
    elif request.stress:
        asked = modular.with_modules(asked)
    if request.coverage:
        asked = coverage.fragment_of(asked, target)
    return replace(variant, fragment=asked)


def _no_modules(tree: Path, target: Target, request: Request) -> str | None:
    """Return why a target can insert no modules, if it is to; else None."""
    if request.as_module:
        return modular.obstacle(tree, target, "--as-module", "the suite")
    return modular.obstacle(tree, target, "--stress", "its suite") if request.stress else None


def _untraced(variant: Variant, request: Request) -> str | None:
    """Return why a cell is booted without probes; None where it has them, or nothing to trace."""
    if not variant.wished:
        return variant.untraced
    if not request.trace:
        return "--no-trace"
    own = [each for each in request.kernel_args if parameter(each) == PROBE]
    return f"--kernel-arg {PROBE}= takes the place of the trace's probes" if own else None


def without_trace(cell: CellPlan) -> CellPlan:
    """Return the cell without the symbols of the trace, for a tree that refuses them."""
    variant = variants.resolve(
        cell.variant.name, cell.own, cell.suite, cell.target.name, trace=False
    )
    variant = _with_lines(variant, cell.target, cell.request)
    return replace(cell, variant=variant, untraced=variant.untraced)


def _only_for(variant: Variant) -> str:
    """Return why a variant is no other target's, beyond what its symbols say."""
    guest = [f"-cpu {variant.cpu}"] if variant.cpu else []
    needs = ", ".join([*guest, *variant.kernel_args])
    of = f" (its guest has {needs})" if needs else ""
    return f"variant {variant.name} is for {', '.join(variant.targets)} only{of}"


def spelled(request: Request) -> tuple[Fragment, ...]:
    """Return what --config and --kconfig-add give, once every name is known that needs no tree.

    Raises UserError for an unknown variant or suite, and for a fragment that cannot be read.
    """
    own = fragment.load_all(request.configs)  # a pipe cannot be read twice
    if request.symbols:
        own += (fragment.parse("\n".join(request.symbols), "--kconfig-add"),)
    for name in dict.fromkeys(request.variants):
        variants.resolve(name, own, request.suite)
    return own


def make(
    tree: KernelTree, request: Request, own: tuple[Fragment, ...] | None = None
) -> tuple[CellPlan, ...]:
    """Return all cells in the order in which they are run, each checked as far as files can tell.

    `own` is what `spelled` gave.

    Raises UserError for an unknown target or variant, CommitError where no cell could be run here.
    """
    own = spelled(request) if own is None else own
    chosen = [tree.find(name) for name in dict.fromkeys(request.targets)]
    for target in chosen:
        _require_guest(target, request)
        if request.coverage:
            coverage.require(target)
    cells = tuple(
        _cell(tree, request, own, target, variant)
        for target in chosen
        for variant in dict.fromkeys(request.variants)
    )
    if all(cell.obstacle for cell in cells):
        raise _refusal(cells[0])
    return cells


def _require_guest(target: Target, request: Request) -> None:
    """Raise UserError for an option about QEMU's guest that a target without QEMU would ignore."""
    if target.qemu is not None:
        return
    given = {
        f"--smp {request.smp}": (request.smp or 1) > 1,
        f"--cpu {request.cpu}": request.cpu is not None,
        "--accel kvm": request.accel is Accel.KVM,
    }
    for option, meaningless in given.items():
        if meaningless:
            raise UserError(
                f"{option} is for a guest of QEMU, and {target.name} has none",
                f"leave it out, or leave out --target {target.name}",
            )


def _refusal(cell: CellPlan) -> UserError:
    """Return the error of a run without a cell: of every commit, or (CommitError) of this one.

    Another commit may have a mermap; a variant is for the same targets in all of them.
    """
    names, target = cell.variant.targets, cell.target
    always = bool(names) and target.name not in names
    if cell.inserts_modules:
        always = always or target.qemu is None or not target.userspace
    kind = UserError if always else CommitError
    return kind(cell.obstacle or "nothing to run", _way_out(cell))


def _way_out(cell: CellPlan) -> str:
    tree = cell.tree
    if cell.obstacle and cell.obstacle == _no_modules(tree.path, cell.target, cell.request):
        option = "--as-module" if cell.modular else "--stress"
        return f"leave out {option}, or use --target x86_64"
    if not tree.mermap:
        return (
            "`mermapctl tree prepare DIR` makes a tree that has one; "
            "--suite NAME runs another suite of this tree"
        )
    able = [name for name, target in tree.targets.items() if tree.mermap_obstacle(target) is None]
    name = cell.target.name
    symbols = modular.symbols(cell.variant.fragment)
    return (
        f"use --target {' or '.join(able) or 'x86_64'}; "
        f"{name} runs other suites: --target {name} --suite example; "
        f"`mermapctl config explain {' '.join(symbols)} --target {name}` says why"
    )
