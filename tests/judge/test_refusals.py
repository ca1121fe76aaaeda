# SPDX-License-Identifier: GPL-2.0-only
"""Errors of QEMU, KVM and UML before the kernel prints anything, each with its advice."""

from __future__ import annotations

import io

import pytest

from mermapctl.judge.console_verdict import Judgement, judge
from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.runner import accelerator
from tests.tables import LOGS, MANIFEST

GOOD = (LOGS / "good.log").read_text("utf-8")
QEMU = "qemu-system-x86_64: "
KVM, BOOT = Reason.ACCELERATOR_FAILED, Reason.BOOT_FAILED


def judged(log: str) -> Judgement:
    return judge(io.BytesIO(log.encode()), manifest=MANIFEST, expected_suites="mermap")


SAID = [
    (
        (
            f"Could not access KVM kernel module: Permission denied\n{QEMU}failed to initialize "
            "kvm: Permission denied"
        ),
        KVM,
        "/dev/kvm",
        "group",
    ),
    (f"{QEMU}Could not access KVM kernel module: Operation not permitted", KVM, "may not", "group"),
    (
        (
            f"Could not access KVM kernel module: No such file or directory\n{QEMU}"
            "failed to initialize kvm: No such file or directory"
        ),
        KVM,
        "has no /dev/kvm",
        "kvm_intel",
    ),
    ("ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy", KVM, "another hypervisor", "stop"),
    ("ioctl(KVM_CREATE_VM) failed: 12 Cannot allocate memory", KVM, "memory", "free"),
    (f"{QEMU}-accel kvm: invalid accelerator kvm", KVM, "this QEMU has no KVM", "built with"),
    ("KVM: entry failed, hardware error 0x80000021", KVM, "could not run", "nested"),
    ("KVM internal error. Suberror: 1\nemulation failure", KVM, "could not run", "nested"),
    ("error: kvm run failed Bad address", KVM, "could not run", "nested"),
    (f"{QEMU}error: failed to set MSR 0xc0000104 to 0x100000000", KVM, "could not run", "nested"),
    (f"{QEMU}kvm_init_vcpu failed: Invalid argument", KVM, "does not work", "refused"),
    (f"{QEMU}unable to find CPU model 'Haswel'", BOOT, "CPU model", "-cpu help"),
    (f"{QEMU}CPU model 'host' requires KVM or HVF", BOOT, "needs KVM", "another CPU model"),
    (
        f"{QEMU}unsupported machine type\nUse -machine help to list supported machines",
        BOOT,
        "machine type",
        "-machine help",
    ),
    (f"{QEMU}Invalid SMP CPUs 64. The max CPUs supported by machine 'x' is 1", BOOT, "CPUs", "smp"),
    (
        f"{QEMU}cannot set up guest memory 'pc.ram': Cannot allocate memory",
        BOOT,
        "no memory",
        "less",
    ),
    (
        "qemu: could not open kernel file '.kunit/arch/x86/bzImage': No such file or directory",
        BOOT,
        "kernel image",
        "-kernel",
    ),
    (
        f"{QEMU}Error loading uncompressed kernel without PVH ELF Note",
        BOOT,
        "cannot boot",
        "bzImage",
    ),
    ("qemu: could not load PC BIOS 'bios-256k.bin'", BOOT, "firmware", "seabios"),
    (f'{QEMU}failed to find romfile "efi-virtio.rom"', BOOT, "firmware", "ipxe"),
    ("sh: 1: qemu-system-riscv64: not found", BOOT, "not installed", "doctor"),
    (f"{QEMU}-foo: invalid option", BOOT, "options", "option"),
    (f"{QEMU}cannot bind the socket: it is taken", BOOT, "QEMU ended before", "the line"),
    (
        (
            "Core dump limits :\n\tsoft - 0\nChecking PROT_EXEC mmap in /dev/shm..."
            "Operation not permitted\n/dev/shm must be not mounted noexec"
        ),
        BOOT,
        "noexec",
        "remount",
    ),
    (
        "Checking environment variables for a tempdir...none\n/tmp must be not mounted noexec",
        BOOT,
        "noexec",
        "TMPDIR",
    ),
    (
        (
            "Checking that ptrace can change system call numbers...check_ptrace : expected "
            "SIGTRAP|0x80, got status = 256"
        ),
        BOOT,
        "ptrace",
        "SYS_PTRACE",
    ),
    (
        "Checking that ptrace can change system call numbers...\nptrace: Operation not permitted",
        BOOT,
        "ptrace",
        "SYS_PTRACE",
    ),
    ("start_userspace : expected SIGSTOP, got status = 9", BOOT, "ptrace", "SYS_PTRACE"),
    ("PermissionError: [Errno 13] Permission denied: '.kunit/linux'", BOOT, "executed", "noexec"),
]


@pytest.mark.parametrize(("said", "reason", "summary", "advice"), SAID)
@pytest.mark.parametrize("before", ["", "[09:14:02] Starting KUnit Kernel (1/1)...\n"])
def test_a_refusal_has_its_own_advice(
    before: str, said: str, reason: Reason, summary: str, advice: str
) -> None:
    judgement = judged(f"{before}{said}\n")
    assert (judgement.verdict, judgement.reason) == (Verdict.NO_VERDICT, reason)
    (finding,) = judgement.findings
    assert finding.code == reason.value
    assert summary in finding.summary
    assert advice in (finding.advice or "")
    assert judgement.detail in said.splitlines()
    assert finding.console_line is not None
    spoken = f"{before}{said}".splitlines()[finding.console_line - 1]
    assert spoken.strip() == judgement.detail
    for word in ("CONFIG_KUNIT", "no line of a kernel", "/dev/kvm opens"):
        assert word not in finding.summary + (finding.advice or "")
    assert ("--accel tcg" in (finding.advice or "")) == (reason is KVM)


@pytest.mark.parametrize("said", [said for said, *_ in SAID])
def test_a_kernel_that_spoke_all_the_same_is_judged(said: str) -> None:
    """QEMU fell back, or another program printed the lines."""
    log = f"{said}\n{QEMU}falling back to tcg\n{GOOD}"
    assert judged(log).verdict is Verdict.PASSED


GUEST = [
    "kvm: no hardware support",
    "kvm-clock: Using msrs 4b564d01 and 4b564d00",
    "kvm_intel: VMX not supported by CPU 0",
    "random: crng init done, Cannot allocate memory",
    "Checking that ptrace can change system call numbers...OK",
    "Checking PROT_EXEC mmap in /dev/shm...OK",
    "PCI: could not load ROM of device",
]


@pytest.mark.parametrize("said", GUEST)
def test_text_of_a_kernel_is_no_refusal(said: str) -> None:
    assert accelerator.complaint(f"{said}\n".encode()) is None
    judgement = judged(f"{said}\nLinux version 7.3.4 (x)\n{said}\nlast words\n")
    assert judgement.reason is BOOT
    assert "printed no KTAP" in judgement.findings[0].summary


@pytest.mark.parametrize(("said", "reason"), [(said, reason) for said, reason, *_ in SAID])
def test_a_boot_and_a_log_recognize_the_same_errors_of_kvm(said: str, reason: Reason) -> None:
    assert (accelerator.complaint(said.encode()) is not None) == (reason is KVM)
