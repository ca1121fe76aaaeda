#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A stand-in for a tree's kunit.py: the same command line, real child processes, no kernel.

Like the real one it calls make and qemu-system-ARCH from PATH, streams QEMU's output line by line,
hides make's, and does not pass a SIGTERM on to its children.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]
QEMU = {"x86_64": "x86_64", "i386": "i386", "arm64": "aarch64"}


def make(args: argparse.Namespace, *goals: str) -> int:
    command = ["make", *goals, f"ARCH={args.arch}", f"O={args.build_dir}", *args.make_options]
    done = subprocess.run(command, cwd=TREE, stdout=subprocess.DEVNULL, check=False)
    return done.returncode


def own_lines(arch: str) -> str:
    """Lines that kunit.py adds to every kunitconfig for an architecture."""
    here = TREE / "tools/testing/kunit"
    if arch == "um":
        return (here / "configs/arch_uml.config").read_text()
    found = re.search(r'kconfig="(.*)"', (here / f"qemu_configs/{arch}.py").read_text())
    return f"{found[1]}\n"


def config(args: argparse.Namespace) -> int:
    build = Path(args.build_dir)
    if not build.exists():
        build.mkdir()
    wanted = own_lines(args.arch) + "".join(Path(path).read_text() for path in args.kunitconfig)
    dot_config = build / ".config"
    if dot_config.exists() and set(wanted.split("\n")) <= set(dot_config.read_text().split("\n")):
        return 0  # the real one keeps a .config with all requested symbols, whatever Kconfig has now
    dot_config.write_text(wanted)
    if make(args, "olddefconfig"):
        return 1
    return lacking(dot_config, wanted)


def lacking(dot_config: Path, wanted: str) -> int:
    got = dot_config.read_text().splitlines()
    missing = [line for line in wanted.splitlines() if line.startswith("CONFIG_") and line not in got]
    if missing:
        print("Missing: " + ", ".join(missing), file=sys.stderr)
    return 1 if missing else 0


def build(args: argparse.Namespace) -> int:
    if config(args) or make(args, "all", "compile_commands.json", f"--jobs={args.jobs}"):
        return 1
    wanted = "".join(Path(path).read_text() for path in args.kunitconfig)
    return lacking(Path(args.build_dir) / ".config", wanted)  # once more, as the real one does


def boot(args: argparse.Namespace) -> int:
    if args.arch == "um":
        command = [str(Path(args.build_dir) / "linux"), *args.kernel_args]
    else:
        wanted = [f"kunit.filter_glob={args.filter_glob}"] if args.filter_glob else []
        last = ["kunit.enable=1", "console=ttyS0", "kunit_shutdown=reboot"]
        append = " ".join([*args.kernel_args, *wanted, *last])
        kernel = f"{args.build_dir}/arch/x86/boot/bzImage"
        command = [f"qemu-system-{QEMU[args.arch]}", "-kernel", kernel, "-append", append]
        if os.environ.get("FAKE_NEWER_TREE"):
            command += ["-accel", "kvm", "-accel", "hvf", "-accel", "tcg"]
        for extra in args.qemu_args:
            command += shlex.split(extra)
    print("Running tests with:\n$", " ".join(command))
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    for line in child.stdout:
        sys.stdout.write(line.decode(errors="backslashreplace"))
    return 0 * child.wait()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="stand-in")
    subparsers = parser.add_subparsers(dest="stage", required=True)
    for stage in ("run", "config", "build", "exec", "parse"):
        sub = subparsers.add_parser(stage)
        sub.add_argument("--build_dir")
        sub.add_argument("--kunitconfig", action="append", default=[])
        sub.add_argument("--arch", default="um")
        sub.add_argument("--cross_compile")
        sub.add_argument("--make_options", action="append", default=[])
        sub.add_argument("--jobs", default="1")
        sub.add_argument("--timeout", type=int, default=300)
        sub.add_argument("--kernel_args", action="append", default=[])
        sub.add_argument("--raw_output", nargs="?", const="all")
        if not os.environ.get("FAKE_OLDER_TREE"):
            sub.add_argument("--qemu_args", action="append", default=[])
        sub.add_argument("filter_glob", nargs="?", default="")
    return parser.parse_args()


if __name__ == "__main__":
    parsed = arguments()
    sys.exit({"config": config, "build": build, "exec": boot}[parsed.stage](parsed))
