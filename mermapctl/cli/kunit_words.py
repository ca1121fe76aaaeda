# SPDX-License-Identifier: GPL-2.0-only
"""kunit.py's words on mermapctl's command line: taken where they mean the same, else answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mermapctl.cli.command import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

SAME = {
    "--arch": "--target",
    "--cross_compile": "--cross-compile",
    "--kernel_args": "--kernel-arg",
    "--kconfig_add": "--kconfig-add",
}
"""Options of kunit.py that `run` takes under its own name."""

ANSWERS = {
    "--kunitconfig": "--config FILE merges a kunitconfig of your own on top of the variant",
    "--qemu_args": "--smp N and --cpu MODEL choose the guest's CPUs, --accel its accelerator",
    "--make_options": (
        "LLVM=1 in the environment, or --cross-compile PREFIX, chooses the compiler; -j N the jobs"
    ),
    "--build_dir": (
        "each tree, target and variant has a build directory of its own, below "
        "~/.cache/mermapctl; MERMAPCTL_HOME moves all of them"
    ),
    "--raw_output": "the whole console is kept: `mermapctl report` names its file",
    "--json": "--format json prints the record",
    "--alltests": "--suite '*' runs every suite that the kernel has; --config FILE adds more",
    "--filter": "--suite 'SUITE.TEST' or -k TEST picks tests by name",
    "--filter_action": "--suite 'SUITE.TEST' or -k TEST picks tests by name",
    "--run_isolated": "-k TEST boots one test; after a hang each test is booted alone anyway",
    "--list_tests": "`mermapctl report show --full` lists the tests of a run",
}
"""Options of kunit.py that mean something else here, and what to use."""


class KunitCommand(Command):
    """A command that takes kunit.py's options, or names what takes their place."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Replace kunit.py's words, then parse. Raises UsageError with the answer to one."""
        return super().parse_args(ctx, [*translated(args, ctx)])


def translated(args: list[str], ctx: click.Context) -> Iterator[str]:
    """Yield the words with kunit.py's replaced. Raises UsageError with the answer to one."""
    words = iter(args)
    for word in words:
        if word == "--":
            yield word
            break
        name, equals, value = word.partition("=")
        if name in ANSWERS and not ctx.resilient_parsing:
            raise click.UsageError(f"{name} is kunit.py's: {ANSWERS[name]}", ctx)
        yield f"{SAME[name]}{equals}{value}" if name in SAME else word
    yield from words
