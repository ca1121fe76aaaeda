# SPDX-License-Identifier: GPL-2.0-only
"""`make faults`: build, boot and judge every seeded fault and good configuration, and compare.

Exit with 1 if one of them is misjudged. Only a run of all of them writes docs/faults.md; with
--witness or --stress, its section about that. A run that was killed goes on where it was.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TypeVar

import click
from rich.console import Console

from tests.faults import corpus, kept, page, seeded, stressed, trial, witness_page, witnessed
from tests.faults.corpus import ROOT, Case
from tests.faults.kept import Kept
from tests.faults.stressed import Stressed
from tests.faults.verdicts import Judged

T = TypeVar("T")


@click.command()
@click.option(
    "--tree",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=lambda: os.environ.get("MERMAPCTL_TEST_TREE") or ROOT / "linux",
    help="A prepared kernel tree. Faults are put into it and taken out again.",
)
@click.option("--only", "only", multiple=True, metavar="NAME", help="Cases whose name has NAME.")
@click.option("--quick", is_flag=True, help="No traces, no kernel but the one most faults share.")
@click.option("--no-variants", is_flag=True, help="No kernel but the one most faults share.")
@click.option("--no-good", is_flag=True, help="Faults only.")
@click.option(
    "--witness",
    "witness",
    is_flag=True,
    help="Instead: faults with an entry or a CPU in them, and each mermap, under the witness.",
)
@click.option(
    "--stress",
    "stress",
    is_flag=True,
    help="Instead: good configurations with random histories; with --only or --no-good, faults.",
)
@click.option("--list", "listing", is_flag=True, help="Only list the cases.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=ROOT / "docs/faults.md",
    show_default="docs/faults.md",
    help="Where a run of all of them writes its table.",
)
def main(  # noqa: PLR0917 - click passes them by name
    tree: Path,
    only: tuple[str, ...],
    quick: bool,
    no_variants: bool,
    no_good: bool,
    witness: bool,
    stress: bool,
    listing: bool,
    output: Path,
) -> None:
    """Build, boot and judge every seeded fault, and every good configuration."""
    os.environ.setdefault("MERMAPCTL_HOME", str(ROOT / "build/e2e-home"))
    signal.signal(signal.SIGTERM, _end)
    every = corpus.faults()
    if witness:
        sys.exit(_witness(tree.resolve(), every, only, output, listing=listing))
    if stress:
        good = () if no_good else corpus.good()
        sys.exit(_stress(tree.resolve(), every, good, only, output, listing=listing))
    faults = _chosen(corpus.put_into_mermaps(every), only, fast=quick or no_variants)
    good = () if no_good else _chosen(corpus.good(), only, fast=quick or no_variants)
    if quick:
        good = tuple(case for case in good if "--no-trace" not in case.run)
    if not faults and not good:
        raise click.UsageError(f"no case is called {' or '.join(only)}; --list shows them")
    if listing:
        for case in (*faults, *good):
            click.echo(f"{case.name:28} {case.subject}")
        return
    tree = tree.resolve()
    _recover(tree, every)
    began = time.monotonic()
    whole = not (only or quick or no_variants or no_good)
    results = _kept_results("faults", tree, _has_error) if whole else None
    judged_faults = _judge_all(tree, faults, results, twice=not quick)
    judged_good = _judge_all(tree, good, results, twice=False)
    _show(judged_faults, judged_good, time.monotonic() - began)
    if results:
        results.end()
        output.write_text(page.markdown(judged_faults, judged_good) + _kept(output), "utf-8")
        click.echo(f"{output} is written", err=True)
    sys.exit(any(judged.wrong for judged in (*judged_faults, *judged_good)))


def _kept_results(name: str, tree: Path, failed: Callable[[T], bool]) -> Kept[T]:
    results = Kept(name, kept.mark(tree), failed)
    if results.count:
        click.echo(f"{results.count} results of a run that was killed are used", err=True)
    return results


def _has_error(judged: Judged) -> bool:
    return judged.error is not None


def _recover(tree: Path, every: tuple[Case, ...]) -> None:
    if left := seeded.recover(tree, every):
        click.echo(f"took out {left}, which a killed run had left in {tree}", err=True)


def _witness(
    tree: Path, every: tuple[Case, ...], only: tuple[str, ...], output: Path, *, listing: bool
) -> bool:
    """Boot cases under the witness; return whether one was judged wrongly."""
    cases = _chosen(witnessed.cases(every), only, fast=False)
    if not cases:
        raise click.UsageError(f"no case is called {' or '.join(only)}; --list shows them")
    if listing:
        for case in cases:
            click.echo(
                f"{case.name:38} {', '.join(each.name for each in witnessed.machines(case))}"
            )
        return False
    _recover(tree, every)
    results = []
    for number, case in enumerate(cases, 1):
        click.echo(f"[{number}/{len(cases)}] {case.name}: {case.subject}", err=True)
        for each in witnessed.judge(tree, case):
            results.append(each)
            said = "; ".join(each.wrong) or "right"
            proof = each.entry or each.words
            click.echo(f"    {each.machine.name}: {said}: {proof} ({each.seconds:.0f} s)")
    click.echo(witness_page.totals(results))
    if not only:
        output.write_text(
            page.replaced(output, witness_page.section(results), witness_page.HEADING)
            + page.kept(output, stressed.HEADING),
            "utf-8",
        )
        click.echo(f"{output} is written", err=True)
    return any(each.wrong for each in results)


def _kept(output: Path) -> str:
    """Return the sections of the page that only other modes write."""
    return page.kept(output, witness_page.HEADING) or page.kept(output, stressed.HEADING)


def _stress(
    tree: Path, every: tuple[Case, ...], good: tuple[Case, ...], only: tuple[str, ...],
    output: Path, *, listing: bool,
) -> bool:  # fmt: skip
    """Boot cases with the stress suite; return whether one was judged wrongly."""
    faults = every if only or not good else ()
    cases = _chosen(stressed.cases(faults, good), only, fast=False)
    if not cases:
        raise click.UsageError(f"no case is called {' or '.join(only)}; --list shows them")
    if listing:
        for case in cases:
            click.echo(f"{case.name:38} {case.subject}")
        return False
    _recover(tree, every)
    results: list[Stressed] = []
    whole = bool(good) and not only
    boots = _kept_results("stress", tree, _have_error) if whole else None
    for number, case in enumerate(cases, 1):
        click.echo(f"[{number}/{len(cases)}] {case.name}: {case.subject}", err=True)
        find = partial(_stressed, tree, case)
        results += boots.get(case.name, find) if boots else find()
    click.echo(stressed.totals(results))
    if boots:
        boots.end()
        new = page.replaced(output, stressed.section(results), stressed.HEADING)
        output.write_text(new, "utf-8")
        click.echo(f"{output} is written", err=True)
    return any(each.wrong for each in results)


def _have_error(boots: list[Stressed]) -> bool:
    return any(each.error for each in boots)


def _stressed(tree: Path, case: Case) -> list[Stressed]:
    results = []
    for each in stressed.judge(tree, case):
        results.append(each)
        said = "; ".join(each.wrong) or "right"
        click.echo(f"    seed {each.seed}: {said}: {each.words} ({each.seconds:.0f} s)")
    return results


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(143)  # run every finally, which restores the tree


def _chosen(cases: tuple[Case, ...], only: tuple[str, ...], *, fast: bool) -> tuple[Case, ...]:
    return tuple(
        case
        for case in cases
        if (not only or any(name in case.name for name in only)) and not (fast and case.slow)
    )


def _judge_all(
    tree: Path, cases: Sequence[Case], before: Kept[Judged] | None, *, twice: bool
) -> list[Judged]:
    results = []
    for number, case in enumerate(cases, 1):
        click.echo(f"[{number}/{len(cases)}] {case.name}: {case.subject}", err=True)
        find = partial(judge, tree, case, twice=twice)
        results.append(before.get(case.name, find) if before else find())
        for sentence in results[-1].wrong:
            click.echo(f"    WRONG: {sentence}", err=True)
        if differs := results[-1].kunit_differs:
            click.echo(f"    note: {differs}", err=True)
    return results


def judge(tree: Path, case: Case, *, twice: bool) -> Judged:
    """Try one case; if `twice`, also without probes where its header expects something else,
    and with the stress suite where its header names a finding of that.

    A fault is judged without the witness: its header says what tests and trace show of it.
    """
    plain = traced = None
    alone = ("--no-witness",) if case.patch else ()
    under = None
    try:
        with seeded.seeded(tree, case):
            if case.traced:
                traced = trial.run(tree, case, *alone)
            if not case.traced or twice:
                untraced = ("--no-trace",) if case.traced else ()
                plain = trial.run(tree, case, *untraced, *alone)
            if twice and case.stressed is not None:
                under = stressed.run(tree, case)
    except RuntimeError as error:
        return Judged(case, plain, traced, str(error), under)
    return Judged(case, plain, traced, stressed=under)


def _show(faults: Sequence[Judged], good: Sequence[Judged], seconds: float) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    if faults:
        console.print(page.table(faults, "Seeded faults"))
    if good:
        console.print(page.table(good, "Good configurations"))
    for judged in (*faults, *good):
        for sentence in judged.wrong:
            console.print(f"{judged.case.name}: {sentence}", markup=False)
            for trial_ in (judged.plain, judged.traced):
                if trial_ and trial_.console:
                    console.print(f"    {trial_.console}", markup=False, soft_wrap=True)
    console.print(f"{page.totals(faults, good)} {seconds:.0f} s.", markup=False)


if __name__ == "__main__":
    main()
