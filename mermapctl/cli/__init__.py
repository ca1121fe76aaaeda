# SPDX-License-Identifier: GPL-2.0-only
"""The command line: click only. A callback calls one command, renders its result and exits."""
