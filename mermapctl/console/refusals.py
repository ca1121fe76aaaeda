# SPDX-License-Identifier: GPL-2.0-only
"""Messages of QEMU, KVM and UML when no kernel can run -> cause and advice. Pure.

Each message has its own advice. If a console contains several, the one that stands first in the
table counts: causes stand above their consequences.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple


class Refusal(NamedTuple):
    """One kind of refusal; `kvm`: software emulation avoids it."""

    pattern: str
    summary: str
    advice: str
    kvm: bool = False


class FoundRefusal(NamedTuple):
    """A refusal in a console: its line number and text."""

    kind: Refusal
    line: int
    text: str


_EMULATE = "use software emulation (`mermapctl run --accel tcg`)"
_NESTED = (
    "this host's KVM cannot run the guest, as happens where virtualisation is nested without "
    f"hardware support: {_EMULATE}"
)
UNABLE = Refusal(
    r"KVM internal error|KVM: entry failed|hardware error 0x|KVM: unknown exit|KVM: exception"
    r"|(?:error: )?kvm run failed|failed to set MSR|failed to get MSR|kvm_(?:put|buf_set)_msrs"
    r"|unhandled exit \w+|KVM_EXIT_\w+",
    "KVM could not run the guest",
    _NESTED,
    kvm=True,
)
_KVM = (
    Refusal(
        r"(?:Could not access KVM kernel module|failed to initialize kvm|/dev/kvm).*"
        r"(?:Permission denied|Operation not permitted)",
        "QEMU may not open /dev/kvm",
        "join the group that owns /dev/kvm (mostly `kvm`), or give the device to the container "
        f"(`--device /dev/kvm`); or {_EMULATE}",
        kvm=True,
    ),
    Refusal(
        r"(?:Could not access KVM kernel module|failed to initialize kvm|/dev/kvm).*"
        r"(?:No such file|No such device)",
        "this host has no /dev/kvm",
        "load kvm_intel or kvm_amd, switch virtualisation on in the firmware, or give the device "
        f"to the container; or {_EMULATE}",
        kvm=True,
    ),
    Refusal(
        r"(?:KVM_CREATE_VM|failed to initialize kvm).*(?:Device or resource busy)",
        "another hypervisor holds the processor's virtualisation",
        f"stop it (VirtualBox, VMware), or {_EMULATE}",
        kvm=True,
    ),
    Refusal(
        r"(?:KVM_CREATE_V\w+|KVM_\w+|kvm_init\w*|failed to initialize kvm).*Cannot allocate memory",
        "KVM has no memory for the guest",
        f"free some memory of the host, or {_EMULATE}",
        kvm=True,
    ),
    Refusal(
        r"invalid accelerator '?kvm|[Nn]o accelerator found"
        r"|kvm accelerator (?:is )?not (?:supported|available|compiled|found)|KVM (?:support )?not "
        r"(?:compiled|available|enabled)|requires KVM support",
        "this QEMU has no KVM, or none for this architecture",
        f"KVM needs a QEMU built with it, and a guest of the host's architecture; or {_EMULATE}",
        kvm=True,
    ),
    UNABLE,
    Refusal(
        r"Could not access KVM kernel module|failed to initialize kvm|KVM (?:is )?not supported"
        r"|ioctl\(KVM_\w+\) failed|KVM_(?:CREATE_VM|CREATE_VCPU|RUN|SET_\w+)\W.*(?:fail|error|Inv)"
        r"|kvm_\w+:? .*failed|kvm_\w+ failed",
        "KVM does not work on this host",
        f"the line says what KVM refused; or {_EMULATE}",
        kvm=True,
    ),
)
_QEMU = (
    Refusal(
        r"CPU model '?\S+?'? requires KVM|requires KVM or HVF|'host' CPU",
        "the CPU model needs KVM",
        "ask for another CPU model (`--cpu`), or for KVM",
    ),
    Refusal(
        r"unable to find CPU model|[Uu]nknown CPU model|invalid CPU (?:model|type)"
        r"|Invalid CPU (?:model|type)|Unable to find sPAPR CPU",
        "this QEMU does not have the CPU model",
        "`qemu-system-ARCH -cpu help` lists its models; ask for another (`--cpu`)",
    ),
    Refusal(
        r"unsupported machine(?: type)?|[Nn]o machine specified|invalid machine|unknown machine"
        r"|Use -machine help",
        "this QEMU does not have the machine type",
        "`qemu-system-ARCH -machine help` lists its machines; a newer QEMU may have it",
    ),
    Refusal(
        r"Invalid SMP CPUs|[Nn]umber of (?:SMP )?CPUs requested .* exceeds|max CPUs supported",
        "the machine type takes fewer CPUs",
        "ask for fewer (`--smp`)",
    ),
    Refusal(
        r"(?:cannot set up guest memory|mmap|[Uu]nable to allocate|[Ff]ailed to allocate"
        r"|malloc).*[Cc]annot allocate memory|cannot set up guest memory"
        r"|Cannot allocate memory",
        "the host has no memory for the guest",
        "free some memory, raise the container's limit, or boot with less guest memory",
    ),
    Refusal(
        r"without PVH ELF Note|invalid kernel header|unsupported kernel (?:image|header)"
        r"|linux kernel too old|not a (?:valid )?(?:bzImage|Linux kernel)",
        "QEMU cannot boot this kind of kernel image",
        "give it the image that its machine takes (x86: bzImage)",
    ),
    Refusal(
        r"could not (?:open|load) (?:the )?(?:kernel|Linux)|[Ee]rror loading (?:kernel|uncompr)"
        r"|(?:kernel|bzImage|Image|vmlinux)'?: No such file|could not load '[^']*(?:Image|vmlinu)",
        "the kernel image is not there, or cannot be read",
        "look whether the build made it, and at the path behind -kernel",
    ),
    Refusal(
        r"could not (?:open|load) (?:the )?initrd|[Ee]rror reading initrd|initrd.*No such file",
        "the initramfs is not there, or cannot be read",
        "look at the path behind -initrd",
    ),
    Refusal(
        r"(?:could not load|find|open|load)\b.*(?:BIOS|ROM|romfile|firmware|bios\S*\.bin|\.rom\b)"
        r"|rom: requested regions overlap|[Ff]ailed to find romfile|no such ROM",
        "QEMU does not find its firmware",
        "install the firmware that this QEMU needs (such as seabios, ipxe-qemu, qemu-efi), or name "
        "its folder with -L",
    ),
    Refusal(
        r"qemu-system-\S+: (?:command )?not found|No such file or directory: '?qemu-system"
        r"|qemu-system-\S+: No such file",
        "QEMU is not installed for this architecture",
        "`mermapctl doctor` names the package",
    ),
    Refusal(
        r"qemu-system-\S+: (?:[^\n]*: )?(?:[Ii]nvalid|[Uu]nknown|unrecognized|[Nn]o such) option"
        r"|qemu-system-\S+: -\S+[^:\n]*: (?:invalid option|requires an argument)",
        "this QEMU does not take one of its options",
        "look at the option in that line; a newer QEMU may have it",
    ),
)
_UML = (
    Refusal(
        r"(?:/dev/shm|/tmp|\S+) must be (?:not mounted|mounted not|mounted without) noexec"
        r"|Checking PROT_EXEC mmap in \S+?\s*\.\.\.\s*(?!OK).*(?:[Oo]peration not permitted"
        r"|[Pp]ermission denied|failed)",
        "UML cannot execute code from its memory file: the file system is mounted noexec",
        "remount it with exec (`mount -o remount,exec /dev/shm`), or point TMPDIR at one that is",
    ),
    Refusal(
        r"(?:[Cc]hecking (?:that ptrace|syscall emulation|advanced syscall|ptrace).*|check_ptrace"
        r"|start_ptraced_child|start_userspace|ptrace\w*|PTRACE_\w+)\b.*(?:[Oo]peration not "
        r"permitted|[Pp]ermission denied|failed|errno (?:=|:)? ?1\b|expected SIG|exited with)",
        "UML may not trace its own processes (ptrace)",
        "allow it: in a container `--cap-add SYS_PTRACE` or another seccomp profile; on the host "
        "kernel.yama.ptrace_scope below 3",
    ),
    Refusal(
        r"(?:UML|/dev/shm|[Tt]emp\w*|physical memory|create_mem_file|create_tmp_file|map_memory).*"
        r"No space left on device",
        "UML's memory file does not fit into its file system",
        "enlarge /dev/shm (a container's is 64 MB: `--shm-size 2g`), or point TMPDIR elsewhere",
    ),
    Refusal(
        r"Permission denied: '?\S*/linux\b|\S*/linux: Permission denied|cannot execute binary file"
        r"|Exec format error",
        "the kernel's program (UML's `linux`) cannot be executed here",
        "is the build directory mounted noexec, or was it built for another machine?",
    ),
)
TABLE = (*_KVM, *_UML, *_QEMU)
FELL_BACK = re.compile(r"(?:falling|fall) back to (?:tcg|TCG|hvf)")
_COMPILED = tuple((refusal, re.compile(refusal.pattern)) for refusal in TABLE)
KVM_FAILED = (
    r"KVM internal error|KVM: (?:entry failed|unknown exit|exception)|kvm run failed"
    r"|Could not access KVM kernel module|failed to initialize kvm|ioctl\(KVM_\w+\) failed"
    r"|KVM_(?:CREATE_VM|CREATE_VCPU|RUN|SET_\w+)\W.*(?:fail|error|Invalid)|kvm_\w+ failed"
    r"|KVM (?:is )?not supported|invalid accelerator '?kvm|error: failed to [sg]et MSR"
)
"""Messages of QEMU at any time when KVM cannot run this kernel; no guest kernel prints them."""
LONGEST = 1000
"""Characters of a line that are searched: no message of QEMU or UML has as many."""
_SUBJECTS = re.compile(
    r"qemu|QEMU|[Kk][Vv][Mm]|ptrace|PTRACE|noexec|/dev/shm|PROT_EXEC|UML|start_userspace|linux"
    r"|Use -machine"
)
"""Subjects of such a line: a kernel's own messages about missing memory or files do not count."""
GENERIC = Refusal("", "QEMU ended before the kernel began", "the line says why")
_GENERIC = re.compile(r"qemu(?:-system-\S+)?: (?!terminating on signal|warning: )\S")


def refusal_in(text: str) -> Refusal | None:
    """Return the refusal that a line reports."""
    text = text[:LONGEST]
    if not _SUBJECTS.search(text):
        return None
    return next((refusal for refusal, pattern in _COMPILED if pattern.search(text)), None)


def first(lines: Iterable[tuple[int, str]]) -> FoundRefusal | None:
    """Return the refusal that counts among numbered console lines.

    A refusal of KVM does not count if QEMU fell back to emulation after it.
    """
    found: list[FoundRefusal] = []
    generic: FoundRefusal | None = None
    for number, text in lines:
        if FELL_BACK.search(text):
            found = [each for each in found if not each.kind.kvm]
            generic = None
        elif (refusal := refusal_in(text)) is not None:
            found.append(FoundRefusal(refusal, number, text))
        elif generic is None and _GENERIC.match(text):
            generic = FoundRefusal(GENERIC, number, text)
    order = {refusal: place for place, refusal in enumerate(TABLE)}
    return min(found, key=lambda each: order[each.kind], default=generic)
