# SPDX-License-Identifier: GPL-2.0-only
"""Programs put first on PATH for kunit.py: a `make` that logs and a QEMU that obeys.

kunit.py sends make's output to /dev/null and shows errors only at the end; a `make` of ours appends
everything to the build log instead, where progress is read from it. Newer trees hard-code
`-accel kvm -accel hvf -accel tcg`, older ones none; a `qemu-system-ARCH` of ours replaces that with
the one accelerator that was chosen. The scripts stay with the record: put first on PATH they
reproduce the boot by hand.
"""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.errors import HarnessError

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = "#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0-only\n"

# Walks through the arguments once, dropping each "-accel X" and keeping the rest in order.
_DROP_ACCEL = """\
n=$#
while [ "$n" -gt 0 ]; do
    argument=$1
    shift
    n=$((n - 1))
    if [ "$argument" != -accel ]; then
        set -- "$@" "$argument"
    elif [ "$n" -gt 0 ]; then
        shift
        n=$((n - 1))
    fi
done
"""

# kunit.py's last words to a kernel make KUnit reboot before init has inserted anything.
_STAY = """\
n=$#
appended=
while [ "$n" -gt 0 ]; do
    argument=$1
    shift
    n=$((n - 1))
    if [ -n "$appended" ]; then
        argument=$(printf '%s\\n' "$argument" | sed 's/ *kunit_shutdown=[^ ]*//g')
    fi
    appended=
    [ "$argument" = -append ] && appended=1
    set -- "$@" "$argument"
done
"""


# kunit.py asks for olddefconfig before each build; make's own records say that it would do nothing.
_SKIP = """\
for argument; do
    [ "$argument" = olddefconfig ] && exit 0
done
"""

# Only the kernel that is booted: not every other thing that "all" and the editors' helpers are.
_IMAGE = """\
n=$#
while [ "$n" -gt 0 ]; do
    argument=$1
    shift
    n=$((n - 1))
    case $argument in
    all) set -- "$@" {goals} ;;
    compile_commands.json | scripts_gdb) ;;
    *) set -- "$@" "$argument" ;;
    esac
done
"""


def _program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise HarnessError(f"{name} is not installed", "`mermapctl doctor` says what to install")
    return found


@dataclass(frozen=True, slots=True)
class Goals:
    """What kunit.py's make is to make: `image` in place of all, and no olddefconfig if `current`.

    An empty `image` leaves kunit.py's own goals as they are.
    """

    image: tuple[str, ...] = ()
    current: bool = False


def make_script(make: str, log: Path, goals: Goals) -> str:
    """A make whose whole output is appended to `log`, and which makes what `goals` says."""
    skip = _SKIP if goals.current else ""
    image = _IMAGE.format(goals=shlex.join(goals.image)) if goals.image else ""
    return f'{_HEAD}{skip}{image}exec {shlex.quote(make)} "$@" >>{shlex.quote(str(log))} 2>&1\n'


def qemu_script(qemu: str, accelerator: str, *, stay: bool = False) -> str:
    """A QEMU that runs with one accelerator, whatever accelerators it is called with.

    With `stay` KUnit does not end the machine after the suites that are built in.
    """
    command = shlex.join([qemu, "-accel", accelerator])
    return f'{_HEAD}{_DROP_ACCEL}{_STAY if stay else ""}exec {command} "$@"\n'


def write(directory: Path, name: str, script: str) -> None:
    """Write one of the scripts as an executable `directory/name`."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)


def write_make(directory: Path, log: Path, goals: Goals) -> None:
    """Put a logging make into `directory`. Raises HarnessError where there is no make."""
    write(directory, "make", make_script(_program("make"), log, goals))


def link_ccache(directory: Path, compiler: str) -> bool:
    """Let `compiler` be ccache's, where that is installed: the command stays what it was.

    Returns whether it is.
    """
    ccache = shutil.which("ccache")
    if not ccache:
        return False
    link = directory / compiler
    link.unlink(missing_ok=True)
    link.symlink_to(ccache)
    return True


def write_qemu(directory: Path, qemu: str, accelerator: str, *, stay: bool = False) -> None:
    """Put a `qemu-system-ARCH` into `directory`. Raises HarnessError where it is missing."""
    write(directory, qemu, qemu_script(_program(qemu), accelerator, stay=stay))
