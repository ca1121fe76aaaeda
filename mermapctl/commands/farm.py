# SPDX-License-Identifier: GPL-2.0-only
"""The workers of a farm, made ready for a series: greeted, and enough for its targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mermapctl.errors import HarnessError
from mermapctl.events import Listener, Note
from mermapctl.series.engines.farm import Farm, FarmGone, WorkerCame, WorkerLost, WorkerRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mermapctl.series.engines.parcel import WorkerFacts

_TICK = 0.1


def greet(farm: Farm, targets: Iterable[str], tell: Listener) -> dict[str, WorkerFacts]:
    """Return the workers that are there, by name. Waits for the first one for a while.

    Raises HarnessError if no worker offers one of the targets, or none is there.
    """
    crew: dict[str, WorkerFacts] = {}
    refused: dict[str, str] = {}
    until = farm.now() + farm.patience
    told = False
    while farm.now() < until:
        for report in farm.reports(_TICK):
            match report:
                case WorkerCame(worker, facts):
                    crew[worker] = facts
                case WorkerRefused(worker, why):
                    refused[worker] = why
                    tell(Note(f"worker {worker} gets no cells: {why}"))
                case WorkerLost(worker, _):
                    crew.pop(worker, None)
                case FarmGone(why):
                    raise HarnessError(why, "start it again, then the workers")
                case _:
                    pass
        if farm.listed and (crew or refused):
            break
        if farm.listed and not told:
            told = True
            tell(Note(f"no worker is there: waiting for one, {farm.patience:.0f} s at most"))
    if not crew and not refused:
        raise HarnessError(
            "no worker is there", "start one: mermapctl worker --scheduler tls://HOST:8786"
        )
    _require(targets, crew, refused)
    tell(Note(f"workers: {offered(crew)}"))
    return crew


def _require(targets: Iterable[str], crew: dict[str, WorkerFacts], refused: dict[str, str]) -> None:
    there = {target for facts in crew.values() for target in facts.targets}
    lacking = [target for target in targets if target not in there]
    if not crew:
        worker, why = next(iter(refused.items()))
        raise HarnessError(
            f"no worker can be used: {worker}: {why}",
            "install the same mermapctl and distributed on all machines",
        )
    if lacking:
        raise HarnessError(
            f"no worker offers the target {', '.join(lacking)}: there are {offered(crew)}",
            f"mermapctl worker --target {lacking[0]} offers it",
        )


def offered(crew: dict[str, WorkerFacts]) -> str:
    """Return the workers by target in words: `x86_64 (alpha, beta), um (alpha)`."""
    found: dict[str, list[str]] = {}
    for worker, facts in sorted(crew.items()):
        for target in facts.targets:
            found.setdefault(target, []).append(worker)
    return ", ".join(f"{target} ({', '.join(names)})" for target, names in found.items())
