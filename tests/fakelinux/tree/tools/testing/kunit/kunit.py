#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A stand-in for a tree's kunit.py: the same command line, real child processes, no kernel.

Like the real one it calls make and qemu-system-ARCH from PATH, streams QEMU's output line by line,
hides make's, and does not pass a SIGTERM on to its children.

The tests start it thousands of times: it imports nothing that Python has not loaded anyway.
"""

import os
import sys

TREE = os.path.abspath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../.."))
QEMU = {"x86_64": "x86_64", "i386": "i386", "arm64": "aarch64"}
STAGES = ("run", "config", "build", "exec", "parse")
LISTS = ("kunitconfig", "make_options", "kernel_args", "qemu_args")
WORDS = ("build_dir", "arch", "cross_compile", "jobs", "timeout")
DEFAULT = (13, 25)  # SIGPIPE and SIGXFSZ, which Python ignores and a child of the real one does not


class Arguments:
    """The options of a command line, each under its name."""

    stage = filter_glob = ""
    build_dir = None
    arch = "um"
    jobs = "1"

    def __init__(self):
        for name in LISTS:
            setattr(self, name, [])


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def make(args, *goals):
    command = ["make", *goals, f"ARCH={args.arch}", f"O={args.build_dir}", *args.make_options]
    here = os.getcwd()
    os.chdir(TREE)
    nowhere = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    pid = os.posix_spawnp(
        "make", command, os.environ, file_actions=[nowhere], setsigdef=DEFAULT
    )
    os.chdir(here)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def own_lines(arch):
    """Lines that kunit.py adds to every kunitconfig for an architecture."""
    here = os.path.join(TREE, "tools/testing/kunit")
    if arch == "um":
        return read(f"{here}/configs/arch_uml.config")
    return read(f"{here}/qemu_configs/{arch}.py").partition('kconfig="')[2].partition('"')[0] + "\n"


def config(args):
    if not os.path.exists(args.build_dir):
        os.mkdir(args.build_dir)
    wanted = own_lines(args.arch) + "".join(map(read, args.kunitconfig))
    dot_config = os.path.join(args.build_dir, ".config")
    if os.path.exists(dot_config) and set(wanted.split("\n")) <= set(read(dot_config).split("\n")):
        return 0  # the real one keeps a .config with all requested symbols, whatever Kconfig has now
    with open(dot_config, "w", encoding="utf-8") as file:
        file.write(wanted)
    if make(args, "olddefconfig"):
        return 1
    return lacking(dot_config, wanted)


def lacking(dot_config, wanted):
    got = read(dot_config).splitlines()
    missing = [line for line in wanted.splitlines() if line.startswith("CONFIG_") and line not in got]
    if missing:
        print("Missing: " + ", ".join(missing), file=sys.stderr)
    return 1 if missing else 0


def build(args):
    if config(args) or make(args, "all", "compile_commands.json", f"--jobs={args.jobs}"):
        return 1
    wanted = "".join(map(read, args.kunitconfig))
    return lacking(os.path.join(args.build_dir, ".config"), wanted)  # once more, as the real one does


def split(text):
    """Split like a shell."""
    if any(mark in text for mark in "'\"\\"):
        import shlex

        return shlex.split(text)
    return text.split()


def boot(args):
    if args.arch == "um":
        command = [os.path.join(args.build_dir, "linux"), *args.kernel_args]
    else:
        wanted = [f"kunit.filter_glob={args.filter_glob}"] if args.filter_glob else []
        last = ["kunit.enable=1", "console=ttyS0", "kunit_shutdown=reboot"]
        append = " ".join([*args.kernel_args, *wanted, *last])
        kernel = f"{args.build_dir}/arch/x86/boot/bzImage"
        command = [f"qemu-system-{QEMU[args.arch]}", "-kernel", kernel, "-append", append]
        if os.environ.get("FAKE_NEWER_TREE"):
            command += ["-accel", "kvm", "-accel", "hvf", "-accel", "tcg"]
        for extra in args.qemu_args:
            command += split(extra)
    print("Running tests with:\n$", " ".join(command))
    given, _kept = os.pipe()
    reading, writing = os.pipe()
    pid = os.posix_spawnp(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, given, 0)]
        + [(os.POSIX_SPAWN_DUP2, writing, fd) for fd in (1, 2)],
        setsigdef=DEFAULT,
    )
    os.close(given)
    os.close(writing)
    with open(reading, "rb") as console:
        for line in console:
            sys.stdout.write(line.decode(errors="backslashreplace"))
    os.waitpid(pid, 0)
    return 0


def options():
    """The long options, without their dashes."""
    older = ["qemu_args"] if os.environ.get("FAKE_OLDER_TREE") else []
    return [name for name in (*WORDS, *LISTS, "raw_output") if name not in older]


def usage(stage):
    if not stage:
        return f"usage: kunit.py [-h] {{{','.join(STAGES)}}} ..."
    return "\n  ".join([f"usage: kunit.py {stage} [-h] [options] [filter_glob]"] + [
        f"--{name} {name.upper()}" for name in options()
    ])


def arguments():
    args = Arguments()
    words = iter(sys.argv[1:])
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if word in ("-h", "--help"):
            print(usage(args.stage))
            sys.exit(0)
        elif not args.stage and word in STAGES:
            args.stage = word
        elif args.stage and word.startswith("--") and name in options():
            if not equals and name != "raw_output":
                value = next(words)
            if name in LISTS:
                getattr(args, name).append(value)
            else:
                setattr(args, name, value)
        elif args.stage and not word.startswith("-") and not args.filter_glob:
            args.filter_glob = word
        else:
            print(f"{usage(args.stage)}\nerror: unrecognized arguments: {word}", file=sys.stderr)
            sys.exit(2)
    return args


if __name__ == "__main__":
    parsed = arguments()
    sys.exit({"config": config, "build": build, "exec": boot}[parsed.stage](parsed))
