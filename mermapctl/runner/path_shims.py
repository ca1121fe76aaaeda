# SPDX-License-Identifier: GPL-2.0-only
"""Programs put first on PATH for kunit.py: a `make` that logs, a QEMU with a fixed accelerator.

kunit.py sends make's output to /dev/null and shows errors only at the end. Our `make` appends all
output to the build log instead, and progress is read from there. Newer trees hard-code `-accel kvm
-accel hvf -accel tcg`, older ones none; our `qemu-system-ARCH` replaces these by the chosen
accelerator. The scripts are kept with the record: put first on PATH, they reproduce the boot by
hand.
"""

from __future__ import annotations

import inspect
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mermapctl.errors import HarnessError
from mermapctl.runner import console_pump
from mermapctl.system import files

HEAD = "#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0-only\n"
"""How each script begins."""

# Goes once through the arguments; what `body` sets again is kept, in order.
_WALK = """\
n=$#
last=
while [ "$n" -gt 0 ]; do
    argument=$1
    shift
    n=$((n - 1))
{body}
    last=$argument
done
"""


def walk(body: str) -> str:
    """Return the lines that run `body` for each `$argument`, and keep what it sets again."""
    return _WALK.format(body=textwrap.indent(body.rstrip("\n"), "    "))


# Drops each "-accel X".
_DROP_ACCEL = walk("""\
if [ "$argument" != -accel ]; then
    set -- "$@" "$argument"
elif [ "$n" -gt 0 ]; then
    shift
    n=$((n - 1))
fi
""")

# kunit.py's last words to a kernel make KUnit reboot before init has inserted anything.
_STAY = walk("""\
if [ "$last" = -append ]; then
    argument=$(printf '%s\\n' "$argument" | sed 's/ *kunit_shutdown=[^ ]*//g')
fi
set -- "$@" "$argument"
""")

# kunit.py boots the image that "all" packs. If only the kernel was made, boot that instead.
_KERNEL = """\
[ "$last" = -kernel ] && argument={kernel}
set -- "$@" "$argument"
"""

# kunit.py runs olddefconfig before each build. Skip it if make's records show that nothing changed.
_SKIP = """\
for argument; do
    [ "$argument" = olddefconfig ] && exit 0
done
"""

# Make only the kernel that is booted, without the other goals of "all" and files for editors.
_IMAGE = """\
case $argument in
all) set -- "$@" {goals} ;;
compile_commands.json | scripts_gdb) ;;
*) set -- "$@" "$argument" ;;
esac
"""


def _program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise HarnessError(f"{name} is not installed", "`mermapctl doctor` says what to install")
    return found


@dataclass(frozen=True, slots=True)
class Goals:
    """What make builds for kunit.py: `image` instead of all, and no olddefconfig if `current`.

    With an empty `image` kunit.py's own goals stay. `jobs` is the `-j` of a make that is called
    without; `variables` are added to its command line.
    """

    image: tuple[str, ...] = ()
    current: bool = False
    jobs: int | None = None
    variables: tuple[str, ...] = ()


def make_script(make: str, log: Path, goals: Goals) -> str:
    """Return a script for a make that appends its output to `log` and follows `goals`."""
    skip = _SKIP if goals.current else ""
    image = walk(_IMAGE.format(goals=shlex.join(goals.image))) if goals.image else ""
    command = shlex.join([make, *([f"-j{goals.jobs}"] if goals.jobs else []), *goals.variables])
    return f'{HEAD}{skip}{image}exec {command} "$@" >>{shlex.quote(str(log))} 2>&1\n'


def ended_file(directory: Path, qemu: str) -> Path:
    """Return the path of the file that says how the QEMU in `directory` ended.

    `mermapctl.runner.console_pump` writes it.
    """
    return directory / f"{qemu}.ended"


def qemu_script(
    qemu: str,
    accelerator: str,
    ended: Path,
    options: Sequence[str] = (),
    *,
    stay: bool = False,
    kernel: Path | None = None,
    ring: bool = False,
) -> str:
    """Return a script for a QEMU with one accelerator, in place of those in its arguments.

    `options` come before its arguments. With `stay`, KUnit does not end the machine after the
    built-in suites. `kernel` replaces the kernel in its arguments. `ended` is the file that says
    how QEMU ended. With `ring`, the console goes through a ring buffer.
    """
    how = "ring" if ring else "pipe"
    gathered = [sys.executable, "-ISc", inspect.getsource(console_pump), str(ended), how]
    command = shlex.join([*gathered, qemu, "-accel", accelerator, *options])
    kernel_script = walk(_KERNEL.format(kernel=shlex.quote(str(kernel)))) if kernel else ""
    stay_script = _STAY if stay else ""
    return f'{HEAD}{_DROP_ACCEL}{kernel_script}{stay_script}exec {command} "$@"\n'


def write(directory: Path, name: str, script: str) -> None:
    """Write one of the scripts as an executable `directory/name`."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    files.make(path, os.fsencode(script))  # a path in it need not be UTF-8
    path.chmod(0o755)


def write_make(directory: Path, log: Path, goals: Goals) -> None:
    """Put a logging make into `directory`. Raises HarnessError if no make is installed."""
    write(directory, "make", make_script(_program("make"), log, goals))


def write_qemu(
    directory: Path,
    qemu: str,
    accelerator: str,
    options: Sequence[str] = (),
    *,
    stay: bool = False,
    kernel: Path | None = None,
    ring: bool = False,
) -> None:
    """Put a `qemu-system-ARCH` into `directory`. Raises HarnessError if that is not installed."""
    ended = ended_file(directory, qemu)
    ended.unlink(missing_ok=True)
    script = qemu_script(
        _program(qemu), accelerator, ended, options, stay=stay, kernel=kernel, ring=ring
    )
    write(directory, qemu, script)
