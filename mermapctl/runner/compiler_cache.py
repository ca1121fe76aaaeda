# SPDX-License-Identifier: GPL-2.0-only
"""A compiler put first on PATH for kunit.py that goes through ccache."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

from mermapctl.config.toolchain import located
from mermapctl.errors import HarnessError
from mermapctl.runner import path_shims
from mermapctl.system import process, scratch
from mermapctl.tree.build_dir import SOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# An object with counters goes to the compiler itself: gcov's notes name the source, which must be
# its place in the tree.
# ccache's depend mode runs no preprocessor, so it does not see an .incbin. Pass sources that may
# have one to the compiler itself. Kbuild and the tools' Makefiles name the source file last.
_CACHED = """\
case " $* " in *" -fprofile-arcs "*) exec {compiler} "$@" ;; esac
for source; do :; done
case $source in
*.c) grep -q incbin "$source" && exec {compiler} "$@" ;;
*) exec {compiler} "$@" ;;
esac
"""

SEPARATOR = "\x1f"
"""Stands in no argument of a compiler; if it does, the command is left as it is."""

# Kbuild names files in the tree by their absolute paths, which differ between two trees with the
# same files: ccache would miss. Name them by the link in the build directory. The object then has
# no path of its tree (__FILE__ never has one: -fmacro-prefix-map), and neither have Kbuild's
# records, which make follows through the link. Messages get the tree's path back.
# The arguments are joined and split again: to set them anew for each one takes three milliseconds.
# What fails is compiled again by the compiler itself: ccache may be what failed (a cache directory
# that became read-only), and its errors are none of the tree's.
_NEUTRAL = f"""\
tree={{tree}}
all=
[ {SOURCE} -ef "$tree" ] && for argument; do
    case $argument in
    *{SEPARATOR}*) all=; break ;;
    "$tree"/*) argument={SOURCE}${{{{argument#"$tree"}}}} ;;
    -I"$tree" | -I"$tree"/*) argument=-I{SOURCE}${{{{argument#-I"$tree"}}}} ;;
    -f*-prefix-map="$tree"/=*) argument=${{{{argument%%=*}}}}={SOURCE}${{{{argument#*="$tree"}}}} ;;
    esac
    all=$all$argument{SEPARATOR}
done
if [ "$all" ]; then
    set -f
    IFS={SEPARATOR}
    set -- $all
    set +f
    unset IFS
fi
exec 3>&1
said=$({{cached}} "$@" 2>&1 >&3 3>&-) || said=$({{itself}} "$@" 2>&1 >&3 3>&-)
status=$?
exec 3>&-
[ "$said" ] || exit $status
[ "$all" ] || tree={SOURCE}
printf '%s\\n' "$said" |
    sed -e "s#^{SOURCE}/#$tree/#" -e "s#\\([[:space:]]\\){SOURCE}/#\\1$tree/#g" >&2
exit $status
"""

_PROBE = "int mermapctl;\n"
_SECONDS = 20.0
_LONGEST = 300


def installed() -> bool:
    """Return whether there is a ccache."""
    return shutil.which("ccache") is not None


def flaw(compiler: str, env: Mapping[str, str]) -> str | None:
    """Compile a line through ccache; return why that does not work, None if it does.

    None too if `compiler` cannot compile it either, or does not go through ccache.
    """
    found = _programs(compiler)
    if found is None:
        return None
    ccache, itself = found
    try:
        with scratch.directory("ccache") as place:
            (place / "probe.c").write_text(_PROBE)
            why = _failure([ccache, itself], place, env)
            return why if why and _failure([itself], place, env) is None else None
    except (HarnessError, OSError):  # no temporary directory: the compiler will say so
        return None


def _failure(command: list[str], place: Path, env: Mapping[str, str]) -> str | None:
    made = place / "probe.o"
    made.unlink(missing_ok=True)
    argv = [*command, "-c", "-o", made.name, "probe.c"]
    try:
        done = process.run(argv, cwd=place, env=env, timeout=_SECONDS)
    except HarnessError as error:
        return error.message
    if done.returncode == 0 and made.is_file():
        return None
    if done.returncode < 0:
        return f"it was ended by signal {-done.returncode}"
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return said[0][:_LONGEST] if said else "it made no object"


def _programs(compiler: str) -> tuple[str, str] | None:
    """Return ccache and the compiler behind it; None if one is missing.

    A compiler whose name has a directory is not searched on PATH.
    """
    ccache = None if "/" in compiler else shutil.which("ccache")
    itself = located(compiler) if ccache else None
    return (ccache, str(itself)) if ccache and itself else None


def write(directory: Path, compiler: str, tree: Path) -> bool:
    """Run `compiler` through ccache, if that is installed, as if `tree` had no place of its own.

    Return whether it does so.
    """
    found = _programs(compiler)
    if found is None:
        forget(directory, compiler)
        return False
    ccache, itself = map(shlex.quote, found)
    neutral = _NEUTRAL.format(
        tree=shlex.quote(str(tree.resolve())),  # as the kernel's Makefile resolves it
        cached=f"{ccache} {itself}",
        itself=itself,
    )
    script = f"{path_shims.HEAD}{_CACHED.format(compiler=itself)}{neutral}"
    path_shims.write(directory, compiler, script)
    return True


def forget(directory: Path, compiler: str) -> None:
    """Leave `compiler` to PATH."""
    if "/" not in compiler:
        (directory / compiler).unlink(missing_ok=True)
