# SPDX-License-Identifier: GPL-2.0-only
"""Variants: named merges of fragments, and what their guest needs. Data: configs/variants.toml."""

from __future__ import annotations

import fnmatch
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mermapctl.config import fragment, near_names, traceable
from mermapctl.config.fragment import SUFFIX, Fragment
from mermapctl.config.traceable import Wish
from mermapctl.errors import UserError
from mermapctl.system import inputs, paths, tables
from mermapctl.system.boundary import flaw_of_path

BASE = "base"
"""The fragment whose lines give way: it says how a kernel is where nothing else is asked for."""
SUITE_PREFIX = "suite-"
FORMER = "trace"
"""Once a variant of its own, now what every kernel carries; stored records still name it."""
NOT_GIVEN = "this tree and target do not give what a trace needs"
"""Why a kernel that asked for the trace's symbols was configured without them."""
LOCKDEP = "lockdep stops at its first report, which is about the trace's own lock"
"""Printing from a probe takes tracepoint_iter_lock in an int3's context (measured on 6.12)."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A variant as variants.toml (or a user's fragment) defines it; no `targets` means all.

    `untraced` is the reason why its kernel does without the trace's symbols, `brief` what it proves
    in a line.
    """

    proves: str
    costs: str
    fragments: tuple[str, ...]
    smp: int | None = None
    cpu: str | None = None
    kernel_args: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    untraced: str = ""
    brief: str = ""


@dataclass(frozen=True, slots=True)
class _VariantsFile:
    variant: dict[str, Definition]


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant with its fragment merged, the suite's own and the user's --config included.

    `smp` is CPUs, `cpu` QEMU's model, `targets` where it means something (empty: everywhere).
    `wished` are the symbols of the trace in its fragment, `untraced` the reason why there are none.
    """

    name: str
    fragment: Fragment
    smp: int | None = None
    cpu: str | None = None
    kernel_args: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    wished: tuple[str, ...] = ()
    untraced: str | None = None


@cache
def _shipped() -> dict[str, Definition]:
    return tables.read("variants.toml", _VariantsFile).variant


def _files(directory: Path) -> dict[str, Path]:
    """Return fragments by name; leave out directories and FIFOs, which would hang a reader."""
    return {
        path.name.removesuffix(SUFFIX): path
        for path in sorted(directory.glob(f"[!.]*{SUFFIX}"))
        if path.name != SUFFIX and _mode(path) == stat.S_IFREG
    }


@cache
def _shipped_files(directory: Path) -> dict[str, Path]:
    """Return the shipped fragments, read once: `mermapctl run` asks a dozen times."""
    return _files(directory)


def _mode(path: Path) -> int | None:
    """Return the file type of `path`, links followed; None where nothing can be seen."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except OSError:
        return None


def own_fragments() -> dict[str, Path]:
    """Return the user's own fragments by name. Raises UserError where one hides a shipped name."""
    found = _files(paths.config_dir())
    taken = {*_shipped_files(paths.shipped("configs")), *_shipped()}
    for name, path in found.items():
        if name in taken:
            raise UserError(
                f"{path} has the name of a fragment or variant that mermapctl brings along",
                "rename it: a shipped name always means the same",
            )
        if "+" in name:
            raise UserError(f"{path}: a name with + cannot be told from a merge", "rename it")
    return found


def fragment_files() -> dict[str, Path]:
    """Return every fragment by name, shipped ones first."""
    return {**_shipped_files(paths.shipped("configs")), **own_fragments()}


def load_fragment(name: str) -> Fragment:
    """One fragment by name. Raises UserError that lists the near ones."""
    files = fragment_files()
    if name not in files:
        raise _unknown("fragment", name, files)
    path = files[name]
    shipped = path.parent == paths.shipped("configs")
    return fragment.load(path, name, f"configs/{path.name}" if shipped else "")


def shown_fragment(name: str) -> Fragment:
    """Return the same for a list: an unreadable fragment has its error in `about`, and no lines.

    Only a command that uses it fails, not each one that needs to know which names there are.
    """
    try:
        return load_fragment(name)
    except UserError as error:
        return Fragment(name, about=f"cannot be used: {error.message}")


def definitions() -> dict[str, Definition]:
    """Return every variant by name: the shipped ones, then one for each fragment of the user."""
    own = {
        name: Definition(
            proves=shown_fragment(name).about or "what your own fragment is for",
            costs=f"your own: {path}",
            fragments=(BASE, name),
        )
        for name, path in own_fragments().items()
        if not name.startswith(SUITE_PREFIX)
    }
    return {**_shipped(), **own}


