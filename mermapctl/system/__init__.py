# SPDX-License-Identifier: GPL-2.0-only
"""Processes, signals, locks, whole files, paths. No other room starts a program."""
