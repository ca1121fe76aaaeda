# SPDX-License-Identifier: GPL-2.0-only
"""Kernel trees: found, looked at, made. Never imports a room that configures or runs."""
