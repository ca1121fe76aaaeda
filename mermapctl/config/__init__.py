# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel is asked to be, its cells, and why its Kconfig refuses. Never runs a kernel."""
