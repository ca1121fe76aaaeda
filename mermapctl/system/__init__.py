# SPDX-License-Identifier: GPL-2.0-only
"""The operating system: processes, signals, locks, files, paths. No other room touches it."""
