# SPDX-License-Identifier: GPL-2.0-only
"""mermapctl: configure, run and judge the Linux kernel's mermap KUnit suite."""

__version__ = "1.0.0"
