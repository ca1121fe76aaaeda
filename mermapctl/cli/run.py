# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run`: parse the options, call the command, render its record, exit."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

import click

from mermapctl.cli import complete, farm_options, options, run_request, stress, types
from mermapctl.cli.command import format_option
from mermapctl.cli.kunit_words import KunitCommand
from mermapctl.errors import UserError


def _refuse_trace(_ctx: click.Context, _param: click.Parameter, given: bool) -> None:
    """Raise UserError for --trace, an option of earlier versions."""
    if given:
        raise UserError(
            "there is no --trace any more: runs are traced by default",
            "leave it out; --no-trace boots without probes",
        )


def _build_seconds() -> int:
    from mermapctl.config.plan import BUILD_SECONDS

    return BUILD_SECONDS


def _first_seed() -> int:
    from mermapctl.config.plan import SEED

    return SEED


def _first_shift() -> tuple[int, ...]:
    from mermapctl.config.plan import SHIFT

    return (SHIFT,)


GROUPS = {
    "What is tested": (
        *("tree", "commits", "rerun", "targets", "variants", "suite", "test", "configs"),
        *("symbols", "as_module", "last_failed"),
    ),
    "How it is built": (
        *("jobs", "lanes", "cross_compile", "ccache", "rebuild", "build_timeout", "wait"),
    ),
    "How it is booted": (
        *("accel", "seed", "repeat", "shifts", "reproducible", "smp", "cpu", "kernel_args"),
        *("default_args", "trace", "witness", "timeout", "silence", "triage", "confirm", "gdb"),
    ),
    "Where it is run": ("engine", *farm_options.NAMES),
    "What it costs, runs and stands": (
        *("cost", "cost_limit", "coverage", "coverage_of", "coverage_tests"),
        *stress.PARAMETERS,
    ),
    "How it is judged and shown": (
        *("allow_splats", "form", "full", "quiet", "bisect_exit", "dry_run"),
    ),
}


