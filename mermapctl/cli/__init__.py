# SPDX-License-Identifier: GPL-2.0-only
"""The command line: click only. Each callback calls one command, renders what it returns, exits."""
