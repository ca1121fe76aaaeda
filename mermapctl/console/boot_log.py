# SPDX-License-Identifier: GPL-2.0-only
"""Console lines -> facts about the boot itself: machine, isolation, accelerator, end.

In a log from elsewhere, only lines of kunit.py, QEMU and the kernel show how the boot ended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mermapctl.console.lines import Line
from mermapctl.console.refusals import FELL_BACK, KVM_FAILED

PICKS = (
    *("Linux version ", "Command line: ", "Kernel command line: ", "smp: Brought up "),
    *("Kernel/User page tables isolation: ", "SMP: Total of "),
)
HARNESS = (
    *("qemu-system-", r"\$ ", r"Command '\["),
    *("KVM ", "KVM: ", "kvm", r"ioctl\(KVM_", "Could not access KVM", "error: kvm"),
)
"""The lines that this reader wants: PICKS while the kernel boots, HARNESS at any time."""

_ACCELERATOR = re.compile(KVM_FAILED)
_COMMAND = re.compile(r"\$ (?P<command>(?P<program>\S++)\s.*)")
_TIMED_OUT = re.compile(r"Command '\[.*timed out after (?P<seconds>\d{1,9}(?:\.\d{1,9})?) seconds")
_TERMINATED = re.compile(r"qemu-system-\S+: terminating on signal (?P<signal>\d+)")
_HARNESS = re.compile(
    r"\[\d\d:\d\d:\d\d\] |Running tests with:|\$ |Command '\[|qemu-system-\S+: |rc=\d+|\s*\Z"
)
"""Lines of kunit.py and QEMU, not of the kernel."""
_SHUT_DOWN = re.compile(r"reboot: (?:Restarting|machine restart|Power (?:down|off)|System halted)")
"""The message with which KUnit's `kunit_shutdown=`, or an init, ends a boot (kernel/reboot.c)."""
_CPUS = re.compile(r"(?:smp: Brought up \d+ nodes?, |SMP: Total of )(?P<cpus>\d{1,9}) (?:CPU|proc)")
_MUTED = re.compile(r"(?<![\w.])(?:quiet|loglevel=[0-6])(?![\w.])")
TEXT_LIMIT = 300


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """A console line as evidence."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class BootLog:
    """Facts about the boot in the console.

    `isolation`: page-table isolation as the kernel printed it, False if an x86 kernel booted and
    printed nothing about it, None if it is unknown. `muted`: the command line contains `quiet` or a
    low `loglevel`, which hides KTAP. `timed_out`: the limit in seconds that kunit.py enforced, by
    its own message. `shut_down`: the machine was halted, switched off or restarted in order.
    `last`: the kernel's last line.
    """

    kernel: str | None = None
    booted: bool = False
    cpus: int | None = None
    isolation: bool | None = None
    muted: bool = False
    accelerated: bool = False
    accelerator_error: EvidenceLine | None = None
    timed_out: float | None = None
    terminated: EvidenceLine | None = None
    shut_down: bool = False
    last: str | None = None


def _boots(program: str) -> bool:
    """Return whether a program is QEMU or a UML kernel."""
    return "qemu-system-" in program or program.endswith("linux")


class BootReader:
    """Feed console lines, then `finish` with the log's last lines."""

    def __init__(self) -> None:
        self._log = BootLog()
        self._x86 = False

    def feed(self, line: Line) -> None:
        """Take one line."""
        text, log = line.text, self._log
        said = EvidenceLine(line.number, text[:TEXT_LIMIT])
        if text.startswith("Linux version "):
            log = replace(log, kernel=text.split(" ", 3)[2][:TEXT_LIMIT])
        elif "ommand line: " in text[:21]:
            log = replace(log, muted=log.muted or bool(_MUTED.search(text)))
        elif text.startswith("Kernel/User page tables isolation"):
            log = replace(log, isolation="enabled" in text)
        elif cpus := _CPUS.match(text):
            log = replace(log, cpus=int(cpus["cpus"]))
        elif (command := _COMMAND.match(text)) and _boots(command["program"]):
            log = self._command(log, command["command"])
        elif timed_out := _TIMED_OUT.match(text):
            log = replace(log, timed_out=float(timed_out["seconds"]))
        elif _TERMINATED.match(text):
            log = replace(log, terminated=said)
        elif FELL_BACK.search(text):
            log = replace(log, accelerator_error=None, accelerated=False)
        elif log.accelerator_error is None and _ACCELERATOR.search(text):
            log = replace(log, accelerator_error=said)
        self._log = log

    def _command(self, log: BootLog, command: str) -> BootLog:
        """Read QEMU's command line from kunit.py: the first accelerator that starts wins."""
        self._x86 = "qemu-system-x86_64" in command
        accelerators = re.findall(r"-accel (\w+)", command)
        accelerated = accelerators[:1] == ["kvm"] or " -enable-kvm" in command
        muted = log.muted or bool(_MUTED.search(command))
        return replace(log, muted=muted, accelerated=accelerated)

    def finish(self, tail: tuple[str, ...]) -> BootLog:
        """Return the facts; `tail` are the console's last lines."""
        log = self._log
        last = next((text for text in reversed(tail) if not _HARNESS.match(text)), None)
        isolation = log.isolation
        if isolation is None and log.kernel is not None and self._x86:
            isolation = False
        return replace(
            log,
            booted=log.kernel is not None or last is not None,
            isolation=isolation,
            shut_down=any(map(_SHUT_DOWN.match, tail)),
            last=last.strip()[:TEXT_LIMIT] if last else None,
        )