def _unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    stranger = paths.config_dir() / f"{name}{SUFFIX}"
    if "/" not in name and flaw_of_path(stranger.name) is None and _mode(stranger) is not None:
        return UserError(
            f"{stranger} is {inputs.kind(_mode(stranger) or 0)}",
            "a fragment of your own is a text file of CONFIG_X=value lines",
        )
    return UserError(f"there is no {kind} {name!r}", near_names.hint(name, known, "there are"))


def suite_fragments(suite: str) -> tuple[str, ...]:
    """Return the fragments that build the suites which kunit.py's filter glob `suite` names."""
    pattern = suite.partition(".")[0]  # SUITE.TEST
    return tuple(
        name
        for name in fragment_files()
        if name.startswith(SUITE_PREFIX)
        and fnmatch.fnmatchcase(name.removeprefix(SUITE_PREFIX), pattern)
    )


def _suites(suite: str, extra: tuple[Fragment, ...]) -> tuple[str, ...]:
    found = suite_fragments(suite)
    if found or extra:
        return found
    known = [name for name in fragment_files() if name.startswith(SUITE_PREFIX)]
    error = _unknown("suite", suite, [name.removeprefix(SUITE_PREFIX) for name in known])
    raise UserError(
        f"no fragment builds the suite {suite!r}",
        f"{error.hint} (for another suite of the tree, say what builds it: "
        "--config FILE with CONFIG_KUNIT=y and the suite's symbol)",
    )


@dataclass(frozen=True, slots=True)
class Merged:
    """Several fragments as one, and what came of the trace's lines."""

    fragment: Fragment
    wish: Wish


def merge(
    name: str,
    names: Iterable[str],
    extra: Iterable[Fragment] = (),
    target: str | None = None,
    untraced: str = "",
) -> Merged:
    """Merge fragments by name, and `extra` ones; `base` gives way. Raises UserError: a conflict.

    With `base` comes what the suite does without (base-SUITE.kunitconfig) and what a kernel for
    `target` is quicker with (base-TARGET.kunitconfig); they give way as well. So do the trace's
    lines, unless there is a reason to leave them out (`untraced`).
    """
    chosen = list(dict.fromkeys(names))
    firm = [load_fragment(each) for each in chosen if each != BASE]
    asked = fragment.merge(name, [*firm, *extra])
    if BASE not in chosen:
        return Merged(asked, Wish(reason=untraced or None))
    suites = [each.removeprefix(SUITE_PREFIX) for each in chosen if each.startswith(SUITE_PREFIX)]
    wished = load_fragment(traceable.scope().fragment)
    wish = traceable.granted(wished, asked, suites, target, untraced)
    if wish.fragment:
        asked = fragment.overlay(wish.fragment, asked)
    bases = [f"{BASE}-{each}" for each in (*suites, *([target] if target else []))]
    yielding = [BASE, *(each for each in bases if each in fragment_files())]
    under = fragment.merge(name, [load_fragment(each) for each in yielding])
    return Merged(fragment.overlay(under, asked), wish)


def _only(name: str, what: str, values: Iterable[str | None]) -> str | None:
    """Return the one value that several merged variants agree on."""
    found = sorted({value for value in values if value is not None})
    if len(found) > 1:
        raise UserError(
            f"variant {name}: its parts want different {what}: {' and '.join(found)}",
            "run them as two variants: --variant A --variant B",
        )
    return found[0] if found else None


def _cpu(name: str, parts: Iterable[Definition]) -> str | None:
    """One CPU model with the features of all: ``qemu64,+la57`` and ``qemu64,-pge`` are one."""
    wanted = [part.cpu.split(",") for part in parts if part.cpu]
    features = list(dict.fromkeys(each for cpu in wanted for each in cpu[1:]))
    for feature in {each.lstrip("+-") for each in features}:
        signs = [each for each in features if each.lstrip("+-") == feature]
        _only(name, f"CPU feature {feature}", signs)
    model = _only(name, "CPU models", (cpu[0] for cpu in wanted))
    return ",".join([model, *features]) if model else None


def _kernel_args(name: str, parts: Iterable[Definition]) -> tuple[str, ...]:
    arguments = list(dict.fromkeys(each for part in parts for each in part.kernel_args))
    for key in {each.partition("=")[0] for each in arguments}:
        _only(name, key, (each for each in arguments if each.partition("=")[0] == key))
    return tuple(arguments)


