# SPDX-License-Identifier: GPL-2.0-only
from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(
    linux_arch="arm64",
    kconfig="CONFIG_SERIAL_TINY=y",
    qemu_arch="aarch64",
    kernel_path="arch/arm64/boot/Image.gz",
    kernel_command_line="console=ttyAMA0",
    extra_qemu_params=[],
)
