# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl worker`: offer this machine to a farm, once it can build and boot what it offers."""

from __future__ import annotations

import contextlib
import hashlib
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mermapctl.config import target, toolchain
from mermapctl.config.target import Target
from mermapctl.doctor import doctor, packages
from mermapctl.doctor.requirement import Check
from mermapctl.errors import HarnessError, UserError
from mermapctl.runner import up_to_date
from mermapctl.series.engines import station
from mermapctl.series.engines.parcel import WorkerFacts
from mermapctl.system import files, locks, paths
from mermapctl.system.memory import available_kb
from mermapctl.tree import build_dir, ownership

_MOST_HOMES = 256


@dataclass(frozen=True, slots=True)
class Offer:
    """What a machine offers: targets, cores, and under which name (None: that of its home)."""

    targets: tuple[str, ...]
    cores: int
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Offered:
    """A worker that is ready: its name, its home, its facts, and these as dask's resources."""

    name: str
    home: Path
    facts: WorkerFacts

    @property
    def resources(self) -> dict[str, float]:
        """The facts as dask's dashboard shows them."""
        facts = self.facts
        return {
            "cores": facts.cores,
            "memory": (facts.memory or 0) * 1024,
            "kvm": float(facts.kvm),
            **{f"target {name}": 1 for name in facts.targets},
        }

    @property
    def words(self) -> str:
        """The facts in a line."""
        facts = self.facts
        memory = f", {facts.memory / 1e6:.1f} GB" if facts.memory else ""
        kvm = "KVM" if facts.kvm else "no KVM"
        return f"{self.name}: {', '.join(facts.targets)}; {facts.cores} cores{memory}, {kvm}"


def run(offer: Offer, distributed: str, serve: Callable[[Offered], bool]) -> bool:
    """Check this machine, then `serve`; return whether a signal ended that.

    Raises HarnessError with the packages to install if something is missing, UserError for an
    unknown target.
    """
    targets = [_target(name) for name in dict.fromkeys(offer.targets)]
    build_dir.require_plain(paths.cache_dir())
    with _home() as home:
        station.move_home(home)
        checks = doctor.check_machine(targets)
        lacking = [each for each in checks if each.lacking]
        if lacking:
            raise HarnessError(doctor.sentence(lacking), doctor.install_hint(lacking))
        name = offer.name or home.name
        offered = Offered(name, home, _facts(targets, offer, checks, distributed))
        station.open_station(offered.facts)
        return serve(offered)


def _target(name: str) -> Target:
    qemu = packages.qemu_of(name)
    if qemu is None and name != "um":
        known = sorted({*target.architectures(), "um"})
        raise UserError(f"there is no target {name!r}", f"there are {', '.join(known)}")
    return target.without_tree(name, qemu)


@contextlib.contextmanager
def _home() -> Iterator[Path]:
    """Lock a home that no other worker of this machine has: builds in it are worth keeping."""
    first = station.home_of(1)
    ownership.require_own(paths.cache_dir(), first.parent)
    for number in range(1, _MOST_HOMES):
        home = station.home_of(number)
        try:
            home.mkdir(parents=True, exist_ok=True)
            fd = locks.opened(home / "lock", 0o644)
        except OSError as error:
            raise files.cannot_write(home, error) from error
        try:
            if locks.take(fd, wait=False):
                yield home
                return
        finally:
            locks.release(fd)
    raise HarnessError(f"{first.parent} has {_MOST_HOMES} workers at work")


def _facts(
    targets: list[Target], offer: Offer, checks: tuple[Check, ...], distributed: str
) -> WorkerFacts:
    kvm = any(each.name == "/dev/kvm" and each.ok for each in checks)
    return station.facts_of(
        tuple(each.name for each in targets),
        {each.name: _toolchain(each, kvm=kvm) for each in targets},
        cores=offer.cores,
        memory=available_kb(),
        kvm=kvm,
        distributed=distributed,
    )


def _toolchain(wanted: Target, *, kvm: bool) -> str:
    """Return a digest of what decides a verdict on this machine, the same on an equal machine."""
    chain = toolchain.of_build(wanted.cross_compile)
    programs = (chain.cc, chain.program("ld", "ld.lld"), chain.host_cc, wanted.qemu or "")
    facts = [
        platform.machine(),
        [toolchain.first_line(each) if each else "" for each in programs],
        kvm,
        up_to_date.steering(),
    ]
    return hashlib.sha256(msgspec.json.encode(facts, order="deterministic")).hexdigest()