@click.command(
    "run",
    cls=KunitCommand,
    groups=GROUPS,
)
@click.argument(
    "filter_glob",
    metavar="[SUITE[.TEST]]",
    required=False,
    type=types.NAME,
    shell_complete=complete.suites,
)
@click.option(
    "--tree",
    type=types.DIRECTORY,
    help="Kernel tree. Default: MERMAPCTL_TREE, else the kernel tree of the current directory, "
    "else the one that `tree prepare` made last.",
)
@click.option(
    "--commits",
    type=types.NAME,
    metavar="BASE..TIP",
    shell_complete=complete.ranges,
    help="Test each commit of a range, oldest first, and name the first bad one. A work tree with "
    "changes is one more commit, if TIP is HEAD.",
)
@click.option(
    "--rerun", is_flag=True, help="With --commits: run also cells that an earlier run has judged."
)
@options.targets("um, or a QEMU architecture of the tree's kunit.py. May be repeated.")
@options.variants(
    "variants",
    "Configuration: see `config list`. Repeated, each is a cell; a+b is one merged cell.",
)
@options.suite("KUnit suites; ? stands for a blank in a name.")
@click.option(
    "-k",
    "test",
    type=types.NAME,
    metavar="TEST",
    shell_complete=complete.tests,
    help="Only this test of the suite: its name, a part of it, or a pattern.",
)
@options.config
@click.option(
    "--kconfig-add",
    "symbols",
    multiple=True,
    type=types.SYMBOL,
    metavar="SYMBOL=VALUE",
    shell_complete=complete.symbols,
    help="One line of a kunitconfig, without a file. May be repeated.",
)
@farm_options.of_run
@options.seconds("--timeout", 300, "Seconds, or 10m, 2h: what a boot may take in all.")
@options.seconds("--silence", 60, "Seconds, or 2m, that a console may stay silent.")
@click.option(
    "--build-timeout",
    type=types.SECONDS,
    default=_build_seconds,
    show_default="4 hours",
    metavar="S",
    help="Seconds, or 30m, 4h, that configuring and building may take, each.",
)
@click.option(
    "--jobs",
    "-j",
    type=types.NumberType(min=1, max=types.MOST_JOBS),
    default=lambda: len(os.sched_getaffinity(0)),
    show_default="number of CPUs",
    metavar="N",
    help="Parallel make jobs.",
)
@click.option(
    "--lanes",
    type=types.NumberType(min=1, max=types.MOST_LANES),
    metavar="N",
    help="With --commits: work trees side by side, among which the make jobs are divided. "
    "Default: one for each twelve commits (five with ccache), as far as cores and memory allow.",
)
@click.option(
    "--accel",
    type=click.Choice(["auto", "kvm", "tcg"]),
    default="auto",
    show_default=True,
    help="auto: KVM if it runs this kernel, else software emulation.",
)
@click.option(
    "--seed",
    type=types.NumberType(min=0, max=types.LARGEST_SEED),
    default=_first_seed,
    show_default="1",
    metavar="N",
    help="Under software emulation: how long the guest's CPUs take turns, and its random numbers.",
)
@click.option(
    "--repeat",
    type=types.NumberType(min=1, max=types.MOST_BOOTS),
    default=1,
    show_default=True,
    metavar="N",
    help="Boot N times, with N seeds; the cell fails if one boot does.",
)
@click.option(
    "--shifts",
    type=types.NumbersType(most=types.LARGEST_SHIFT),
    default=_first_shift,
    show_default="4",
    metavar="N,…",
    help="Speeds of an emulated guest, one boot of --repeat each: an instruction takes 2^N ns.",
)
@click.option(
    "--no-reproducible",
    "reproducible",
    flag_value=False,
    default=True,
    help="Emulate with the host's clock, and with a thread per CPU.",
)
@click.option(
    "--smp", type=types.NumberType(min=1, max=256), metavar="N", help="CPUs of the guest."
)
@click.option(
    "--cpu",
    type=types.NAME,
    metavar="MODEL",
    shell_complete=complete.cpus,
    help="QEMU's CPU model, such as Haswell.",
)
@click.option(
    "--kernel-arg",
    "kernel_args",
    multiple=True,
    type=types.KernelArgument(),
    metavar="X",
    help="Kernel parameter. May be repeated; replaces a default of the same name.",
)
@click.option(
    "--no-default-args",
    "default_args",
    flag_value=False,
    default=True,
    help="Leave out the kernel parameters of configs/targets.toml (pti=on on x86_64, …).",
)
@click.option(
    "--cross-compile", type=types.TEXT, metavar="PREFIX", help="Compiler prefix, as for make."
)
@click.option(
    "--no-trace",
    "trace",
    flag_value=False,
    default=True,
    help="Boot without probes: TLB flushes are counted by the tests, not observed.",
)
@click.option(
    "--trace",
    "former",
    is_flag=True,
    hidden=True,
    is_eager=True,
    expose_value=False,
    callback=_refuse_trace,
)
@click.option(
    "--witness/--no-witness",
    default=None,
    help="Boot once more and read the page tables from outside, through QEMU's gdb stub (x86_64). "
    "Default: after a failure, and if there are no probes.",
)
@click.option(
    "--as-module",
    type=click.Choice(["suite", "all"]),
    is_flag=False,
    flag_value="suite",
    help="Build the suite as a module (=all: KUnit too) and insert it from an initramfs.",
)
@click.option(
    "--no-triage",
    "triage",
    flag_value=False,
    default=True,
    help="Do not boot each unfinished test alone after a hang.",
)
@click.option(
    "--confirm",
    is_flag=True,
    help="Boot a kernel that failed again with its seed, and compare the two consoles.",
)
@click.option(
    "--gdb",
    is_flag=True,
    help="Boot without probes, stopped, and print the line that attaches gdb. Judges nothing.",
)
@click.option(
    "--cost",
    is_flag=True,
    help="Boot once more and count the instructions of each test, get, put and flush (x86_64).",
)
@click.option(
    "--cost-limit",
    type=types.PercentType(),
    metavar="PERCENT",
    help="Count, and warn of what takes this much more than in the run before, such as 5%.",
)
@click.option(
    "--coverage",
    is_flag=True,
    help="Count the lines and branches of the mermap that run (x86_64, um); needs gcovr.",
)
@click.option(
    "--coverage-of",
    multiple=True,
    type=types.NAME,
    metavar="PATH",
    help="Count those of this file or directory of the tree instead. May be repeated.",
)
@click.option(
    "--coverage-tests",
    is_flag=True,
    help="Count also what each test runs, booted alone; always so for a suite that is a module.",
)
@stress.options
@click.option("--rebuild", is_flag=True, help="Build even if nothing has changed.")
@click.option(
    "--ccache/--no-ccache",
    default=True,
    show_default=True,
    help="Compile through ccache, if it is installed.",
)
@click.option("--allow-splats", is_flag=True, help="A kernel warning is a finding, not a failure.")
@click.option(
    "--no-wait",
    "wait",
    flag_value=False,
    default=True,
    help="Fail at once if the build directory is in use.",
)
@format_option(
    "table",
    "json",
    "jsonl",
    summary="What to print at the end. jsonl goes with --commits: a line for each cell.",
)
@click.option("--full", is_flag=True, help="Show everything, as `report show --full` does.")
@click.option(
    "--quiet",
    "-q",
    is_flag=True,
    help="Print the last line alone: verdict, finding, test, place. No progress.",
)
@click.option(
    "--dry-run",
    "-n",
    is_flag=True,
    help="Print the cells and kunit.py's command lines (with --commits: the cells by commit); run, "
    "build and write nothing.",
)
@click.option(
    "--last-failed",
    is_flag=True,
    help="Only the cells that did not pass in the last run of this tree.",
)
@click.option(
    "--bisect-exit",
    is_flag=True,
    help="Exit codes for `git bisect run`: 125 (skip) if this commit has no verdict, 128 (stop) "
    "if no commit would have one.",
)
def command(
    form: str, full: bool, quiet: bool, bisect_exit: bool, dry_run: bool, gdb: bool, **_: Any
) -> None:
    """Configure, build and boot a kernel, and judge its mermap.

    \b
    mermapctl run                           the kernel tree here, base on x86_64, traced
    mermapctl run mermap.test_size          one test; also -k size
    mermapctl run --variant smp --variant kasan --target um --suite 'mermap*'
    mermapctl run --commits origin/master.. --variant base --variant kasan
    mermapctl run --last-failed
    mermapctl run --gdb --kconfig-add DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y
    git bisect run mermapctl run --quiet --bisect-exit

    Exit codes: 0 passed, 1 failed, 2 wrong usage, 3 no verdict, 130 interrupted. With
    --bisect-exit: 125 for no verdict of this commit, 128 for an error that every commit would meet,
    such as wrong usage, an unknown variant, no tree. ^C, TERM and HUP interrupt the run, unless the
    parent ignores them (nohup).
    """
    from mermapctl.records.exit_code import exit_of
    from mermapctl.records.folder import console_lines
    from mermapctl.render import print_record
    from mermapctl.render.terminal.progress import progress

    context = click.get_current_context()
    if full and (quiet or form != "table"):
        excluded = "--full and --quiet exclude each other" if quiet else None
        raise click.UsageError(excluded or "--full goes with --format table")
    if gdb:
        run_request.alone_with_gdb(context)
        run_request.wait_for_gdb(run_request.requests(context))
        return
    wanted = run_request.series(context)
    requests = run_request.requests(context)
    farm = farm_options.farm_of(context)
    if dry_run and wanted is not None:
        run_request.show_series_plan(requests[0], wanted.commits, form)
        return
    if dry_run:
        run_request.show_plan(requests, form)
        return
    argv = ("mermapctl", *sys.argv[1:])
    with progress(sys.stderr, quiet=quiet) as tell:
        if wanted is None:
            from mermapctl.commands import run

            record = run.run(requests, argv, tell)
        else:
            from mermapctl.commands import series

            told = run_request.with_lines(tell) if form == "jsonl" else tell
            with farm or contextlib.nullcontext():
                record = series.run(requests[0], wanted, argv, told, farm)
    if form == "jsonl":
        from mermapctl.render.documents import jsonl

        jsonl.print_end(record)
    else:
        print_record(record, form, console=console_lines, full=full, last=quiet)
    sys.exit(exit_of(record, bisect=bisect_exit))
