# SPDX-License-Identifier: GPL-2.0-only
from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(
    linux_arch="i386",
    kconfig="CONFIG_SERIAL_TINY=y",
    qemu_arch="i386",
    kernel_path="arch/x86/boot/bzImage",
    kernel_command_line="console=ttyS0",
    extra_qemu_params=[],
)