def _targets(name: str, parts: Iterable[Definition]) -> tuple[str, ...]:
    limits = [part.targets for part in parts if part.targets]
    common = tuple(each for each in (limits or [()])[0] if all(each in it for it in limits))
    if limits and not common:
        raise UserError(f"variant {name}: no target means something to all of its parts")
    return common


def _parted(joined: Iterable[str]) -> list[str]:
    """Names, each once; ``a+b`` is two."""
    return list(dict.fromkeys(name for each in joined for name in each.split("+")))


def compose(
    names: Iterable[str],
    extra: tuple[Fragment, ...] = (),
    suite: str = "mermap",
    target: str | None = None,
    *,
    trace: bool = True,
) -> Fragment:
    """Merge variants and fragments by name; with a variant comes the suite's own fragment.

    `extra` are the user's --config files; without `trace` the trace's lines are left out. Raises
    UserError for unknown names and conflicts.
    """
    known, files = definitions(), fragment_files()
    parts = _parted(names)
    for each in parts:
        if each not in known and each not in files:
            raise _unknown("variant or fragment", each, dict.fromkeys([*known, *files]))
    lone = _lone(known, parts, extra)
    suites = _suites(suite, extra) if not lone and any(each in known for each in parts) else ()
    wanted = [
        name for each in parts for name in (known[each].fragments if each in known else (each,))
    ]
    reason = _untraced((known[each] for each in parts if each in known), trace=trace)
    return merge("+".join(parts), [*suites, *wanted], extra, target, reason).fragment


def _lone(
    known: dict[str, Definition], names: list[str], extra: tuple[Fragment, ...]
) -> str | None:
    """Return the variant whose kernel is that of --config alone; None if not asked for.

    Raises UserError if there is no --config, or another variant beside it.
    """
    lone = next((each for each in names if each in known and not known[each].fragments), None)
    if lone and len(names) > 1:
        raise UserError(
            f"variant {lone} adds nothing to your --config, and {'+'.join(names)} would",
            f"take {lone} alone, or leave it out",
        )
    if lone and not extra:
        raise UserError(
            f"variant {lone} is the kernel of your --config alone, and none is given",
            "--config FILE, such as the tree's tools/testing/kunit/configs/default.config",
        )
    return lone


def _untraced(parts: Iterable[Definition], *, trace: bool) -> str:
    """Return why a merge of variants is not to carry the trace's symbols; "" where it may."""
    reasons = dict.fromkeys(part.untraced for part in parts if part.untraced)
    return "; ".join(reasons) or ("" if trace else NOT_GIVEN)


def resolve(
    name: str,
    extra: tuple[Fragment, ...] = (),
    suite: str = "mermap",
    target: str | None = None,
    *,
    trace: bool = True,
) -> Variant:
    """Return a variant, or several joined by ``+``, for a suite (kunit.py's filter glob).

    `extra` are the user's --config files; without `trace` the trace's lines are left out. Raises
    UserError for unknown names and conflicts.
    """
    known = definitions()
    names = _parted([name])
    for each in names:
        if each == FORMER:
            raise UserError(
                f"there is no variant {FORMER} any more: runs are traced by default",
                "leave it out; --no-trace boots without probes",
            )
        if each not in known:
            raise _unknown("variant", each, known)
    parts = [known[each] for each in names]
    lone = _lone(known, names, extra)
    suites = () if lone else _suites(suite, extra)
    wanted = [*suites, *(each for part in parts for each in part.fragments)]
    joined_name = "+".join(names)
    reason = _untraced(parts, trace=trace)
    if lone and suite.partition(".")[0] not in traceable.scope().suites:
        reason = ""  # that suite has nothing to trace
    return joined(joined_name, parts, merge(joined_name, wanted, extra, target, reason))


def joined(name: str, parts: list[Definition], merged: Merged) -> Variant:
    """One variant of several: the guest that all need. Raises UserError where there is none."""
    carried = merged.wish.fragment
    return Variant(
        name=name,
        fragment=merged.fragment,
        smp=max((part.smp for part in parts if part.smp), default=None),
        cpu=_cpu(name, parts),
        kernel_args=_kernel_args(name, parts),
        targets=_targets(name, parts),
        wished=tuple(each.symbol for each in carried.assignments) if carried else (),
        untraced=merged.wish.reason,
    )
